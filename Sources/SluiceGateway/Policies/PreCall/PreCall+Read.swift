import SluiceConfiguration
import SluiceHTTP

extension PreCall {
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

    /// Nor can one that bears a claim: a client's own is left out, and the claim is for the endpoint's service. A yes for one caller would
    /// let in every other.
    static func check(_ configuration: Configuration, claims: [JWT.Forward], _ problems: Problems) {
        for name in configuration.cacheKeyNames {
            let forward = claims.first { UnusualNames.usual($0.header) == UnusualNames.usual(name.value) }
            guard let forward else { continue }
            problems.add(
                at: name, found: "\(Quoting.quoted(name.value)), which carries the claim \(Quoting.quoted(forward.claim)) and is not sent to pre-call APIs",
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
            if !FieldSyntax.isToken(name.value) || !HopByHopFields.isForwarded(known) || name.value.withByteView(isAboutResource) {
                problems.add(at: name, found: Quoting.quoted(name.value), allowed: "the name of a field that is forwarded")
            }
        }
    }
}
