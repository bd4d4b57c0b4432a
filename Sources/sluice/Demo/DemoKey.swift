import SluiceCrypto
import SluiceHTTP

/// The RSA key of one run of the demo, which nobody has seen before and nobody keeps.
struct DemoKey {
    /// PEM text.
    let privateKey: [UInt8]
    /// The public half as a JWKS (RFC 7517).
    let keySet: String

    init() throws(CryptoError) {
        let key = try PrivateKey.generate()
        privateKey = try key.pem()
        let numbers = try key.publicNumbers()
        keySet = """
            {"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"demo","n":"\(Self.encoded(numbers.modulus))",\
            "e":"\(Self.encoded(numbers.exponent))"}]}
            """
    }

    private static func encoded(_ bytes: [UInt8]) -> String {
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return "" }
            return String(unsafeUninitializedCapacity: Base64URL.encodedCount(buffer.count) + 3) { text in
                guard let out = text.baseAddress else { return 0 }
                return Base64URL.encode(ByteView(base: base, count: buffer.count), into: out)
            }
        }
    }
}
