import SluiceClient
import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

extension JWT {
    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        guard let reader = MappingReader(node, problems) else { return nil }
        guard reader.has("issuers") else { return readIssuer(reader, problems, isListed: false).map { Configuration(issuers: [$0]) } }
        let problemsBefore = problems.count
        let list = reader.mappings("issuers")
        let issuers = list.map { readIssuer($0, problems, isListed: true) }
        for name in issuerKeyNames where reader.has(name) {
            guard let other = reader.node(name) else { continue }
            problems.add(at: other, found: "`\(name)` beside `issuers`", allowed: "`\(name)` in each issuer that it is for")
        }
        reader.finish()
        if let written = reader.node("issuers"), written.elements?.isEmpty == true {
            problems.add(at: written, found: "an empty list", allowed: "at least one issuer")
        }
        checkNames(list, issuers, problems)
        checkHeaders(issuers.compactMap { $0 }, reader, problems)
        let whole = issuers.compactMap { $0 }
        guard problems.count == problemsBefore, whole.count == issuers.count else { return nil }
        return Configuration(issuers: whole, choosesByIssuer: true)
    }

    private static let issuerKeyNames = keys.map(\.name).filter { $0 != "issuers" }

    private static func checkNames(_ readers: [MappingReader], _ issuers: [Issuer?], _ problems: Problems) {
        if readers.count > issuersMax {
            problems.add(at: readers[issuersMax], found: "more than \(issuersMax) issuers", allowed: "at most \(issuersMax)")
        }
        var seen: Set<[UInt8]> = []
        for (reader, issuer) in zip(readers, issuers) {
            // Byte by byte, as tokens are compared. What cannot be read has been reported.
            guard let name = issuer?.name, let place = reader.node("issuer"), !seen.insert(Array(name.utf8)).inserted else { continue }
            problems.add(at: place, found: "an issuer a second time", allowed: "each issuer once")
        }
    }

    private static func checkHeaders(_ issuers: [Issuer], _ reader: MappingReader, _ problems: Problems) {
        let count = fields(Configuration(issuers: issuers)).claims.count
        guard count > forwardsMax, issuers.allSatisfy({ $0.forwards.count <= forwardsMax }) else { return }
        problems.add(at: reader, found: "claims in \(count) headers", allowed: "at most \(forwardsMax) headers over all issuers")
    }

    /// - Parameter isListed: whether it stands in a list, where it must have a name.
    private static func readIssuer(_ reader: MappingReader, _ problems: Problems, isListed: Bool) -> Issuer? {
        let problemsBefore = problems.count
        let name = isListed ? reader.requiredString("issuer") : reader.string("issuer")
        let algorithms = readAlgorithms(reader, problems)
        let key = readKey(reader, algorithms, issuer: name, problems)
        let audience = reader.strings("audience", allowSingle: true)
        let clockSkew = reader.integer("clockSkew", in: 0...86_400, unit: "seconds")
        let expiry = reader.enumeration("expiry", ["required", "optional"])
        let conditions = reader.mappings("claims").compactMap { readCondition($0, problems) }
        let forwards = reader.stringMap("forward") ?? []
        reader.finish()

        if let audience, audience.value.isEmpty {
            problems.add(at: audience, found: "an empty list", allowed: "at least one audience, or no `audience`")
        }
        checkForwards(forwards, problems)
        guard let key, problems.count == problemsBefore else {
            // Not compiled then, and a run tells of every problem.
            if let key { reportFault(of: key, problems) }
            return nil
        }
        return Issuer(
            key: key, name: name?.value, audience: audience?.value.map(\.value) ?? [], clockSkew: clockSkew?.value ?? 0,
            expiryIsRequired: expiry?.value != "optional", conditions: conditions,
            forwards: forwards.map { Forward(claim: $0.name.value, header: $0.value.value) }, namedAlgorithms: algorithms)
    }

    /// `algorithm: NAME`, or `algorithms: [NAME, ...]`; nil where the policy names none.
    private static func readAlgorithms(_ reader: MappingReader, _ problems: Problems) -> Located<[Algorithm]>? {
        let single = reader.enumeration("algorithm", of: Algorithm.self)
        let list = reader.enumerations("algorithms", Algorithm.allCases.map(\.rawValue))
        if let single, list != nil {
            problems.add(at: single, found: "algorithm and algorithms", allowed: "one of algorithm and algorithms")
        }
        if let list, reader.node("algorithms")?.elements?.isEmpty == true { problems.add(at: list, found: "an empty list", allowed: "at least one algorithm, or no `algorithms`") }
        return single.map { $0.map { [$0] } } ?? list.map { list in list.map { $0.compactMap { Algorithm(rawValue: $0.value) } } }
    }

    /// The one key, of a kind that the algorithms can use. An issuer without any is asked for its key set.
    private static func readKey(
        _ reader: MappingReader, _ algorithms: Located<[Algorithm]>?, issuer: Located<String>?, _ problems: Problems
    ) -> Key? {
        let names = ["secret", "publicKey", "jwks"].filter { reader.has($0) }
        let hasFile = reader.has("jwksCa")
        guard names.count <= 1, names.count == 1 || reader.has("issuer") else {
            problems.add(
                at: reader, found: names.isEmpty ? "no key" : Quoting.alternatives(names).replacing(" or ", with: " and "),
                allowed: "one of secret, publicKey and jwks" + (names.isEmpty ? ", or an issuer whose key set is discovered" : ""))
            return nil
        }
        let name = names.first ?? "an issuer whose key set is discovered"
        var isWanted = true
        if let algorithms, let other = algorithms.value.first(where: { ($0.signature == nil) != (name == "secret") }) {
            isWanted = false
            problems.add(
                at: algorithms, found: "\(other.rawValue) with \(name)",
                allowed: "HS256, HS384 and HS512 with secret, all others with publicKey or jwks")
        }
        if hasFile, name == "secret" || name == "publicKey" {
            problems.add(at: reader, found: "jwksCa without jwks", allowed: "jwksCa only beside a jwks with an https URL")
        }
        let key: Key? =
            switch names.first {
            case "secret"?: reader.secret("secret").map { .secret($0) }
            case "publicKey"?: reader.textOrFile("publicKey").map { .publicKey($0) }
            case _?: readKeySet(reader, problems)
            case nil: issuer.flatMap { readDiscovery(reader, of: $0, problems) }
            }
        return isWanted ? key : nil
    }

    private static func readKeySet(_ reader: MappingReader, _ problems: Problems) -> Key? {
        let authorities = reader.path("jwksCa")
        guard let text = reader.string("jwks") else { return nil }
        guard let location = KeySetLocation(text.value, resolve: { problems.resolve($0, at: text) }) else {
            problems.add(
                at: text, found: Quoting.quotedURL(text.value), allowed: "the path of a file, or an http or https URL without user information and fragment")
            return nil
        }
        return keySet(at: text.map { _ in location }, authorities, problems)
    }

    private static func readDiscovery(_ reader: MappingReader, of issuer: Located<String>, _ problems: Problems) -> Key? {
        let authorities = reader.path("jwksCa")
        guard let location = KeySetLocation(issuer: issuer.value) else {
            problems.add(
                at: issuer, found: "\(Quoting.quotedURL(issuer.value)) without a key",
                allowed: "an http or https URL whose key set can be discovered, or a secret, publicKey or jwks beside it")
            return nil
        }
        return keySet(at: issuer.map { _ in location }, authorities, problems)
    }

    private static func keySet(at location: Located<KeySetLocation>, _ authorities: Located<String>?, _ problems: Problems) -> Key? {
        guard let authorities else { return .keySet(location) }
        guard location.value.isSecure else {
            problems.add(at: authorities, found: "jwksCa", allowed: "only beside a key set with an https URL")
            return nil
        }
        return .keySet(location.map { location in
            var location = location
            location.authorityFile = authorities.value
            return location
        })
    }

    // MARK: - Conditions

    private static func readCondition(_ reader: MappingReader, _ problems: Problems) -> Condition? {
        let name = reader.requiredString("name")
        let equals = reader.node("equals")
        let oneOf = reader.list("oneOf")
        let present = reader.bool("present")
        let words = reader.bool("words")
        let kinds = ["equals", "oneOf", "present"].filter { reader.has($0) }
        reader.finish()
        guard kinds.count == 1 else {
            let found = kinds.isEmpty ? "a condition without a test" : "\(kinds.joined(separator: " and ")) together"
            problems.add(at: reader, found: found, allowed: "one of equals, oneOf and present")
            return nil
        }
        if let present, !present.value {
            problems.add(at: present, found: "false", allowed: "true")
            return nil
        }
        if let words, oneOf == nil {
            problems.add(at: words, found: "words without oneOf", allowed: "words only beside oneOf: equals compares the whole claim")
            return nil
        }
        if let oneOf, oneOf.value.isEmpty {
            problems.add(at: oneOf, found: "an empty list", allowed: "at least one value")
            return nil
        }
        let values = (equals.map { [$0] } ?? oneOf?.value ?? []).compactMap { reader.scalar($0, isText: false) }.compactMap { readValue($0, problems) }
        return name.map { Condition(name: $0.value, values: values, readsWords: oneOf != nil && words?.value != false) }
    }

    private static func readValue(_ node: ConfigurationNode, _ problems: Problems) -> ClaimValue? {
        switch node.content {
        case .string(let text): return .text(text)
        case .integer(let integer): return .integer(integer)
        case .number(let number) where number.isFinite: return .number(number)
        case .bool(let boolean): return .boolean(boolean)
        case .number, .null, .sequence, .mapping:
            problems.add(at: node, found: node.found, allowed: "text, a number or a boolean")
            return nil
        }
    }

    // MARK: - Forwarded claims

    private static func checkForwards(_ forwards: [(name: Located<String>, value: Located<String>)], _ problems: Problems) {
        var seen: Set<String> = []
        for (index, forward) in forwards.enumerated() {
            let header = forward.value
            if index == forwardsMax {
                problems.add(at: forward.name, found: "more than \(forwardsMax) claims", allowed: "at most \(forwardsMax)")
            }
            if !FieldSyntax.isToken(header.value) {
                problems.add(at: header, found: Quoting.quoted(header.value), allowed: "the name of a header")
            } else if isReserved(header.value) {
                problems.add(
                    at: header, found: Quoting.quoted(header.value),
                    allowed: "an end-to-end header that the gateway does not write itself")
            } else if !seen.insert(header.value.lowercased()).inserted {
                problems.add(at: header, found: "\(Quoting.quoted(header.value)) a second time", allowed: "one claim for each header")
            }
        }
    }

    /// Hop-by-hop and framing fields, and those that the gateway writes itself into every forwarded request.
    private static func isReserved(_ name: String) -> Bool {
        let field = Array(name.utf8).withByteView { KnownField(name: $0) }
        switch field {
        case .host, .contentLength, .transferEncoding, .expect, .xForwardedFor, .xForwardedProto, .xForwardedHost,
            .xRequestID, .traceparent, .tracestate, .via:
            return true
        default:
            return HopByHop.isHopByHop(field)
        }
    }
}
