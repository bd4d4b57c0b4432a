import SluiceCrypto
import SluiceHTTP
import Testing

@Suite("HMAC")
struct KeyedHMACTests {
    struct Vector: Sendable {
        let algorithm: DigestAlgorithm
        let key: [UInt8]
        let message: [UInt8]
        let code: String

        init(_ algorithm: DigestAlgorithm, _ key: [UInt8], _ message: [UInt8], _ code: String) {
            (self.algorithm, self.key, self.message, self.code) = (algorithm, key, message, code)
        }
    }

    static func repeated(_ byte: UInt8, _ count: Int) -> [UInt8] { Array(repeating: byte, count: count) }

    static let vectors = [
        // RFC 4231, 4.2 to 4.5, 4.7 and 4.8.
        Vector(
            .sha256, repeated(0x0b, 20), Array("Hi There".utf8),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        Vector(
            .sha256, Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        Vector(
            .sha256, repeated(0xaa, 20), repeated(0xdd, 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        Vector(
            .sha256, Array(1...25), repeated(0xcd, 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        Vector(
            .sha256, repeated(0xaa, 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        // RFC 2202, 3, cases 1, 2, 3, 6 and 7.
        Vector(.sha1, repeated(0x0b, 20), Array("Hi There".utf8), "b617318655057264e28bc0b6fb378c8ef146be00"),
        Vector(
            .sha1, Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        Vector(.sha1, repeated(0xaa, 20), repeated(0xdd, 50), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
        Vector(
            .sha1, repeated(0xaa, 80), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
        Vector(
            .sha1, repeated(0xaa, 80),
            Array("Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data".utf8),
            "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"),
    ]

    static func code(_ handle: KeyedHMAC.Handle, _ pieces: [[UInt8]]) -> String {
        var output = [UInt8](repeating: 0xEE, count: DigestAlgorithm.byteCountMax)
        handle.begin()
        for piece in pieces { with(piece) { handle.update($0) } }
        let count = handle.finish(into: &output)
        return hex(Array(output.prefix(count)))
    }

    @Test(
        "published vectors: the code is theirs, in one piece and byte by byte, and again with the same context",
        arguments: vectors)
    func publishedVectors(vector: Vector) throws {
        let hmac = try with(vector.key) { try KeyedHMAC(vector.algorithm, key: $0) }
        for _ in 0..<3 {
            #expect(Self.code(hmac.handle, [vector.message]) == vector.code)
            #expect(Self.code(hmac.handle, vector.message.map { [$0] }) == vector.code)
        }
        #expect(hmac.handle.byteCount == vector.code.count / 2)
    }

    @Test("one bit more in the message or the key: another code", arguments: vectors)
    func oneBit(vector: Vector) throws {
        var (message, key) = (vector.message, vector.key)
        message[message.count - 1] ^= 1
        let hmac = try with(key) { try KeyedHMAC(vector.algorithm, key: $0) }
        #expect(Self.code(hmac.handle, [message]) != vector.code)
        key[0] ^= 1
        let other = try with(key) { try KeyedHMAC(vector.algorithm, key: $0) }
        #expect(Self.code(other.handle, [vector.message]) != vector.code)
    }

    @Test("a message begun and dropped leaves no trace in the next")
    func abandonedMessage() throws {
        let vector = Self.vectors[1]
        let hmac = try with(vector.key) { try KeyedHMAC(.sha256, key: $0) }
        hmac.handle.begin()
        hmac.handle.update(ByteView("dropped"))
        #expect(Self.code(hmac.handle, [vector.message]) == vector.code)
    }

    @Test("an empty message has a code, and an empty piece changes nothing")
    func emptyMessage() throws {
        let hmac = try KeyedHMAC(.sha256, key: ByteView("k"))
        // printf '' | openssl dgst -sha256 -hmac k
        #expect(Self.code(hmac.handle, []) == "8bb990c40a7d61cb97597a942125025be50ac8beb74436e3735b98893a7f6620")
        #expect(Self.code(hmac.handle, []) == Self.code(hmac.handle, [[], []]))
    }

    @Test("finish without begin, or twice: no bytes, so nothing can be accepted")
    func finishWithoutBegin() throws {
        let hmac = try KeyedHMAC(.sha256, key: ByteView("k"))
        var output = [UInt8](repeating: 0, count: 32)
        #expect(hmac.handle.finish(into: &output) == 0)
        hmac.handle.begin()
        #expect(hmac.handle.finish(into: &output) == 32)
        hmac.handle.update(ByteView("late"))
        #expect(hmac.handle.finish(into: &output) == 0)
    }

    @Test("keys around the size of a block: shorter ones are filled up with zeros, longer ones are hashed", arguments: DigestAlgorithm.allCases)
    func blockSize(algorithm: DigestAlgorithm) throws {
        func code(_ key: [UInt8]) throws -> String {
            let hmac = try with(key) { try KeyedHMAC(algorithm, key: $0) }
            return Self.code(hmac.handle, [Array("message".utf8)])
        }
        let key = Array(UInt8(1)...63)
        #expect(try code(key) == code(key + [0]))
        #expect(try code(key + [0]) != code(key + [0, 0]))
        #expect(try code(key + [64]) != code(key + [64, 0]))
        // printf message | openssl dgst -sha256 -mac hmac -macopt hexkey:010203...40 (64 bytes), and ...4041 (65 bytes); with -sha1
        let expected = algorithm == .sha256
            ? ["2c0cad6f39bb306a50959b431754de20f89dd052f0f9ec9d01bea0a7c65a172d", "7a2d13317a634cfa226d4c0cc6bb3d920092720a07d209f346bffd8ef4a10fc6"]
            : ["b4beab2e97b73b11b1d15db90ad8f529aa3bcb34", "790f6dcd7d92905d5217cba34d03c0b1259cc179"]
        #expect(try [code(key + [64]), code(key + [64, 65])] == expected)
    }

    @Test("messages of 0 to 200 bytes: in two pieces the same as in one", arguments: DigestAlgorithm.allCases)
    func lengths(algorithm: DigestAlgorithm) throws {
        let hmac = try KeyedHMAC(algorithm, key: ByteView("secret"))
        var codes: Set<String> = []
        for count in 0...200 {
            let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            let whole = Self.code(hmac.handle, [message])
            #expect(Self.code(hmac.handle, [Array(message.prefix(count / 2)), Array(message.dropFirst(count / 2))]) == whole)
            codes.insert(whole)
        }
        #expect(codes.count == 201)
    }

    @Test("an empty secret is refused, a secret of one byte is not")
    func emptySecret() {
        #expect(throws: CryptoError("the HMAC secret is empty")) { try KeyedHMAC(.sha256, key: .empty) }
        #expect(throws: Never.self) { try KeyedHMAC(.sha256, key: ByteView("k")) }
    }
}
