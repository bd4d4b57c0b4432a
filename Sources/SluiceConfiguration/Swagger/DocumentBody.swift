/// What a document says of the body of an operation: its media types, and the schema of JSON or the parameters of a form.
package struct DocumentBody {
    package struct FormParameter {
        package let name: Located<String>
        package let isRequired: Bool
        /// As parameters are written: of Swagger with `type`, of OpenAPI 3 with `schema`, `style` and `explode`.
        package let written: ConfigurationNode
    }

    /// In small letters, without parameters; not empty.
    package private(set) var contentTypes: [String]
    package private(set) var isRequired: Bool
    /// Of all types of JSON; not converted yet.
    package private(set) var schema: ConfigurationNode?
    package private(set) var form: [FormParameter] = []

    package static let formType = "application/x-www-form-urlencoded"
    private static let multipartType = "multipart/form-data"

    // MARK: Swagger 2.0

    /// Nil where parameters describe no body.
    ///
    /// - Parameter consumes: of the operation, or of the document.
    package init?(_ parameters: [ConfigurationNode], consumes: ConfigurationNode?, _ problems: Problems) {
        let types = (consumes?.elements ?? []).compactMap { $0.text.map(Self.bare) }
        if let body = parameters.first(where: { $0["in"]?.text == "body" }) {
            contentTypes = types.isEmpty ? ["application/json"] : types
            isRequired = Self.isTrue(body["required"])
            schema = body["schema"]
            noteUnseen(at: consumes ?? body, problems)
            return
        }
        let nodes = parameters.filter { $0["in"]?.text == "formData" }
        guard let first = nodes.first else { return nil }
        let forms = types.filter { $0 == Self.formType || $0 == Self.multipartType }
        let hasFile = nodes.contains { $0["type"]?.text == "file" }
        contentTypes = hasFile ? [Self.multipartType] : forms.isEmpty ? [Self.formType] : forms
        isRequired = nodes.contains { Self.isTrue($0["required"]) }
        if contentTypes.contains(Self.formType) {
            form = nodes.compactMap { node in
                node["name"].flatMap { name in name.text.map { Located($0, at: name) } }
                    .map { FormParameter(name: $0, isRequired: Self.isTrue(node["required"]), written: node) }
            }
        }
        noteUnseen(at: consumes ?? first, problems)
    }

    // MARK: OpenAPI 3

    /// Nil where the body has no content.
    ///
    /// - Parameter written: of the operation; reference resolved.
    package init?(_ written: ConfigurationNode, _ references: DocumentReferences, _ problems: Problems) {
        guard let content = written["content"], let entries = content.entries, !entries.isEmpty else { return nil }
        contentTypes = entries.map { Self.bare($0.key) }
        isRequired = Self.isTrue(written["required"])
        let named = entries.filter { Self.isJSON(Self.bare($0.key)) }
        let json = named.isEmpty ? entries.filter { ["*/*", "application/*"].contains(Self.bare($0.key)) } : named
        if let first = json.first?.value["schema"] {
            for other in json.dropFirst() where other.value["schema"].map({ !$0.hasSameContent(as: first) }) ?? true {
                problems.add(at: other.value, found: "another schema for another type of JSON", allowed: "one schema for all types of JSON")
            }
            schema = first
        }
        if let media = entries.first(where: { Self.bare($0.key) == Self.formType })?.value { readForm(media, references, problems) }
        noteUnseen(at: content, problems)
    }

    /// A form is described as an object whose members are its parameters.
    private mutating func readForm(_ media: ConfigurationNode, _ references: DocumentReferences, _ problems: Problems) {
        guard let written = media["schema"] else { return }
        do throws(DocumentReferences.Fault) {
            let schema = try references.resolve(written)
            guard let properties = schema["properties"]?.entries else {
                return problems.note(at: written, "this form is not checked: its schema has no `properties`")
            }
            let required = (schema["required"]?.elements ?? []).compactMap(\.text)
            for property in properties {
                var parameter = ConfigurationNode.mapping([], at: property.value).setting("schema", property.value)
                let isRequired = required.contains(property.key)
                parameter.set("required", ConfigurationNode(.bool(isRequired), position: property.value.position, path: property.value.path))
                let encoding = media["encoding"]?[property.key]
                for key in ["style", "explode"] { if let value = encoding?[key] { parameter.set(key, value) } }
                form.append(FormParameter(name: property.name, isRequired: isRequired, written: parameter))
            }
        } catch {
            error.report(problems)
        }
    }

    // MARK: Types

    /// A client chooses the type: one that is not looked into lets everything pass.
    private func noteUnseen(at place: ConfigurationNode, _ problems: Problems) {
        guard schema != nil || !form.isEmpty || contentTypes == [Self.multipartType] else { return }
        let unseen = contentTypes.filter { $0 != Self.formType && !Self.isJSON($0) }
        guard !unseen.isEmpty else { return }
        problems.note(at: place, "bodies of the type \(unseen.joined(separator: ", ")) are not looked into: a client that sends one passes")
    }

    /// Without its parameters.
    private static func bare(_ text: String) -> String {
        let type = text.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        return String(type.filter { $0 != " " && $0 != "\t" }).lowercased()
    }

    /// As the policy has it.
    private static func isJSON(_ type: String) -> Bool { type == "application/json" || type == "text/json" || type.hasSuffix("+json") }

    private static func isTrue(_ node: ConfigurationNode?) -> Bool {
        if case .bool(true)? = node?.content { true } else { false }
    }
}
