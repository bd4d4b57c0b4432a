import SluiceConfiguration
import SluiceHTTP
import SluiceSchema

/// What `validate` asks of a request's body: its type, and what JSON Schema says of it, or which parameters a form has.
///
/// Reads the whole body, which is held until it has been judged; what was judged is what goes on. What would let a service read another body than the one that
/// was judged is refused: a coding of the content, a character set that is not UTF-8, several Content-Type lines, a member that stands twice.
enum ValidateBody {
    struct Configuration: Sendable {
        /// In small letters; empty where any will do.
        var contentTypes: [String] = []
        /// What JSON has to be.
        var schema: JSONSchema?
        /// Parameters that a form must have, whatever they are, and those that have to fit a schema.
        var formNames: [String] = []
        var form: [ParameterConfiguration] = []
        /// Whether a request without a body is refused.
        var isRequired = true
    }

    static let formType = "application/x-www-form-urlencoded"

    /// Media types in one list; schemas in a file, in bytes.
    static let typesMax = 16
    static let schemaBytesMax = 1 << 20

    static let bodyForm = ConfigurationKey.Form.mapping([
        .init("contentTypes", .list(.text("media type"), orOne: true, countMin: 1),
            .otherwise("`application/json` with a schema; any without"),
            "Media types that bodies may have, at most 16: `application/json`, `text/*`, `*/*`. Those that are not JSON are not looked into."),
        .init("schema", .anything, .optional, "A JSON Schema of draft 4 that JSON bodies have to fit."),
        .init("schemaFile", .text("path of a schema"), .optional, "A file with the schema, as JSON, in place of `schema`. At most 1 MiB."),
        .init("required", .boolean, .byDefault("true"), "Whether a request without a body is refused."),
    ], rules: [.atMostOne(["schema", "schemaFile"]), .atLeastOne(["contentTypes", "schema", "schemaFile"])])

    static let formForm = ConfigurationKey.Form.either([.mapping([
        .init("required", .list(.text("name of a form parameter"), countMin: 1), .required,
            "Parameters that every form must have, at most 16. The body has to be of the type `application/x-www-form-urlencoded`."),
    ]), .named("NAME", .anything)])

    // MARK: Reading

    static func readBody(_ reader: MappingReader) -> Configuration? {
        let problems = reader.problems
        var configuration = Configuration()
        let types = reader.strings("contentTypes", allowSingle: true)
        if let types {
            if types.value.isEmpty { problems.add(at: types, found: "an empty list", allowed: "at least one media type") }
            if types.value.count > typesMax { problems.add(at: types, found: "\(types.value.count) media types", allowed: "at most \(typesMax)") }
            for type in types.value where !isMediaRange(type.value) {
                problems.add(at: type, found: Quoting.quoted(type.value), allowed: "a media type, such as application/json, text/* or */*")
            }
            configuration.contentTypes = types.value.map(\.value.asciiLowercased)
        }
        let schema = reader.node("schema")
        let file = reader.path("schemaFile")
        configuration.isRequired = reader.bool("required")?.value ?? true
        reader.finish()
        if let schema, let file {
            problems.add(at: schema, found: "schema and schemaFile", allowed: "one of them")
            _ = file
        } else if let schema {
            configuration.schema = inline(schema, problems)
        } else if let file {
            configuration.schema = contents(file, problems)
        } else if types == nil {
            problems.add(at: reader, found: "a mapping without contentTypes, schema and schemaFile", allowed: "at least one of them")
        }
        guard schema != nil || file != nil else { return configuration }
        if types == nil { configuration.contentTypes = ["application/json"] }
        let isForJSON = configuration.contentTypes.contains { type in
            type.withByteView { MediaTypes.isJSON($0) } || type == "*/*" || type == "application/*"
        }
        if let types, !isForJSON {
            problems.add(at: types, found: "a schema for media types none of which is JSON", allowed: "application/json, or another that ends with +json")
        }
        return configuration
    }

    static func readForm(_ names: [String], _ parameters: [ParameterConfiguration]) -> Configuration {
        var configuration = Configuration()
        configuration.contentTypes = [formType]
        configuration.formNames = names
        configuration.form = parameters
        return configuration
    }

    private static func isMediaRange(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ FieldSyntax.isToken(String($0)) }) else { return false }
        return !parts[0].contains("*") && (parts[1] == "*" || !parts[1].contains("*")) || text == "*/*"
    }

    /// The schema that stands in a configuration of our own.
    static func inline(_ node: ConfigurationNode, _ problems: Problems) -> JSONSchema? {
        do {
            return try JSONSchema(Array(ConfigurationWriter.json(node).utf8))
        } catch {
            let (place, rest) = node.descendant(error.place)
            let found = rest.isEmpty ? error.found : "\(rest.joined(separator: "/")): \(error.found)"
            problems.add(at: place, found: found, allowed: error.allowed)
            return nil
        }
    }

    private static func contents(_ file: Located<String>, _ problems: Problems) -> JSONSchema? {
        do {
            let bytes = try BoundedFile.read(file.value, bytesMax: schemaBytesMax)
            do {
                return try JSONSchema(bytes)
            } catch {
                problems.add(at: file, found: "a schema that is wrong at \(error.pointer): \(error.found)", allowed: error.allowed)
            }
        } catch {
            problems.add(
                at: file, found: "the file \(Quoting.quoted(file.value)), which cannot be read (\(error.found))",
                allowed: "a readable file of at most \(schemaBytesMax) bytes")
        }
        return nil
    }

    // MARK: Compiling

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> UnsafePointer<Compiled> {
        let arena = snapshot.arena
        if let schema = configuration.schema { arena.own(schema) }
        let schema = configuration.schema?.handle
        let needsBody = schema != nil || !configuration.formNames.isEmpty || !configuration.form.isEmpty
        return arena.store(Compiled(
            types: MediaTypes(types: arena.store(configuration.contentTypes.map { arena.bytes($0) })), isRequired: configuration.isRequired,
            needsBody: needsBody, schema: schema,
            formNames: RequiredParameters(
                arena.store(configuration.formNames.map { .init(name: arena.bytes($0), missing: arena.bytes("form parameter \($0) missing")) })),
            form: snapshot.store(configuration.form),
            slot: needsBody ? snapshot.validationMemorySlot : -1))
    }

    struct Compiled: BitwiseCopyable {
        let types: MediaTypes
        let isRequired: Bool
        /// Whether what the body holds matters, and not only its type.
        let needsBody: Bool
        let schema: JSONSchema.Handle?
        let formNames: RequiredParameters
        let form: TypedParameters
        /// Of `ValidationMemory`; -1 where it is not needed.
        let slot: Int

        /// - Parameter query: parameters of the query, which do not belong in a form.
        func evaluate(_ exchange: inout Exchange, query: TypedParameters) -> Verdict {
            guard exchange.mayHaveBody else { return isRequired ? refuse("body missing") : .proceed }
            guard let body = exchange.body else {
                if let fault = headFault(exchange) { return refuse(fault) }
                guard needsBody else { return .proceed }
                return .suspend(.body)
            }
            guard !body.isEmpty else { return isRequired ? refuse("body missing") : .proceed }
            guard let type = exchange.value(of: .contentType).map({ MediaTypes.read($0).type }) else { return .proceed }
            if type.equalsIgnoringCase(ByteView("application/x-www-form-urlencoded")) {
                if let fault = formFault(body, query, &exchange) { return .refuse(Refusal(.validationFailed, detail: fault)) }
            }
            guard let schema, MediaTypes.isJSON(type) else { return .proceed }
            return validate(body, schema, &exchange)
        }

        private func formFault(_ body: ByteView, _ query: TypedParameters, _ exchange: inout Exchange) -> ByteView? {
            guard ParameterText.isOrdinary(body) else { return ByteView("more than 1000 parameters") }
            return formNames.missing(in: body) ?? form.fault(in: body, &exchange) ?? query.faultIfNamed(in: body, besides: form, ": in the form", &exchange)
        }

        private func refuse(_ detail: StaticString) -> Verdict { .refuse(Refusal(.validationFailed, detail: detail)) }

        /// What is wrong with the fields that say what the body is; nil for nothing.
        private func headFault(_ exchange: borrowing Exchange) -> StaticString? {
            let bytes = exchange.headBytes
            let fields = exchange.head.fields
            var type: ByteView?
            for index in 0..<fields.count {
                let line = fields[index]
                if line.known == .contentType {
                    guard type == nil else { return "content type given twice" }
                    type = bytes[line.value]
                } else if line.known == .other, needsBody, bytes[line.name].equalsIgnoringCase(ByteView("content-encoding")),
                    !bytes[line.value].isEmpty, !bytes[line.value].equalsIgnoringCase(ByteView("identity"))
                {
                    return "content coding not allowed"
                }
            }
            guard !types.types.isEmpty else { return nil }
            // Where there is a schema, what is no type at all may be JSON to a service.
            guard let type else { return schema == nil && types.contains(ByteView("*/*")) ? nil : "content type missing" }
            let (name, isUTF8) = MediaTypes.read(type)
            guard types.contains(name), schema == nil || MediaTypes.isType(name) else { return "content type not allowed" }
            return isUTF8 || !needsBody ? nil : "charset not allowed"
        }

        private func validate(_ body: ByteView, _ schema: JSONSchema.Handle, _ exchange: inout Exchange) -> Verdict {
            let memory = exchange.resource(slot, as: ValidationMemory.State.self)
            memory.pointee.note()
            // The scratch is larger than any fault.
            let scratch = exchange.context.pointee.scratch
            switch schema.validate(body, memory.pointee.json, exchange.context.pointee.matchScratch, fault: scratch) {
            case .right: return .proceed
            case .unreadable(let fault): return refuse(fault.text)
            case .wrong(_, let text):
                // It is told when the scratch has served others.
                guard let kept = exchange.allocate(text.count) else { return refuse("body not as described") }
                kept.update(from: text.base, count: text.count)
                return .refuse(Refusal(.validationFailed, detail: ByteView(base: kept, count: text.count)))
            }
        }
    }
}
