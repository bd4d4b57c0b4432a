import SluiceConfiguration
import SluiceHTTP

/// Refuses requests that lack query parameters or headers which an endpoint's service cannot do without, or whose body is not what it must be.
///
/// What counts is that a parameter or a header is there; it may be empty. Names of parameters compare byte for byte, after percent-decoding,
/// names of headers without regard to case. A header that is not sent on does not count, and one that is required is sent on although
/// Connection nominates it. Several parameters or headers may be missing: the first of the configuration is named.
///
/// Refuses with `.validationFailed` (400). Suspends until the body has come, if what it holds matters (`ValidateBody`). One pass over the query and one over the
/// fields, for at most 16 names each; and one over the body.
enum Validate: Policy {
    static let key = "validate"

    static let declaration = PolicyDeclaration(
        places: [
            .init(level: .domain, meaning: "The same for every endpoint that has none of its own; `true`: as the document says that describes it."),
            .init(level: .endpoint, meaning: "Refuses requests that lack parameters or headers, or whose body is not as described; `true`: as the document says."),
        ],
        form: .either([.boolean, .mapping([
            .init("query", .either([.mapping([
                .init("required", .list(.text("name of a query parameter"), countMin: 1), .required,
                    "Parameters that every request must have, at most 16. Capitals and small letters differ."),
            ]), .named("NAME", .anything)]), .optional, "What the query must have: names, or parameters as OpenAPI describes them."),
            .init("headers", .either([.mapping([
                .init("required", .list(.text("name of a header"), countMin: 1), .required,
                    "Headers that every request must have, at most 16. Each must be one that the upstream gets."),
            ]), .named("NAME", .anything)]), .optional, "What the headers must be: names, or headers as OpenAPI describes them."),
            .init("path", .named("NAME", .anything), .optional, "What variables of the endpoint's path must be, as OpenAPI describes them."),
            .init("body", ValidateBody.bodyForm, .optional, "What the body must be. It is held until it has been validated."),
            .init("form", ValidateBody.formForm, .optional, "What a form in the body must have."),
        ], rules: [.atMostOne(["body", "form"])])]),
        refusals: [.validationFailed], waitsFor: [.body])

    /// Names in each list, and bytes of each name.
    static let namesMax = 16
    static let nameBytesMax = 128

    struct Configuration: Sendable {
        /// At most `namesMax` each; none twice.
        var parameters: [String] = []
        var headers: [Located<String>] = []
        /// Parameters of the query and of the path, and headers, that have to fit a schema.
        var typed: [ParameterConfiguration] = []
        var body: ValidateBody.Configuration?
        /// Where it says that a document has the rules, which have not been read yet.
        var isFromDocument: ConfigurationNode?

        /// Headers that are looked at.
        var headersRead: [Located<String>] { headers + typed.filter { $0.place == .header }.map(\.name) }
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        var configuration = Configuration()
        if case .bool(let isOn) = node.content {
            if isOn { configuration.isFromDocument = node }
            return configuration
        }
        guard let reader = MappingReader(node, problems) else { return nil }
        if let query = reader.mapping("query") {
            if isTyped(query) {
                configuration.typed += parameters(query, .query)
            } else {
                configuration.parameters = names(query, allowed: parameterNames, isKnown: isParameter) { $0 }.map(\.value)
            }
        }
        if let headers = reader.mapping("headers") {
            if isTyped(headers) {
                configuration.typed += parameters(headers, .header)
            } else {
                configuration.headers = names(headers, allowed: headerNames, isKnown: isHeader) { $0.asciiLowercased }
            }
        }
        if let path = reader.mapping("path") { configuration.typed += parameters(path, .path) }
        if let body = reader.mapping("body") { configuration.body = ValidateBody.readBody(body) }
        if let form = reader.mapping("form") {
            if configuration.body != nil { problems.add(at: form, found: "form together with body", allowed: "one of them") }
            if isTyped(form) {
                configuration.body = ValidateBody.readForm([], parameters(form, .form))
            } else {
                configuration.body = ValidateBody.readForm(names(form, allowed: parameterNames, isKnown: isParameter) { $0 }.map(\.value), [])
            }
        }
        reader.finish()
        return problems.count == before ? configuration : nil
    }

    private static let parameterNames = "letters, digits and any of -._~[]$:"
    private static let headerNames = "the name of a header that is sent on"

    /// Whether a mapping has parameters by name, rather than a list of names.
    private static func isTyped(_ reader: MappingReader) -> Bool { reader.node.entries?.contains { $0.value.entries != nil } ?? false }

    /// Parameters that are written by their names.
    private static func parameters(_ reader: MappingReader, _ place: ParameterConfiguration.Place) -> [ParameterConfiguration] {
        let problems = reader.problems
        let entries = reader.allEntries()
        if entries.count > TypedParameters.countMax {
            problems.add(at: reader, found: "\(entries.count) parameters", allowed: "at most \(TypedParameters.countMax)")
        }
        var known: Set<String> = []
        return entries.compactMap { written, node in
            guard let name = name(written, place, problems) else { return nil }
            guard known.insert(place == .header ? name.value.asciiLowercased : name.value).inserted else {
                problems.add(at: name, found: "\(Quoting.quoted(name.value)) a second time", allowed: "each name once")
                return nil
            }
            return ParameterConfiguration.read(name, node, place, problems) { DocumentSchemas(problems).schema($0) }
        }
    }

    /// The name, if a parameter may have it; nil and a problem otherwise.
    static func name(_ name: Located<String>, _ place: ParameterConfiguration.Place, _ problems: Problems) -> Located<String>? {
        if name.value.utf8.count > nameBytesMax {
            problems.add(at: name, found: "a name of \(name.value.utf8.count) bytes", allowed: "at most \(nameBytesMax)")
            return nil
        }
        guard place == .header ? isHeader(name.value) : isParameter(name.value) else {
            problems.add(at: name, found: Quoting.quoted(name.value), allowed: place == .header ? headerNames : parameterNames)
            return nil
        }
        return name
    }

    /// The names in `required`; whatever is wrong with them is reported.
    private static func names(
        _ reader: MappingReader, allowed: String, isKnown: (String) -> Bool, compared: (String) -> String
    ) -> [Located<String>] {
        let list = reader.requiredStrings("required")
        reader.finish()
        guard let list else { return [] }
        let problems = reader.problems
        if list.value.isEmpty { problems.add(at: list, found: "an empty list", allowed: "at least one name") }
        if list.value.count > namesMax { problems.add(at: list, found: "\(list.value.count) names", allowed: "at most \(namesMax)") }
        var known: Set<String> = []
        for name in list.value {
            if name.value.utf8.count > nameBytesMax {
                problems.add(at: name, found: "a name of \(name.value.utf8.count) bytes", allowed: "at most \(nameBytesMax)")
            } else if !isKnown(name.value) {
                problems.add(at: name, found: Quoting.quoted(name.value), allowed: allowed)
            } else if !known.insert(compared(name.value)).inserted {
                problems.add(at: name, found: "\(Quoting.quoted(name.value)) a second time", allowed: "each name once")
            }
        }
        return list.value
    }

    /// The name is shown in errors, whose texts have no quotation marks and nothing to be escaped.
    private static func isParameter(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: "-._~[]$:".utf8.contains(byte)
            }
        }
    }

    /// Whether a header of this name goes on to services.
    static func isHeader(_ name: String) -> Bool {
        guard FieldSyntax.isToken(name), !name.utf8.contains(UInt8(ascii: "%")) else { return false }
        let known = name.withByteView { KnownField(name: $0) }
        return HopByHopFields.isForwarded(known)
    }

    static func fields(_ configuration: Configuration) -> PolicyFields { PolicyFields(relied: relied(configuration)) }

    /// Fields by which a request is judged: no Connection takes them off.
    private static func relied(_ configuration: Configuration) -> [String] {
        configuration.headersRead.map(\.value.asciiLowercased) + (configuration.body == nil ? [] : ["content-type", "content-encoding"])
    }

    /// Nor can it be one that bears a claim, or that the endpoint removes: the client's own does not get to the service. Of a name that is dropped unless
    /// SLUICE_UNUSUAL_FIELDS says otherwise, and of those that only trusted proxies may send, the operator is told.
    static func check(_ configuration: Configuration, beside fields: PolicyFields, problems: Problems) {
        for name in configuration.headersRead {
            let lower = name.value.asciiLowercased
            if let claim = fields.claim(inHeader: name.value) {
                problems.add(
                    at: name,
                    found: "\(Quoting.quoted(name.value)), which carries the claim \(Quoting.quoted(claim.name)); what a client sends under it is removed",
                    allowed: "the name of another header")
            } else if fields.hidden.contains(where: { UnusualNames.usual($0) == UnusualNames.usual(name.value) }) {
                problems.add(at: name, found: "\(Quoting.quoted(name.value)), which `apiKey` withholds from the upstream", allowed: "a header that the upstream gets")
            } else if fields.removed.contains(where: { $0.asciiLowercased == lower }) {
                problems.add(
                    at: name, found: "\(Quoting.quoted(name.value)), which the endpoint's `headers.request.remove` takes away", allowed: "a header that the upstream gets")
            } else if UnusualNames.usual(name.value) != lower {
                problems.add(
                    at: name, found: "\(Quoting.quoted(name.value)), a name that is dropped unless SLUICE_UNUSUAL_FIELDS is `pass`, so that no request passes",
                    allowed: "a name of letters, digits and hyphens", scope: .notice)
            } else if lower == "forwarded" || lower.hasPrefix("x-forwarded-") {
                problems.add(
                    at: name, found: "\(Quoting.quoted(name.value)), which only trusted proxies may send, so that other clients do not pass",
                    allowed: "a header that clients send", scope: .notice)
            }
        }
    }

    /// A domain's rules are for its endpoints: of a request that has none nothing is known.
    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? {
        guard let domain = site.domain, let configuration = site.settings[Self.self] ?? domain.settings[Self.self] else { return nil }
        return site.once(key) { compile(configuration, into: site.snapshot, path: site.path).map { site.snapshot.arena.store($0) } }
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? { compile(configuration, into: snapshot, path: nil) }

    /// - Parameter path: of the endpoint.
    private static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder, path: String?) -> Compiled? {
        guard !configuration.parameters.isEmpty || !configuration.headers.isEmpty || !configuration.typed.isEmpty || configuration.body != nil else { return nil }
        let arena = snapshot.arena
        let headers = configuration.headers.map(\.value)
        return Compiled(
            parameters: RequiredParameters(
                arena.store(configuration.parameters.map { .init(name: arena.bytes($0), missing: arena.bytes("query parameter \($0) missing")) })),
            headers: arena.store(headers.map { .init(name: arena.bytes($0.asciiLowercased), missing: arena.bytes("header \($0) missing")) }),
            headerNames: FieldNames(headers, into: arena), relied: FieldNames(relied(configuration), into: arena),
            typedParameters: snapshot.store(configuration.typed.filter { $0.place == .query }),
            typedHeaders: snapshot.store(configuration.typed.filter { $0.place == .header }),
            typedPath: snapshot.store(configuration.typed.filter { $0.place == .path }, path: path),
            body: configuration.body.map { ValidateBody.compile($0, into: snapshot) })
    }

    struct Compiled: CompiledPolicy {
        let parameters: RequiredParameters
        /// At most `namesMax`; names in lower case.
        let headers: ArenaSlice<RequiredParameters.Requirement>
        /// The same, to find them among others.
        let headerNames: FieldNames
        /// Fields that are sent on although Connection nominates them.
        let relied: FieldNames
        let typedParameters: TypedParameters
        let typedHeaders: TypedParameters
        let typedPath: TypedParameters
        let body: UnsafePointer<ValidateBody.Compiled>?

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            // Behind a wait for the body everything else has been looked at.
            if exchange.body == nil {
                if !headers.isEmpty || !typedHeaders.all.isEmpty || body != nil { exchange.rely(on: relied) }
                if let missing = parameters.missing(in: exchange.query ?? .empty) ?? missingHeader(exchange) {
                    return .refuse(Refusal(.validationFailed, detail: missing))
                }
                if let fault = typedFault(&exchange) { return .refuse(Refusal(.validationFailed, detail: fault)) }
            }
            guard let body else { return .proceed }
            return body.pointee.evaluate(&exchange, query: typedParameters)
        }

        private func typedFault(_ exchange: inout Exchange) -> ByteView? {
            if let fault = typedPath.faultOfPath(&exchange) { return fault }
            let query = exchange.query ?? .empty
            if let fault = typedParameters.fault(in: query, &exchange) { return fault }
            if let body, let fault = body.pointee.form.faultIfNamed(in: query, besides: typedParameters, ": in the query", &exchange) { return fault }
            guard !typedHeaders.all.isEmpty else { return nil }
            return typedHeaders.faultOfHeaders(withheld: FieldSelection.withheld(peerIsTrusted: exchange.peerIsTrusted, exchange.context), &exchange)
        }

        private func missingHeader(_ exchange: borrowing Exchange) -> ByteView? {
            guard !headers.isEmpty else { return nil }
            let bytes = exchange.headBytes
            let fields = exchange.head.fields
            let withheld = FieldSelection.withheld(peerIsTrusted: exchange.peerIsTrusted, exchange.context)
            var found: UInt32 = 0
            for number in 0..<fields.count {
                let line = fields[number]
                guard withheld & line.known.bit == 0, headerNames.contains(bytes[line.name]) else { continue }
                for index in 0..<headers.count where bytes[line.name].equalsIgnoringCase(headers[index].name) { found |= 1 << UInt32(index) }
            }
            for index in 0..<headers.count where found & 1 << UInt32(index) == 0 { return headers[index].missing }
            return nil
        }
    }
}
