import SluiceHTTP

/// Where a request leads, by its host and the beginning of its path.
struct DomainMatch: BitwiseCopyable, Equatable, Sendable {
    /// What decided, in the order of precedence.
    enum Rule: UInt8, BitwiseCopyable, Sendable {
        case host, wildcardHost, key, anyHost
    }

    /// The domain's index in the list that was compiled.
    var domain: Int
    var rule: Rule
    /// Offset in the whole path of the path inside the domain: at a slash, or the path's length when the path is the key and
    /// nothing else, for which the path inside the domain is `/`. 0 for a domain that was found by host.
    var restStart: Int
}

/// The domains of a snapshot, by host and key.
///
/// An exact host wins over a wildcard, a host over a key, a key over `"*"`. The first that applies is the answer, also
/// where none of its endpoints matches: a look-up never falls through to another domain.
struct DomainTable: BitwiseCopyable {
    /// Longest host name that is looked up, in bytes (RFC 1035, 2.3.4, allows less); a longer one is no domain's.
    static let hostBytesMax = 255

    let hosts: ByteTable
    /// By what follows the `*.`.
    let wildcards: ByteTable
    let keys: ByteTable
    /// The domain that says `"*"`; -1 if none does.
    let anyHost: Int

    /// The domain of a request; nil if there is none. Allocates nothing.
    ///
    /// - Parameters:
    ///   - host: the authority as it was sent (Host, or an absolute target's), in any case, with or without a port and a
    ///     final dot; nil if there was none. What it may hold is the parser's affair.
    ///   - path: the whole path, normalised.
    func lookUp(host: ByteView?, path: ByteView) -> DomainMatch? {
        lookUp(hostName: host.map(Self.hostName(of:)) ?? .empty, path: path)
    }

    /// The domain of a request; nil if there is none. Allocates nothing.
    ///
    /// - Parameters:
    ///   - hostName: the host of the authority, without its port, in any case, with or without a final dot; empty if there was none.
    ///   - path: the whole path, normalised.
    func lookUp(hostName: ByteView, path: ByteView) -> DomainMatch? {
        if let match = match(hostName: Self.withoutFinalDot(hostName)) { return match }
        if let match = lookUp(keyOf: path) { return match }
        return anyHost >= 0 ? DomainMatch(domain: anyHost, rule: .anyHost, restStart: 0) : nil
    }

    /// The domain that has this host by name or wildcard, whatever the path; nil if none has.
    func lookUp(hostName: ByteView) -> Int? {
        match(hostName: Self.withoutFinalDot(hostName))?.domain
    }

    private func match(hostName name: ByteView) -> DomainMatch? {
        guard !name.isEmpty, name.count <= Self.hostBytesMax else { return nil }
        if let domain = hosts.value(ofAnyCase: name) {
            return DomainMatch(domain: Int(domain), rule: .host, restStart: 0)
        }
        guard !wildcards.isEmpty else { return nil }
        var dot = 0
        while dot < name.count, name[dot] != UInt8(ascii: ".") { dot += 1 }
        guard dot > 0, dot < name.count, let domain = wildcards.value(ofAnyCase: name[(dot + 1)...]) else { return nil }
        return DomainMatch(domain: Int(domain), rule: .wildcardHost, restStart: 0)
    }

    private func lookUp(keyOf path: ByteView) -> DomainMatch? {
        guard path.count > 1, path[0] == UInt8(ascii: "/") else { return nil }
        var end = 1
        while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
        guard let domain = keys.value(of: path[1..<end]) else { return nil }
        return DomainMatch(domain: Int(domain), rule: .key, restStart: end)
    }

    private static func withoutFinalDot(_ name: ByteView) -> ByteView {
        name.count > 0 && name[name.count - 1] == UInt8(ascii: ".") ? name[..<(name.count - 1)] : name
    }

    /// The host without port. An IPv6 address keeps its brackets.
    private static func hostName(of authority: ByteView) -> ByteView {
        var end = 0
        let isBracketed = !authority.isEmpty && authority[0] == UInt8(ascii: "[")
        let closing = isBracketed ? UInt8(ascii: "]") : UInt8(ascii: ":")
        while end < authority.count, authority[end] != closing { end += 1 }
        if isBracketed {
            return end < authority.count ? authority[..<(end + 1)] : .empty
        }
        return authority[..<end]
    }
}
