import SluiceHTTP

/// A question to another service, and what its answers mean: what the worker asks of a service for a policy that suspends with `Wait.service`.
struct ServiceCall: BitwiseCopyable {
    /// The service's origin, by its place in the registry.
    let origin: Int
    /// Request line, Host and, for a method that has one without a body too, Content-Length; each line with its CRLF. The
    /// forwarded fields follow.
    let requestHead: ByteView
    let timeoutMilliseconds: UInt64
    /// Whether the service may be asked twice (RFC 9110, 9.2.2).
    let isIdempotent: Bool
    /// The statuses that let a request pass.
    let allow: ArenaSlice<UInt16>
    /// Nil: nothing is remembered.
    let memory: Memory?

    struct Memory: BitwiseCopyable {
        /// The process's: they outlive snapshots.
        let answers: PreCallCache.Table
        let flights: PreCallFlights.Table
        let nanoseconds: UInt64
        let hashKey: SipHash128.Key
        /// Hash of what the configuration says: method, URL, what tells questions apart, which statuses pass and for how long. Two
        /// endpoints, or one before and after a reload, share entries only if they ask the same question, take the same answers for
        /// a yes and believe it for the same time.
        let question: SipHash128.Value
        /// Nil for all that are forwarded.
        let fields: FieldNames?
        /// Whether what the gateway itself says of the client tells questions apart: X-Forwarded-For, -Proto, -Host, -Port and -Prefix.
        let includesClient: Bool
    }

    /// Whether this status lets the request pass.
    func allows(_ status: UInt16) -> Bool {
        var index = 0
        while index < allow.count {
            if allow[index] == status { return true }
            index += 1
        }
        return false
    }

    /// To be called once when the service has let this exchange pass.
    func remember(_ exchange: borrowing Exchange) {
        guard let memory else { return }
        let now = exchange.context.pointee.monotonicNanoseconds
        memory.answers.remember(memory.key(of: exchange), until: now &+ memory.nanoseconds, at: now)
    }
}

extension ServiceCall {
    /// Whether a field is about the resource that the client wants, and not about the client: a range of it, or a condition on what it is
    /// (RFC 9110, 13.1 and 14.2). The pre-call API's own resource is another one: it would answer 206, 304 or 412.
    static func isAboutResource(_ name: ByteView) -> Bool {
        guard name.count >= 4, name[0] | 0x20 == UInt8(ascii: "i") || name[0] | 0x20 == UInt8(ascii: "r") else { return false }
        return name[..<3].equalsIgnoringCase(ByteView("if-" as StaticString)) || name.equalsIgnoringCase(ByteView("range" as StaticString))
    }
}

// MARK: - What tells questions apart

extension ServiceCall.Memory {
    /// The same for the same question, and computable as long as the exchange lasts: the head stays untouched until then.
    func key(of exchange: borrowing Exchange) -> SipHash128.Value {
        var hash = SipHash128(key: hashKey)
        hash.add(word: question.low)
        hash.add(word: question.high)
        if includesClient { addClient(of: exchange, to: &hash) }
        // The service is told of it whatever else is asked, and one client's permission is nobody else's.
        if exchange.tellsCertificate, let certificate = exchange.certificate { hash.add(certificate.pointee.fingerprint) }
        if let fields {
            add(fields, of: exchange, to: &hash)
        } else {
            addAll(of: exchange, to: &hash)
        }
        return hash.finish()
    }

    /// All that the gateway says of the client in fields of its own (X-Forwarded-For, -Proto, -Host, -Port, -Prefix); the domain's key is part of the question: without it one
    /// client's permission would let in another that the service refuses for its address. What a trusted proxy says in these fields is
    /// among the forwarded lines. Whatever is added to what is written for a pre-call is added here.
    private func addClient(of exchange: borrowing Exchange, to hash: inout SipHash128) {
        hash.add(word: exchange.peer.high)
        hash.add(word: exchange.peer.low)
        hash.add(word: (exchange.isSecure ? 1 : 0) | (exchange.peerIsTrusted ? 2 : 0))
        hash.add(exchange.headBytes[exchange.head.authority.range])
        hash.add(word: exchange.isFoundByKey ? 1 : 0)
    }

    /// All lines of the named fields, in their order: each with the number of its name, so that an absent field is not an empty one and no
    /// value can be taken for another field's. One walk, whatever is named.
    ///
    /// A line that is not sent does not count: by it a client could say of itself what the service was told of another.
    private func add(_ names: FieldNames, of exchange: borrowing Exchange, to hash: inout SipHash128) {
        let bytes = exchange.headBytes
        let fields = exchange.head.fields
        let selection = FieldSelection(preCallOf: exchange)
        var number = 0
        while number < fields.count {
            let line = fields[number]
            number += 1
            guard selection.dropped & line.known.bit == 0, let index = names.index(of: bytes[line.name]), !selection.drops(line, in: bytes) else { continue }
            hash.add(word: UInt64(index) + 1)
            hash.add(bytes[line.value])
        }
    }

    private func addAll(of exchange: borrowing Exchange, to hash: inout SipHash128) {
        let bytes = exchange.headBytes
        let fields = exchange.head.fields
        // What differs between all requests, and no service decides by, is left out too.
        let selection = FieldSelection(preCallOf: exchange)
        let withheld = selection.dropped | KnownField.xRequestID.bit | KnownField.traceparent.bit | KnownField.tracestate.bit
        var number = 0
        while number < fields.count {
            let line = fields[number]
            number += 1
            if withheld & line.known.bit != 0 || selection.drops(line, in: bytes) { continue }
            hash.add(name: bytes[line.name])
            hash.add(bytes[line.value])
        }
    }
}
