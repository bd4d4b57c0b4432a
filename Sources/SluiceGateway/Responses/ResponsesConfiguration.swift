import SluiceConfiguration
import SluiceHTTP

/// `responses` of a domain: how its clients are told of errors of a type, in place of what `errors` says.
struct ResponsesConfiguration: Sendable {
    struct Response: Sendable {
        /// Nil: that of the error. 200 to 599.
        var status: UInt16?
        /// An empty text takes the field away.
        var headers: [Header]
        /// In the order of the file. Empty: the body of the domain's `errors`.
        var bodies: [Body]
    }

    struct Header: Sendable {
        let name: String
        let value: ResponseTemplate
    }

    struct Body: Sendable {
        /// As it is written.
        let contentType: String
        let type: MediaType
        let template: ResponseTemplate
        /// Bytes of the template.
        let byteCount: Int
    }

    var responses: [ResponseType: Response] = [:]
    /// Variables of paths that templates ask for, with the places that do.
    var pathVariables: [Located<String>] = []

    /// Bytes of a body's template that has variables.
    static let templateBytesMax = 32 * 1024

    // MARK: Reading

    static func read(_ reader: MappingReader) -> ResponsesConfiguration {
        var configuration = ResponsesConfiguration()
        for type in ResponseType.allCases {
            guard let written = reader.mapping(type.key) else { continue }
            configuration.responses[type] = configuration.readResponse(written, type)
        }
        reader.finish()
        return configuration
    }

    private mutating func readResponse(_ reader: MappingReader, _ type: ResponseType) -> Response {
        let status = reader.integer("status", in: 200...599)
        let fields = ConfiguredField.read("headers", in: reader, for: .storedResponse) ?? []
        let headers = fields.compactMap { readHeader($0, reader.problems) }
        let bodies = readBodies(reader)
        let code = status.map { UInt16($0.value) }
        if let status, let code, !StoredResponse.allowsBody(code), reader.has("bodies") {
            reader.problems.add(at: status, found: "the status \(code), which has no body, beside `bodies`", allowed: "another status, or no `bodies`")
        }
        if let status, code == 401, type != .unauthorized, !headers.contains(where: { $0.name.asciiLowercased == "www-authenticate" && $0.value.hasText }) {
            reader.problems.add(
                at: status, found: "the status 401 for an error that asks for no credentials",
                allowed: "another status, or `WWW-Authenticate` with a text of your own among `headers`")
        }
        if !reader.has("status"), !reader.has("headers"), !reader.has("bodies") {
            reader.problems.add(at: reader, found: "a response without `status`, `headers` and `bodies`", allowed: "at least one of them")
        }
        reader.finish()
        return Response(status: code, headers: headers, bodies: bodies)
    }

    private mutating func readHeader(_ field: ConfiguredField, _ problems: Problems) -> Header? {
        guard field.name.value.asciiLowercased != "content-type" else {
            problems.add(at: field.name, found: "the field \(Quoting.quoted(field.name.value))", allowed: "the content type as a key of `bodies`")
            return nil
        }
        return template(field.value, isJSON: false, problems).map { Header(name: field.name.value, value: $0) }
    }

    private mutating func readBodies(_ reader: MappingReader) -> [Body] {
        guard let written = reader.mapping("bodies") else { return [] }
        let problems = reader.problems
        let entries = written.allEntries()
        if entries.isEmpty { problems.add(at: written, found: "no body", allowed: "at least one content type with its body, or no `bodies`") }
        if entries.count > AcceptChoice.choicesMax {
            problems.add(at: written, found: "\(entries.count) bodies", allowed: "at most \(AcceptChoice.choicesMax)")
        }
        var known: [MediaType] = []
        return entries.compactMap { entry in
            let text = Self.text(entry.name.value, entry.value, in: written)
            guard let type = MediaType(entry.name.value) else {
                problems.add(at: entry.name, found: Quoting.quoted(entry.name.value), allowed: MediaType.allowed)
                return nil
            }
            guard !known.contains(type) else {
                problems.add(at: entry.name, found: "\(Quoting.quoted(entry.name.value)) a second time", allowed: "each content type once")
                return nil
            }
            known.append(type)
            guard let text, let template = template(text, isJSON: type.isJSON, problems) else { return nil }
            let count = text.value.utf8.count
            let countMax = template.hasVariables ? Self.templateBytesMax : Limits.storedBodyBytes
            guard count <= countMax else {
                let kind = template.hasVariables ? "a body with variables" : "a body"
                problems.add(at: text, found: "\(kind) of \(count) bytes", allowed: "at most \(countMax) bytes")
                return nil
            }
            return Body(contentType: entry.name.value, type: type, template: template, byteCount: count)
        }
    }

    /// Text, `{env: NAME}` or `{file: PATH}`; unlike that of other keys it may be empty.
    private static func text(_ key: String, _ node: ConfigurationNode, in reader: MappingReader) -> Located<String>? {
        if case .string("") = node.content { return Located("", at: node) }
        guard let written = reader.textOrFile(key) else { return nil }
        guard let text = String(validating: written.value.bytes, as: UTF8.self) else {
            reader.problems.add(at: node, found: "a file that is not UTF-8", allowed: "UTF-8")
            return nil
        }
        return written.map { _ in text }
    }

    /// With those of another for the types that it does not have.
    func completed(by other: ResponsesConfiguration) -> ResponsesConfiguration {
        var all = self
        all.responses.merge(other.responses) { own, _ in own }
        all.pathVariables += other.pathVariables
        return all
    }

    /// Reports variables of paths that no endpoint has.
    ///
    /// - Parameter owner: whose the endpoints are.
    func check(paths: [String], _ problems: Problems, of owner: String) {
        guard !pathVariables.isEmpty else { return }
        let known = Set(paths.flatMap { PathVariable.segments(in: $0).map(\.name) })
        for name in pathVariables where !known.contains(name.value) {
            problems.add(
                at: name, found: "the variable \(Quoting.quoted("path.\(name.value)")), which no path of \(owner) has as a whole segment with no `**` before it",
                allowed: known.isEmpty ? "no variable of a path" : Quoting.alternatives(known.sorted().map { "path.\($0)" }))
        }
    }

    // MARK: Templates

    private mutating func template(_ text: Located<String>, isJSON: Bool, _ problems: Problems) -> ResponseTemplate? {
        do throws(ResponseTemplate.Fault) {
            let template = try ResponseTemplate(text.value)
            if isJSON { try TemplateJSON.check(template, text.value) }
            pathVariables += template.pathVariables.map { name in text.map { _ in name } }
            return template
        } catch {
            problems.add(at: text, found: "\(error.found) at line \(error.line), column \(error.column) of the text", allowed: error.allowed)
            return nil
        }
    }
}
