import SluiceConfiguration
import SluiceHTTP

/// Asks another service before an endpoint's request goes on.
///
/// The service gets the configured method and URL with the client's end-to-end fields, never the client's target or body.
/// A status of `allow` lets the request through; any other response is the client's answer; a failure is `.preCallFailed`, which the
/// worker refuses with. Suspends unless the same question is remembered to have let a request through.
enum PreCall: Policy {
    static let key = "preCall"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .endpoint, meaning: "Asks another service whether the request may pass.")],
        form: .mapping(keys), refusals: [.preCallFailed], waitsFor: [.service], remembers: "answers that let a request pass, with `cacheSeconds`",
        keepsOut: true)

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

    struct Compiled: CompiledPolicy {
        let call: UnsafePointer<ServiceCall>

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            guard let memory = call.pointee.memory else { return .suspend(.service(call)) }
            if let fields = memory.fields { exchange.rely(on: fields) }
            let now = exchange.context.pointee.monotonicNanoseconds
            return memory.answers.contains(memory.key(of: exchange), at: now) ? .proceed : .suspend(.service(call))
        }
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        let url = configuration.url.value
        var head = "\(configuration.method) \(url.target) HTTP/1.1\r\nHost: \(url.authority)\r\n"
        // A method that is expected to have content says that there is none (RFC 9110, 8.6).
        if ["POST", "PUT", "PATCH"].contains(configuration.method) { head += "Content-Length: 0\r\n" }
        guard let origin = snapshot.origin(of: url, at: configuration.url) else { return nil }
        let call = ServiceCall(
            origin: origin, requestHead: snapshot.arena.bytes(head),
            timeoutMilliseconds: UInt64(configuration.timeoutMilliseconds),
            isIdempotent: configuration.method != "POST" && configuration.method != "PATCH",
            allow: snapshot.arena.store(configuration.allow),
            memory: configuration.cacheSeconds == 0 ? nil : memory(configuration, into: snapshot))
        return Compiled(call: snapshot.arena.store(call))
    }

    private static func memory(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> ServiceCall.Memory {
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
        return ServiceCall.Memory(
            answers: snapshot.preCalls.answers.table, flights: snapshot.preCalls.flights.table,
            nanoseconds: UInt64(configuration.cacheSeconds) * 1_000_000_000,
            hashKey: hashKey, question: hash.finish(), fields: fields,
            includesClient: includesClient)
    }

    private static func saysWhereFrom(_ name: String) -> Bool {
        switch name.withByteView({ KnownField(name: $0) }) {
        case .xForwardedFor, .xForwardedProto, .xForwardedHost, .xForwardedPort, .xForwardedPrefix: true
        default: false
        }
    }

    private static let hashKey = SipHash128.Key.random()
}
