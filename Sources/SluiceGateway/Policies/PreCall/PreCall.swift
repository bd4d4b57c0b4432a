import SluiceConfiguration
import SluiceHTTP

/// Asks another service before an endpoint's request goes on.
///
/// The service gets the configured method and URL with the client's end-to-end fields, never the client's target or body.
/// A status of `allow` lets the request through; any other response is the client's answer; a failure is `.preCallFailed`, which the
/// worker refuses with. Suspends unless the same question is remembered to have let a request through.
enum PreCall: Policy {
    static let key = "preCall"

    /// Without CONNECT and TRACE, which are not for services, and HEAD, whose answer lacks the body that the client's needs.
    static let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    struct Configuration: Equatable, Sendable {
        /// One of `methods`. GET unless configured.
        var method = "GET"
        var url: Located<UpstreamURL>
        /// The statuses that let a request pass, sorted: 200 to 599. 200 alone unless configured.
        var allow: [UInt16] = [200]
        /// How long a yes is remembered, in seconds, 0 to 86,400. 0, which is the default, remembers nothing.
        var cacheSeconds = 0
        /// From the decision to ask to the last byte of the answer's head, 1 to 600,000 milliseconds. 1,000 unless configured.
        /// On expiry: `.preCallFailed` (502).
        var timeoutMilliseconds = 1000
        /// The fields that tell questions apart, in lower case and sorted; nil for all that are forwarded, the gateway's own
        /// X-Forwarded-For, -Proto, -Host, -Port and -Prefix among them, but X-Request-Id, traceparent and tracestate.
        /// Never empty: one client's yes would then let everybody through.
        var cacheKey: [String]?
        /// The same as they are written, for who finds fault with one of them.
        var cacheKeyNames: [Located<String>] = []
    }

    struct Compiled: BitwiseCopyable {
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

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            guard let memory else { return .suspend }
            if let fields = memory.fields { exchange.rely(on: fields) }
            let now = exchange.context.pointee.monotonicNanoseconds
            return memory.answers.contains(memory.key(of: exchange), at: now) ? .proceed : .suspend
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

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        let url = configuration.url.value
        var head = "\(configuration.method) \(url.target) HTTP/1.1\r\nHost: \(url.authority)\r\n"
        // A method that is expected to have content says that there is none (RFC 9110, 8.6).
        if ["POST", "PUT", "PATCH"].contains(configuration.method) { head += "Content-Length: 0\r\n" }
        guard let origin = snapshot.origin(of: url, at: configuration.url) else { return nil }
        return Compiled(
            origin: origin, requestHead: snapshot.arena.bytes(head),
            timeoutMilliseconds: UInt64(configuration.timeoutMilliseconds),
            isIdempotent: configuration.method != "POST" && configuration.method != "PATCH",
            allow: snapshot.arena.store(configuration.allow),
            memory: configuration.cacheSeconds == 0 ? nil : memory(configuration, into: snapshot))
    }

    private static func memory(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled.Memory {
        let arena = snapshot.arena
        let fields = configuration.cacheKey.map { FieldNames($0, into: arena) }
        let url = configuration.url.value
        var hash = SipHash128(key: hashKey)
        let texts = [configuration.method, url.scheme, url.authority, url.target]
            + (configuration.cacheKey.map { ["only"] + $0 } ?? ["all"])
        for text in texts { text.withByteView { hash.add($0) } }
        hash.add(word: UInt64(configuration.cacheSeconds))
        for status in configuration.allow { hash.add(word: UInt64(status)) }
        let includesClient = configuration.cacheKey?.contains(where: saysWhereFrom) ?? true
        if includesClient { snapshot.domainKey.withByteView { hash.add($0) } }
        return Compiled.Memory(
            answers: snapshot.preCalls.answers.table, flights: snapshot.preCalls.flights.table,
            nanoseconds: UInt64(configuration.cacheSeconds) * 1_000_000_000,
            hashKey: hashKey, question: hash.finish(), fields: fields,
            includesClient: includesClient)
    }

    /// Whether a field is about the resource that the client wants, and not about the client: a range of it, or a condition on what it is
    /// (RFC 9110, 13.1 and 14.2). The pre-call API's own resource is another one: it would answer 206, 304 or 412.
    static func isAboutResource(_ name: ByteView) -> Bool {
        guard name.count >= 4, name[0] | 0x20 == UInt8(ascii: "i") || name[0] | 0x20 == UInt8(ascii: "r") else { return false }
        return name[..<3].equalsIgnoringCase(ByteView("if-" as StaticString)) || name.equalsIgnoringCase(ByteView("range" as StaticString))
    }

    private static func saysWhereFrom(_ name: String) -> Bool {
        switch name.withByteView({ KnownField(name: $0) }) {
        case .xForwardedFor, .xForwardedProto, .xForwardedHost, .xForwardedPort, .xForwardedPrefix: true
        default: false
        }
    }

    private static let hashKey = SipHash128.Key.random()
}

// MARK: - What tells questions apart

extension PreCall.Compiled.Memory {
    /// The same for the same question, and computable as long as the exchange lasts: the head stays untouched until then.
    func key(of exchange: borrowing Exchange) -> SipHash128.Value {
        var hash = SipHash128(key: hashKey)
        hash.add(word: question.low)
        hash.add(word: question.high)
        if includesClient { addClient(of: exchange, to: &hash) }
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
