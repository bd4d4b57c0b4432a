import SluiceHTTP

/// A set of request methods, one bit each.
///
/// The bits 1 to 9 are the raw values of `Method`; from bit 10 on they are the further tokens that a configuration names
/// (`MethodRegistry`). Bit 0 is every token that nobody names, so that an endpoint for all methods serves those too.
struct MethodSet: BitwiseCopyable, Equatable, Sendable {
    /// How many methods a set can tell apart, unknown tokens included.
    static let capacity = 64

    var bits: UInt64

    init(bits: UInt64) { self.bits = bits }

    init(_ method: Method) { bits = 1 << UInt64(method.rawValue) }

    static var none: MethodSet { MethodSet(bits: 0) }

    /// What an endpoint without `methods` serves: OPTIONS is left to CORS, and to endpoints that list it. TRACE as well must be listed: it
    /// has a service send back what it got, with the fields that gateways and proxies add, credentials among them (RFC 9110, 9.3.8).
    static var unlisted: MethodSet { MethodSet(bits: ~MethodSet(.options).union(MethodSet(.trace)).bits) }

    var isEmpty: Bool { bits == 0 }

    /// With HEAD where GET is: a resource that answers GET answers HEAD (RFC 9110, 9.3.2).
    var servingHead: MethodSet { intersects(MethodSet(.get)) ? union(MethodSet(.head)) : self }

    func intersects(_ other: MethodSet) -> Bool { bits & other.bits != 0 }
    func union(_ other: MethodSet) -> MethodSet { MethodSet(bits: bits | other.bits) }
    func intersection(_ other: MethodSet) -> MethodSet { MethodSet(bits: bits & other.bits) }
}

/// The tokens beyond `Method` that the configuration names, as workers look them up.
struct MethodTable: BitwiseCopyable {
    private let tokens: ArenaSlice<ByteView>

    fileprivate init(tokens: ArenaSlice<ByteView>) { self.tokens = tokens }

    /// The bit of a request's method, the same in every endpoint table that was compiled with this table's registry.
    /// `token` is read only where `method` is `.other`; a token that no endpoint names is bit 0.
    func bit(for method: Method, token: ByteView) -> MethodSet {
        if method != .other { return MethodSet(method) }
        var index = 0
        while index < tokens.count {
            if tokens[index].equals(token) {
                return MethodSet(bits: 1 << UInt64(index + Method.allCases.count))
            }
            index += 1
        }
        return MethodSet(.other)
    }
}

extension MethodRegistry {
    /// The run-time form, to be made when every endpoint has been read.
    func compile(into arena: Arena) -> MethodTable {
        MethodTable(tokens: arena.store(furtherTokens.map { arena.bytes($0) }))
    }
}
