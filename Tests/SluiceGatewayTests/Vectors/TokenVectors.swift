import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

@testable import SluiceGateway

/// Tokens and key sets made by hand, under a key of the tests.
struct TokenMaker {
    let key: PrivateKey
    let modulus: String
    let exponent: String

    init() throws {
        key = try PrivateKey.generate()
        let numbers = try key.publicNumbers()
        (modulus, exponent) = (Self.encoded(numbers.modulus), Self.encoded(numbers.exponent))
    }

    /// A token with this header and these claims, signed by RS256.
    func token(header: String, claims: String) throws -> String {
        let input = Self.encoded(Array(header.utf8)) + "." + Self.encoded(Array(claims.utf8))
        return try input + "." + Self.encoded(Array(input.utf8).withByteView { text throws(CryptoError) in try key.sign(text, .rs256) })
    }

    static func encoded(_ bytes: [UInt8]) -> String {
        var text = [UInt8](repeating: 0, count: Base64URL.encodedCount(bytes.count) + 3)
        let count = bytes.withByteView { bytes in text.withUnsafeMutableBufferPointer { Base64URL.encode(bytes, into: $0.baseAddress!) } }
        return String(decoding: text.prefix(count), as: UTF8.self)
    }
}
