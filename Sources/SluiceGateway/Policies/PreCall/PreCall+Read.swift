import SluiceConfiguration
import SluiceHTTP

extension PreCall {
    static let keys: [ConfigurationKey] = [
        .init("url", .text("URL"), .required, "The `http`, `https` or `h2c` URL of the service that is asked."),
        .init("method", .word(methods), .byDefault("GET"), "The method of the question."),
        .init("allow", .list(.integer(200...599, unit: nil), countMin: 1), .byDefault("[200]"),
            "Statuses that let the request pass. With any other status, the client gets the answer as its response."),
        .init("timeoutMs", .integer(1...600_000, unit: "milliseconds"), .byDefault("1000"), "Longest time for the whole question, connecting included."),
        .init("cacheSeconds", .integer(0...86_400, unit: "seconds"), .byDefault("0"),
            "How long an answer that let a request pass is remembered. 0: not at all."),
        .init("cacheKey", .list(.text("name of a header"), countMin: 1), .otherwise("all headers that are sent"),
            "Headers that tell questions apart. Requests that agree in them share a remembered answer."),
    ]

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        let method = reader.enumeration("method", methods)
        let url = reader.requiredString("url", allowed: "an absolute http, https or h2c URL")
        let cacheSeconds = reader.integer("cacheSeconds", in: 0...86400, unit: "seconds")
        let timeout = reader.integer("timeoutMs", in: 1...600_000, unit: "milliseconds")
        let cacheKey = reader.strings("cacheKey")
        let allow = reader.list("allow").map { statuses($0, reader) }
        reader.finish()

        if let cacheKey { check(cacheKey, problems) }
        guard let url, let parsed = parse(url, problems), problems.count == before else { return nil }
        var configuration = Configuration(url: url.map { _ in parsed })
        if let method { configuration.method = method.value }
        if let cacheSeconds { configuration.cacheSeconds = Int(cacheSeconds.value) }
        if let timeout { configuration.timeoutMilliseconds = Int(timeout.value) }
        if let allow { configuration.allow = allow }
        configuration.cacheKeyNames = cacheKey?.value ?? []
        configuration.cacheKey = cacheKey.map { Set($0.value.map(\.value.asciiLowercased)).sorted() }
        return configuration
    }

    private static func parse(_ url: Located<String>, _ problems: Problems) -> UpstreamURL? {
        do {
            return try UpstreamURL(url.value)
        } catch {
            problems.add(at: url, found: Quoting.quotedURL(url.value), allowed: error.allowed)
            return nil
        }
    }

    /// The statuses of final responses that the list names; others are reported.
    private static func statuses(_ list: Located<[ConfigurationNode]>, _ reader: MappingReader) -> [UInt16] {
        if list.value.isEmpty { reader.problems.add(at: list, found: "an empty list", allowed: "at least one status") }
        var statuses: Set<UInt16> = []
        for node in list.value.compactMap({ reader.scalar($0, isText: false) }) {
            if case .integer(let status) = node.content, 200...599 ~= status {
                statuses.insert(UInt16(status))
            } else {
                reader.problems.add(at: node, found: node.found, allowed: "a status from 200 to 599")
            }
        }
        return statuses.sorted()
    }

    static func fields(_ configuration: Configuration) -> PolicyFields { PolicyFields(relied: configuration.cacheKey ?? []) }

    /// What tells questions apart cannot be a field that bears a claim: a client's own is left out, and the claim is for the endpoint's service. A
    /// yes for one caller would let in every other.
    static func check(_ configuration: Configuration, beside fields: PolicyFields, problems: Problems) {
        for name in configuration.cacheKeyNames {
            if fields.hidden.contains(where: { UnusualNames.usual($0) == UnusualNames.usual(name.value) }) {
                problems.add(
                    at: name, found: "\(Quoting.quoted(name.value)), which `apiKey` withholds from pre-call APIs",
                    allowed: "the name of a field that is sent to it, such as Authorization")
            }
            guard let claim = fields.claim(inHeader: name.value) else { continue }
            problems.add(
                at: name, found: "\(Quoting.quoted(name.value)), which carries the claim \(Quoting.quoted(claim.name)) and is not sent to pre-call APIs",
                allowed: "the name of a field that is sent to it, such as Authorization")
        }
    }

    /// A field that is not sent on cannot tell one question from another.
    private static func check(_ cacheKey: Located<[Located<String>]>, _ problems: Problems) {
        if cacheKey.value.isEmpty {
            problems.add(at: cacheKey, found: "an empty list", allowed: "at least one field")
        }
        for name in cacheKey.value {
            let known = name.value.withByteView { KnownField(name: $0) }
            if !FieldSyntax.isToken(name.value) || !HopByHopFields.isForwarded(known) || name.value.withByteView(ServiceCall.isAboutResource) {
                problems.add(at: name, found: Quoting.quoted(name.value), allowed: "the name of a field that is forwarded")
            }
        }
    }
}
