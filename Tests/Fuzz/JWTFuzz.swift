import Foundation
import SluiceConfiguration
import SluiceCrypto

@testable import SluiceGateway
@testable import SluiceHTTP

/// A token through the whole policy, with a fixed secret. The first byte of the input says how: `T`, the rest is the field's value;
/// any other, header and payload come as text with a line feed between them, and are encoded and signed here.
///
/// Whatever passes has an intact signature, an object as payload and a time in the future, says Foundation; it passes a second time,
/// then from the cache; and not with one character of its signature changed.
enum JWTFuzz: FuzzTarget {
    static let name = "jwt"
    private static let secret = "a secret of the tests, which has more than 32 bytes"

    private final class Bench {
        let exchange: FuzzExchange
        let policy: JWT.Compiled

        init?() {
            guard let exchange = FuzzExchange(), let text = Optional("{secret: \"\(JWTFuzz.secret)\", forward: {sub: X-Sub, a.b.c: X-C}}"),
                let node = ConfigurationNode.load(text: text, problems: exchange.problems)
            else { return nil }
            var configuration = JWT.read(node, problems: exchange.problems)
            if configuration == nil {
                configuration = ConfigurationNode.load(text: "{secret: \"\(JWTFuzz.secret)\"}", problems: exchange.problems)
                    .flatMap { JWT.read($0, problems: exchange.problems) }
            }
            guard let configuration, let policy = JWT.compile(configuration, into: exchange.snapshot) else { return nil }
            self.exchange = exchange
            self.policy = policy
            exchange.takeOver()
        }

        func passes(_ value: [UInt8]) -> Bool {
            exchange.evaluate("GET /", fields: [("Authorization", value)]) { exchange in
                if case .proceed = policy.evaluate(&exchange) { true } else { false }
            } ?? false
        }
    }

    nonisolated(unsafe) private static let bench = Bench()

    static func run(_ input: ByteView) {
        guard let bench, input.count > 1 else { return require(self.bench != nil, "the policy does not compile") }
        if input[0] == UInt8(ascii: "T") {
            let value = input[1...].array
            if bench.passes(value) { checkPassed(value, bench) }
            return
        }
        let parts = input[1...].array.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return }
        let signed = encoded(Array(parts[0])) + [0x2E] + encoded(Array(parts[1]))
        guard let code = try? HMACKeys.code(.sha256, Secret(bytes: Array(secret.utf8)), of: signed) else { return }
        let token = signed + [0x2E] + encoded(code)
        if bench.passes(token) { checkPassed(token, bench) }
    }

    private static func checkPassed(_ value: [UInt8], _ bench: Bench) {
        require(bench.passes(value), "a token passes once and not again")
        let token = withCopy(value) { _, view in BearerToken.text(of: view).array }
        let parts = token.split(separator: 0x2E, omittingEmptySubsequences: false).map { Array($0) }
        guard parts.count == 3 else { return require(false, "a token of \(parts.count) parts passes") }
        let code = try? HMACKeys.code(.sha256, Secret(bytes: Array(secret.utf8)), of: parts[0] + [0x2E] + parts[1])
        require(code.map(encoded) == parts[2], "a token with another signature passes")
        var forged = token
        forged[forged.count - 4] = forged[forged.count - 4] == 0x41 ? 0x42 : 0x41
        require(!bench.passes(forged), "a forged token passes")
        let payload = Data(base64Encoded: String(decoding: parts[1], as: UTF8.self).replacing("-", with: "+").replacing("_", with: "/")
            + String(repeating: "=", count: (4 - parts[1].count % 4) % 4))
        guard let payload else { return require(false, "a payload that is no base64 passes") }
        guard payload.count < 200, let object = try? JSONSerialization.jsonObject(with: payload) as? [String: Any] else { return }
        if let expiry = object["exp"] as? Double { require(expiry > Double(FuzzExchange.now) - 3600, "a token from the past passes") }
    }

    private static func encoded(_ bytes: [UInt8]) -> [UInt8] {
        withCopy(bytes) { _, view in
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: Base64URL.encodedCount(bytes.count) + 1)
            defer { memory.deallocate() }
            return Array(UnsafeBufferPointer(start: memory, count: Base64URL.encode(view, into: memory)))
        }
    }
}
