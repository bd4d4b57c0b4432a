import Foundation
import SluiceCrypto
import SluiceHTTP
import Testing

@Suite("RS256")
struct RSATests {
    static let message = Array("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0".utf8)

    static func made() throws -> OpenSSLCommand {
        let openssl = try OpenSSLCommand()
        try openssl.run("genrsa -traditional -out rsa.pem 2048")
        try openssl.run("rsa -in rsa.pem -pubout -out public.pem")
        try openssl.run("rsa -in rsa.pem -RSAPublicKey_out -out rsapublic.pem")
        try openssl.run("req -x509 -key rsa.pem -subj /CN=x -days 2 -out certificate.pem")
        try openssl.write(message, to: "message")
        try openssl.run("dgst -sha256 -sign rsa.pem -out signature message")
        return openssl
    }

    /// The modulus of `rsa.pem`.
    static func modulus(_ openssl: OpenSSLCommand) throws -> [UInt8] {
        try openssl.run("rsa -in rsa.pem -noout -modulus -out modulus")
        let line = try #require(String(bytes: try openssl.bytes("modulus"), encoding: .utf8))
        return unhex(line.dropFirst("Modulus=".count).prefix(512))
    }

    static func verify(_ key: PublicKey, _ message: [UInt8], _ signature: [UInt8]) throws -> Bool {
        let verifier = try RSAVerifier(key)
        return with(message) { message in with(signature) { verifier.handle.verify(message, signature: $0) } }
    }

    @Test("a signature by the openssl command is accepted with each form of the key; one flipped bit is not")
    func foreignSignature() throws {
        let openssl = try Self.made()
        let signature = try openssl.bytes("signature")
        try openssl.write([0xEF, 0xBB, 0xBF] + openssl.bytes("public.pem"), to: "marked.pem")
        for file in ["public.pem", "rsapublic.pem", "certificate.pem", "marked.pem"] {
            let key = try with(openssl.bytes(file)) { try PublicKey(pem: $0) }
            #expect(key.bits == 2048)
            let verifier = try RSAVerifier(key)
            // One verifier throughout: a refusal must leave it fit for use.
            func accepts(_ message: [UInt8], _ signature: [UInt8]) -> Bool {
                with(message) { message in with(signature) { verifier.handle.verify(message, signature: $0) } }
            }
            #expect(accepts(Self.message, signature))
            for place in [0, 1, 100, 255] {
                var changed = signature
                changed[place] ^= 1
                #expect(!accepts(Self.message, changed))
            }
            var changed = Self.message
            changed[7] ^= 4
            #expect(!accepts(changed, signature))
            #expect(!accepts(Self.message, Array(signature.dropLast())))
            #expect(!accepts(Self.message, signature + [0]))
            #expect(!accepts(Self.message, [0] + signature))
            #expect(!accepts(Self.message, []))
            #expect(accepts(Self.message, signature))
        }
    }

    @Test("signatures of another kind under the same key are refused: SHA-1, SHA-512, PSS")
    func otherSchemes() throws {
        let openssl = try Self.made()
        let key = try with(openssl.bytes("public.pem")) { try PublicKey(pem: $0) }
        try openssl.run("dgst -sha1 -sign rsa.pem -out sha1 message")
        try openssl.run("dgst -sha512 -sign rsa.pem -out sha512 message")
        try openssl.run("dgst -sha256 -sigopt rsa_padding_mode:pss -sign rsa.pem -out pss message")
        for file in ["sha1", "sha512", "pss"] {
            #expect(try !Self.verify(key, Self.message, openssl.bytes(file)))
        }
    }

    /// The encoded message of RFC 8017, 9.2, with each part to be spoilt.
    static func encoded(
        count: Int = 256, start: [UInt8] = [0, 1], padding: UInt8 = 0xFF, paddingCut: Int = 0, separator: [UInt8] = [0],
        digestInfo: String = "3031300d060960864801650304020105000420", digest: [UInt8], garbage: Int = 0
    ) -> [UInt8] {
        let tail = separator + unhex(digestInfo) + digest
        let fill = count - start.count - tail.count - paddingCut - garbage
        return start + [UInt8](repeating: padding, count: fill) + tail + [UInt8](repeating: 0x5A, count: garbage + paddingCut)
    }

    @Test("a message that is encoded in any other way than the one is refused, though it was raised with the private key", arguments: [65537, 3])
    func encodings(exponent: Int) throws {
        let openssl = try OpenSSLCommand()
        try openssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:\(exponent) -out rsa.pem")
        try openssl.run("rsa -in rsa.pem -pubout -out public.pem")
        let verifier = try RSAVerifier(with(openssl.bytes("public.pem")) { try PublicKey(pem: $0) })
        var hash = [UInt8](repeating: 0, count: 32)
        let digest = try Digest(.sha256)
        #expect(with(Self.message) { digest.handle.hash($0, into: &hash) })
        /// The private key's power of `text`, whatever it says.
        func accepts(_ text: [UInt8]) throws -> Bool {
            try openssl.write(text, to: "text")
            try openssl.run("pkeyutl -decrypt -inkey rsa.pem -pkeyopt rsa_padding_mode:none -in text -out raw")
            let signature = try openssl.bytes("raw")
            return with(Self.message) { message in with(signature) { verifier.handle.verify(message, signature: $0) } }
        }
        var other = hash
        other[31] ^= 1
        #expect(try accepts(Self.encoded(digest: hash)))
        for wrong in [
            Self.encoded(digest: other),
            Self.encoded(start: [0, 2], digest: hash), Self.encoded(start: [0, 0], digest: hash), Self.encoded(start: [1], digest: hash),
            Self.encoded(padding: 0xFE, digest: hash), Self.encoded(separator: [0xFF], digest: hash), Self.encoded(separator: [0, 0], digest: hash),
            // Less padding and something behind the digest: what makes forgeries under the exponent 3 possible.
            Self.encoded(paddingCut: 1, digest: hash), Self.encoded(paddingCut: 190, digest: hash), Self.encoded(digest: hash, garbage: 8),
            // Without the NULL that the parameters of the algorithm are; SHA-384; SHA-1; a length in two bytes.
            Self.encoded(digestInfo: "302f300b0609608648016503040201" + "0420", digest: hash),
            Self.encoded(digestInfo: "3031300d060960864801650304020205000420", digest: hash),
            Self.encoded(digestInfo: "3021300906052b0e03021a05000420", digest: hash),
            Self.encoded(digestInfo: "308131300d060960864801650304020105000420", digest: hash),
        ] { #expect(try !accepts(wrong)) }
        #expect(try accepts(Self.encoded(digest: hash)))
    }

    @Test("the number of a signature is less than the modulus: the modulus, more, zero and one are refused")
    func range() throws {
        let openssl = try Self.made()
        let modulus = try Self.modulus(openssl)
        let key = try with(openssl.bytes("public.pem")) { try PublicKey(pem: $0) }
        #expect(try !Self.verify(key, Self.message, modulus))
        #expect(try !Self.verify(key, Self.message, [UInt8](repeating: 0xFF, count: 256)))
        #expect(try !Self.verify(key, Self.message, [UInt8](repeating: 0, count: 256)))
        #expect(try !Self.verify(key, Self.message, [UInt8](repeating: 0, count: 255) + [1]))
        // A signature and the modulus in sum are congruent to the signature (RFC 8017, 5.2.2, step 1).
        var sum = try openssl.bytes("signature")
        var carry = 0
        for index in sum.indices.reversed() {
            carry += Int(sum[index]) + Int(modulus[index])
            sum[index] = UInt8(truncatingIfNeeded: carry)
            carry >>= 8
        }
        #expect(try !Self.verify(key, Self.message, carry == 0 ? sum : [1] + sum))
    }

    @Test("what OpenSSL signs is accepted for every size and exponent that a key may have", arguments: [
        (2048, "3"), (2048, "5"), (2056, "65537"), (3072, "65537"), (4096, "4294967297"), (2048, "18446744073709551557"),
    ])
    func sizesAndExponents(bits: Int, exponent: String) throws {
        let openssl = try OpenSSLCommand()
        try openssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:\(bits) -pkeyopt rsa_keygen_pubexp:\(exponent) -out rsa.pem")
        try openssl.run("rsa -in rsa.pem -pubout -out public.pem")
        let key = try with(openssl.bytes("public.pem")) { try PublicKey(pem: $0) }
        for text in ["", "a", String(repeating: "b", count: 1000)] {
            try openssl.write(Array(text.utf8), to: "message")
            try openssl.run("dgst -sha256 -sign rsa.pem -out signature message")
            #expect(try Self.verify(key, Array(text.utf8), openssl.bytes("signature")))
            #expect(try !Self.verify(key, Array((text + "c").utf8), openssl.bytes("signature")))
        }
    }

    @Test("a digest at hand is as good as its message; a digest of another length is refused")
    func digest() throws {
        let openssl = try Self.made()
        let verifier = try RSAVerifier(with(openssl.bytes("public.pem")) { try PublicKey(pem: $0) })
        var hash = [UInt8](repeating: 0, count: 32)
        let digest = try Digest(.sha256)
        #expect(with(Self.message) { digest.handle.hash($0, into: &hash) })
        try with(openssl.bytes("signature")) { signature in
            #expect(with(hash) { verifier.handle.verify(digest: $0, signature: signature) })
            #expect(!with(Array(hash.dropLast())) { verifier.handle.verify(digest: $0, signature: signature) })
            #expect(!with([]) { verifier.handle.verify(digest: $0, signature: signature) })
        }
    }

    @Test("our signature satisfies the openssl command, from both PEM forms of the private key")
    func ownSignature() throws {
        let openssl = try Self.made()
        try openssl.run("pkcs8 -topk8 -nocrypt -in rsa.pem -out pkcs8.pem")
        for file in ["rsa.pem", "pkcs8.pem"] {
            let key = try with(openssl.bytes(file)) { try PrivateKey(pem: $0) }
            let signature = try with(Self.message) { try key.sign($0) }
            #expect(signature.count == 256)
            // PKCS #1 v1.5 is deterministic.
            #expect(try signature == openssl.bytes("signature"))
            try openssl.write(signature, to: "ours")
            try openssl.run("dgst -sha256 -verify public.pem -signature ours message")
        }
    }

    @Test("modulus and exponent, as a JSON Web Key has them, make the same key, with or without leading zeros")
    func fromNumbers() throws {
        let openssl = try Self.made()
        let modulus = try Self.modulus(openssl)
        #expect(modulus.count == 256)
        let signature = try openssl.bytes("signature")
        for (n, e) in [(modulus, [1, 0, 1]), ([0] + modulus, [0, 1, 0, 1] as [UInt8])] {
            let key = try with(n) { n in try with(e) { try PublicKey(modulus: n, exponent: $0) } }
            #expect(key.bits == 2048)
            #expect(try Self.verify(key, Self.message, signature))
        }
        let other = try with(modulus) { n in try with([3]) { try PublicKey(modulus: n, exponent: $0) } }
        #expect(try !Self.verify(other, Self.message, signature))
    }

    static func numbers(bits: Int, exponent: [UInt8], last: UInt8 = 1) throws -> Int {
        var modulus = [UInt8](repeating: 0xFF, count: (bits + 7) / 8)
        modulus[0] >>= UInt8(modulus.count * 8 - bits)
        modulus[modulus.count - 1] = last
        return try with(modulus) { n in
            try with(exponent) { try PublicKey(modulus: n, exponent: $0).bits }
        }
    }

    @Test("size: 2048 and 8192 bits pass, one bit less or more does not, and the error names the size")
    func sizes() throws {
        #expect(try Self.numbers(bits: 2048, exponent: [3]) == 2048)
        #expect(try Self.numbers(bits: 8192, exponent: [3]) == 8192)
        #expect(throws: CryptoError("the RSA key has 2047 bits; at least 2048 are needed")) {
            try Self.numbers(bits: 2047, exponent: [3])
        }
        #expect(throws: CryptoError("the RSA key has 8193 bits; at most 8192 are allowed")) {
            try Self.numbers(bits: 8193, exponent: [3])
        }
    }

    @Test("exponent: odd, from 3, of 64 bits at most; modulus: odd, and neither may be empty or huge")
    func numberRules() throws {
        let even = CryptoError("the RSA exponent must be odd and at least 3")
        for exponent: [UInt8] in [[], [0], [1], [2], [4]] {
            #expect(throws: even) { try Self.numbers(bits: 2048, exponent: exponent) }
        }
        let long = [UInt8](repeating: 0xFF, count: 8)
        #expect(try Self.numbers(bits: 2048, exponent: long) == 2048)
        #expect(throws: CryptoError("the RSA exponent is longer than 64 bits")) {
            try Self.numbers(bits: 2048, exponent: [1] + long)
        }
        #expect(throws: CryptoError("the RSA modulus is even")) { try Self.numbers(bits: 2048, exponent: [3], last: 2) }
        #expect(throws: CryptoError.self) { try Self.numbers(bits: 16, exponent: [3]) }
        #expect(throws: CryptoError("the RSA modulus or exponent is too long")) {
            try with([UInt8](repeating: 0, count: 1026)) { try PublicKey(modulus: $0, exponent: ByteView("\u{3}")) }
        }
    }

    @Test("what is no public key for signatures is refused, and the error says what it is instead")
    func otherKinds() throws {
        let openssl = try Self.made()
        func message(_ file: String) throws -> String {
            do {
                _ = try with(openssl.bytes(file)) { try PublicKey(pem: $0) }
                return "accepted"
            } catch let error as CryptoError { return error.message }
        }
        #expect(try message("rsa.pem").hasPrefix("found PEM of kind RSA PRIVATE KEY;"))
        try openssl.run("ecparam -name secp256k1 -genkey -noout -out ec.pem")
        try openssl.run("ec -in ec.pem -pubout -out ecpublic.pem")
        #expect(try message("ecpublic.pem") == "the key is on the curve secp256k1; P-256, P-384 and P-521 are supported")
        try openssl.run("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.pem")
        try openssl.run("pkey -in pss.pem -pubout -out psspublic.pem")
        #expect(try message("psspublic.pem") == "the key is neither an RSA key nor on a supported curve")
        try openssl.run("genrsa -out short.pem 1024")
        try openssl.run("rsa -in short.pem -pubout -out shortpublic.pem")
        #expect(try message("shortpublic.pem") == "the RSA key has 1024 bits; at least 2048 are needed")
        #expect(throws: CryptoError("the RSA key has 1024 bits; at least 2048 are needed")) {
            try with(openssl.bytes("short.pem")) { try PrivateKey(pem: $0) }
        }
        #expect(throws: CryptoError("the key is on the curve secp256k1; P-256, P-384 and P-521 are supported")) {
            try with(openssl.bytes("ec.pem")) { try PrivateKey(pem: $0) }
        }
        try openssl.write(Array("no key at all".utf8), to: "text")
        #expect(try message("text").hasPrefix("no public key in PEM form"))
        try openssl.write([], to: "empty")
        #expect(try message("empty").hasPrefix("no public key in PEM form"))
    }

    @Test("an encrypted private key is refused without asking for its pass phrase")
    func encrypted() throws {
        let openssl = try Self.made()
        try openssl.run("rsa -in rsa.pem -aes256 -passout pass:abcd -out locked.pem")
        #expect(throws: CryptoError("the private key is encrypted")) {
            try with(openssl.bytes("locked.pem")) { try PrivateKey(pem: $0) }
        }
    }
}
