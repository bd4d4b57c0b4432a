import Foundation
import SluiceCrypto
import SluiceHTTP
import Testing

@Suite("Signatures of every algorithm")
struct SignatureTests {
    static let message = Array("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0".utf8)

    /// The command that makes a key which the algorithm can be used with.
    static func keyCommand(_ algorithm: SignatureAlgorithm) -> String {
        switch algorithm {
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem"
        case .es256: "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem"
        case .es384: "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem"
        case .es512: "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out key.pem"
        case .edDSA: "genpkey -algorithm ED25519 -out key.pem"
        }
    }

    static func made(_ algorithm: SignatureAlgorithm) throws -> (openssl: OpenSSLCommand, key: PublicKey) {
        let openssl = try OpenSSLCommand()
        try openssl.run(keyCommand(algorithm))
        try openssl.run("pkey -in key.pem -pubout -out public.pem")
        try openssl.write(message, to: "message")
        return (openssl, try with(openssl.bytes("public.pem")) { try PublicKey(pem: $0) })
    }

    static func verify(_ key: PublicKey, _ message: [UInt8], _ signature: [UInt8], _ algorithm: SignatureAlgorithm) throws -> Bool {
        let verifier = try SignatureVerifier(key)
        return with(message) { message in with(signature) { verifier.handle.verify(message, signature: $0, algorithm) } }
    }

    @Test("what we sign is accepted under its own algorithm only; nothing of it may be changed", arguments: SignatureAlgorithm.allCases)
    func own(algorithm: SignatureAlgorithm) throws {
        let (openssl, key) = try Self.made(algorithm)
        let signature = try with(openssl.bytes("key.pem")) { pem in
            try with(Self.message) { try PrivateKey(pem: pem).sign($0, algorithm) }
        }
        for other in SignatureAlgorithm.allCases {
            #expect(try Self.verify(key, Self.message, signature, other) == (other == algorithm), "\(other)")
        }
        for place in [0, 1, signature.count / 2, signature.count - 1] {
            var changed = signature
            changed[place] ^= 1
            #expect(try !Self.verify(key, Self.message, changed, algorithm))
        }
        var changed = Self.message
        changed[3] ^= 4
        #expect(try !Self.verify(key, changed, signature, algorithm))
        for other in [Array(signature.dropLast()), signature + [0], [0] + signature, [], [UInt8](repeating: 0, count: signature.count)] {
            #expect(try !Self.verify(key, Self.message, other, algorithm))
        }
        #expect(try Self.verify(key, Self.message, signature, algorithm))
    }

    @Test("what the openssl command signs is accepted", arguments: [
        (SignatureAlgorithm.rs256, "dgst -sha256"), (.rs384, "dgst -sha384"), (.rs512, "dgst -sha512"),
        (.ps256, "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"),
        (.ps384, "dgst -sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"),
        (.ps512, "dgst -sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"),
    ])
    func foreign(algorithm: SignatureAlgorithm, command: String) throws {
        let (openssl, key) = try Self.made(algorithm)
        try openssl.run("\(command) -sign key.pem -out signature message")
        #expect(try Self.verify(key, Self.message, openssl.bytes("signature"), algorithm))
    }

    @Test("PSS with a salt of another length than the digest's is refused (RFC 7518, 3.5)", arguments: ["20", "0", "64"])
    func salt(length: String) throws {
        let (openssl, key) = try Self.made(.ps256)
        try openssl.run("dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:\(length) -sign key.pem -out signature message")
        #expect(try !Self.verify(key, Self.message, openssl.bytes("signature"), .ps256))
    }

    @Test("Ed25519: what the openssl command signs is accepted")
    func foreignEd25519() throws {
        let (openssl, key) = try Self.made(.edDSA)
        try openssl.run("pkeyutl -sign -rawin -inkey key.pem -in message -out signature")
        #expect(try Self.verify(key, Self.message, openssl.bytes("signature"), .edDSA))
    }

    @Test("ECDSA: our signature, put into DER, satisfies the openssl command, and both numbers have zeros in front now and then",
          arguments: [(SignatureAlgorithm.es256, "sha256"), (.es384, "sha384"), (.es512, "sha512")])
    func ecdsaForms(algorithm: SignatureAlgorithm, digest: String) throws {
        let (openssl, key) = try Self.made(algorithm)
        let privateKey = try with(openssl.bytes("key.pem")) { try PrivateKey(pem: $0) }
        let half = key.kind.scalarBytes ?? 0
        var seen: Set<Int> = []
        // One in 256 numbers of the two shorter curves has zeros in front, every second of the longest.
        for number in 0..<6000 where seen.count < 2 {
            let message = Array("\(number)".utf8)
            let signature = try with(message) { try privateKey.sign($0, algorithm) }
            #expect(signature.count == 2 * half)
            let places = [0, half].filter { signature[$0] == 0 }
            guard number < 20 || !places.isEmpty else { continue }
            #expect(try Self.verify(key, message, signature, algorithm))
            seen.formUnion(places)
        }
        #expect(seen == [0, half])
        let signature = try with(Self.message) { try privateKey.sign($0, algorithm) }
        try openssl.write(Self.der(signature), to: "signature")
        try openssl.run("dgst -\(digest) -verify public.pem -signature signature message")
    }

    /// The DER form, made in another way than the code that is tested does it.
    static func der(_ signature: [UInt8]) -> [UInt8] {
        func length(_ count: Int) -> [UInt8] { count < 128 ? [UInt8(count)] : [0x81, UInt8(count)] }
        func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
            var number = Array(bytes.drop { $0 == 0 })
            if number.isEmpty || number[0] >= 128 { number.insert(0, at: 0) }
            return [2] + length(number.count) + number
        }
        let half = signature.count / 2
        let content = integer(signature[..<half]) + integer(signature[half...])
        return [0x30] + length(content.count) + content
    }

    @Test("numbers of a signature that are out of range are refused: zero, the order of the group, more")
    func ranges() throws {
        let (openssl, key) = try Self.made(.es256)
        let signature = try with(openssl.bytes("key.pem")) { pem in try with(Self.message) { try PrivateKey(pem: pem).sign($0) } }
        let order = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        for number in [[UInt8](repeating: 0, count: 32), order, [UInt8](repeating: 0xFF, count: 32)] {
            #expect(try !Self.verify(key, Self.message, number + signature.suffix(32), .es256))
            #expect(try !Self.verify(key, Self.message, signature.prefix(32) + number, .es256))
        }
    }

    @Test("keys that are taken: by PEM, by certificate; and those that are not")
    func keys() throws {
        let openssl = try OpenSSLCommand()
        for (command, kind) in [(Self.keyCommand(.es256), PublicKey.Kind.p256), (Self.keyCommand(.es512), .p521), (Self.keyCommand(.edDSA), .ed25519)] {
            try openssl.run(command)
            try openssl.run("pkey -in key.pem -pubout -out public.pem")
            try openssl.run("req -x509 -key key.pem -subj /CN=x -days 2 -out certificate.pem")
            for file in ["public.pem", "certificate.pem"] {
                #expect(try with(openssl.bytes(file)) { try PublicKey(pem: $0) }.kind == kind)
            }
        }
        for command in [
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out key.pem", "genpkey -algorithm X25519 -out key.pem", "genpkey -algorithm ED448 -out key.pem",
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -out key.pem",
            "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out key.pem",
        ] {
            try openssl.run(command)
            try openssl.run("pkey -in key.pem -pubout -out public.pem")
            #expect(throws: CryptoError.self, "\(command)") { try with(openssl.bytes("public.pem")) { try PublicKey(pem: $0) } }
            #expect(throws: CryptoError.self, "\(command)") { try with(openssl.bytes("key.pem")) { try PrivateKey(pem: $0) } }
        }
    }

    @Test("points: of the right length and on the curve, else no key")
    func points() throws {
        // RFC 7515, A.3.1.
        let x = unhex("7fcdce2770f6c45d4183cbee6fdb4b7b5807333 57be9ef13bacf6e3c7bd15445")
        let y = unhex("c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad")
        func key(_ x: [UInt8], _ y: [UInt8], _ kind: PublicKey.Kind = .p256) throws -> PublicKey {
            try with(x) { x in try with(y) { try PublicKey(curve: kind, x: x, y: $0) } }
        }
        #expect(try key(x, y).kind == .p256)
        var other = y
        other[31] ^= 1
        for (x, y, kind) in [(x, other, PublicKey.Kind.p256), (y, x, .p256), ([0] + x, y, .p256), (Array(x.dropFirst()), y, .p256), (x, y, .p384), ([], [], .p256)] {
            #expect(throws: CryptoError.self) { try key(x, y, kind) }
        }
        let order8 = unhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
        let zeros = [UInt8](repeating: 0, count: 31)
        for small in [[0] + zeros, [1] + zeros, zeros + [0x80], [1] + zeros.dropLast() + [0x80], [0xED] + [UInt8](repeating: 0xFF, count: 30) + [0x7F], order8] {
            #expect(throws: CryptoError("the Ed25519 key is a point of small order")) { try with(small) { try PublicKey(ed25519: $0) } }
        }
        for count in [0, 31, 33] {
            #expect(throws: CryptoError.self) { try with([UInt8](repeating: 1, count: count)) { try PublicKey(ed25519: $0) } }
        }
    }

    @Test("codes under a secret, of RFC 4231, 4.3")
    func codes() {
        let expected: [(MessageCode.Function, String)] = [
            (.sha384, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"),
            (.sha512, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"),
        ]
        for (function, code) in expected {
            var bytes = [UInt8](repeating: 0, count: MessageCode.byteCountMax)
            let isWritten = with(Array("Jefe".utf8)) { key in
                with(Array("what do ya want for nothing?".utf8)) { message in
                    bytes.withUnsafeMutableBufferPointer { MessageCode.write(function, key: key, of: message, into: $0.baseAddress!) }
                }
            }
            #expect(isWritten && hex(Array(bytes.prefix(function.byteCount))) == code)
        }
    }
}
