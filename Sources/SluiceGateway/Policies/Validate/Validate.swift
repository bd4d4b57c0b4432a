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
        places: [.init(level: .endpoint, meaning: "Refuses requests that lack parameters or headers, or whose body is not as described.")],
        form: .mapping([
            .init("query", .mapping([
                .init("required", .list(.text("name of a query parameter"), countMin: 1), .required,
                    "Parameters that every request must have, at most 16. Capitals and small letters differ."),
            ]), .optional, "What the query must have."),
            .init("headers", .mapping([
                .init("required", .list(.text("name of a header"), countMin: 1), .required,
                    "Headers that every request must have, at most 16. Each must be one that the upstream gets."),
            ]), .optional, "What the headers must be."),
            .init("body", ValidateBody.bodyForm, .optional, "What the body must be. It is held until it has been validated."),
            .init("form", ValidateBody.formForm, .optional, "What a form in the body must have."),
        ], rules: [.atMostOne(["body", "form"])]),
        refusals: [.validationFailed], waitsFor: [.body])

    /// Names in each list, and bytes of each name.
    static let namesMax = 16
    static let nameBytesMax = 128

    struct Configuration: Sendable {
        /// At most `namesMax` each; none twice.
        var parameters: [String] = []
        var headers: [Located<String>] = []
        var body: ValidateBody.Configuration?
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        var configuration = Configuration()
        if let query = reader.mapping("query") {
            configuration.parameters = names(query, allowed: "letters, digits and any of -._~[]$:", isKnown: isParameter) { $0 }.map(\.value)
        }
        if let headers = reader.mapping("headers") {
            configuration.headers = names(headers, allowed: "the name of a header that is sent on", isKnown: isHeader) { $0.asciiLowercased }
        }
        if let body = reader.mapping("body") { configuration.body = ValidateBody.readBody(body) }
        if let form = reader.mapping("form") {
            let parameters = names(form, allowed: "letters, digits and any of -._~[]$:", isKnown: isParameter) { $0 }.map(\.value)
            if configuration.body != nil { problems.add(at: form, found: "form together with body", allowed: "one of them") }
            configuration.body = ValidateBody.readForm(parameters)
        }
        reader.finish()
        return problems.count == before ? configuration : nil
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
        configuration.headers.map(\.value.asciiLowercased) + (configuration.body == nil ? [] : ["content-type", "content-encoding"])
    }

    /// Nor can it be one that bears a claim, or that the endpoint removes: the client's own does not get to the service. Of a name that is dropped unless
    /// SLUICE_UNUSUAL_FIELDS says otherwise, and of those that only trusted proxies may send, the operator is told.
    static func check(_ configuration: Configuration, beside fields: PolicyFields, problems: Problems) {
        for name in configuration.headers {
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

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        guard !configuration.parameters.isEmpty || !configuration.headers.isEmpty || configuration.body != nil else { return nil }
        let arena = snapshot.arena
        let headers = configuration.headers.map(\.value)
        return Compiled(
            parameters: RequiredParameters(
                arena.store(configuration.parameters.map { .init(name: arena.bytes($0), missing: arena.bytes("query parameter \($0) missing")) })),
            headers: arena.store(headers.map { .init(name: arena.bytes($0.asciiLowercased), missing: arena.bytes("header \($0) missing")) }),
            headerNames: FieldNames(headers, into: arena), relied: FieldNames(relied(configuration), into: arena),
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
        let body: UnsafePointer<ValidateBody.Compiled>?

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            // Behind a wait for the body everything else has been looked at.
            if exchange.body == nil {
                if !headers.isEmpty || body != nil { exchange.rely(on: relied) }
                if let missing = parameters.missing(in: exchange.query ?? .empty) ?? missingHeader(exchange) {
                    return .refuse(Refusal(.validationFailed, detail: missing))
                }
            }
            guard let body else { return .proceed }
            return body.pointee.evaluate(&exchange)
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
