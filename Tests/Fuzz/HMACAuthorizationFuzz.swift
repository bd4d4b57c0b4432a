import SluiceConfiguration

@testable import SluiceGateway
@testable import SluiceHTTP

/// The Authorization field of HMAC: the parts of what is taken apart make the same field again, and no field but the right one passes.
enum HMACAuthorizationFuzz: FuzzTarget {
    static let name = "hmac-authorization"
    private static let secret = "hmac-secret-of-the-fuzzer"
    private static let stamp = "2027-01-15T08:00:00Z"

    private struct Bench {
        let exchange: FuzzExchange
        let policy: HMAC.Compiled

        init?() {
            guard let exchange = FuzzExchange() else { return nil }
            let configuration = HMAC.Configuration(secret: Located(value: Secret(bytes: Array(HMACAuthorizationFuzz.secret.utf8))))
            guard let policy = HMAC.compile(configuration, into: exchange.snapshot, registry: ReplayRegistry()) else { return nil }
            self.exchange = exchange
            self.policy = policy
            exchange.takeOver()
        }
    }

    nonisolated(unsafe) private static let bench = Bench()

    static func run(_ input: ByteView) {
        check(input)
        guard let bench else { return require(false, "the policy does not compile") }
        let fields = [("Authorization", input.array), ("X-TC-Timestamp", Array(stamp.utf8)), ("x-nhn-date", Array(stamp.utf8))]
        let passes = bench.exchange.evaluate("GET /orders?a=b", fields: fields) { exchange in
            if case .proceed = bench.policy.evaluate(&exchange) { true } else { false }
        }
        // The fuzzer does not know the secret's codes.
        require(passes != true, "a field passes without the secret")
    }

    private static func check(_ input: ByteView) {
        let form = HMACAuthorization.form(of: input)
        guard let parsed = HMACAuthorization(input, form: form), form == .named else { return }
        let parts = [parsed.algorithm.array, parsed.headers.array, parsed.signature.array]
        require(!parts.joined().contains { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }, "a quotation mark inside a value")
        let text = "hmac algorithm=\"\(parsed.algorithm.string)\", headers=\"\(parsed.headers.string)\",signature=\"\(parsed.signature.string)\""
        if parts.allSatisfy({ String(validating: $0, as: UTF8.self) != nil }) {
            withCopy(Array(text.utf8)) { _, view in
                guard let again = HMACAuthorization(view, form: .named) else { return require(false, "not taken again: \(text)") }
                require([again.algorithm.array, again.headers.array, again.signature.array] == parts, "other parts: \(text)")
            }
        }
        var names = ListedHeaders(parsed.headers)
        var count = 0
        while let name = names.next() {
            require(!name.isEmpty && !name.contains(UInt8(ascii: ",")), "a name that is none")
            count += 1
        }
        require(count <= parsed.headers.count, "more names than bytes")
    }
}
