import SluiceCrypto
import SluiceHTTP
import Testing

@Suite("Digest, comparison, random bytes")
struct DigestTests {
    static func hash(_ digest: Digest, _ message: [UInt8]) -> String {
        var output = [UInt8](repeating: 0, count: digest.handle.byteCount)
        guard with(message, { digest.handle.hash($0, into: &output) }) else { return "failed" }
        return hex(output)
    }

    @Test("FIPS 180-4 examples, again and again with one context")
    func published() throws {
        let (sha1, sha256) = (try Digest(.sha1), try Digest(.sha256))
        for _ in 0..<3 {
            #expect(Self.hash(sha1, Array("abc".utf8)) == "a9993e364706816aba3e25717850c26c9cd0d89d")
            #expect(
                Self.hash(sha256, Array("abc".utf8))
                    == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
            #expect(
                Self.hash(sha256, []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        }
    }

    @Test("comparison: equal bytes only, at any place of difference, and lengths count")
    func comparison() {
        let bytes = Array(UInt8(0)..<32)
        with(bytes) { left in
            for place in bytes.indices {
                var changed = bytes
                #expect(with(changed) { constantTimeEquals(left, $0) })
                changed[place] ^= 0x80
                #expect(!with(changed) { constantTimeEquals(left, $0) })
            }
            #expect(!constantTimeEquals(left, left[..<31]))
            #expect(!constantTimeEquals(left[..<31], left))
            #expect(!constantTimeEquals(left, .empty))
            #expect(constantTimeEquals(.empty, .empty))
        }
    }

    @Test("random: fills the whole buffer, differently each time, and takes an empty one")
    func random() throws {
        var first = [UInt8](repeating: 0, count: 64)
        var second = first
        try first.withUnsafeMutableBytes { try Random.fill($0) }
        try second.withUnsafeMutableBytes { try Random.fill($0) }
        #expect(first != second)
        #expect(first.suffix(16).contains { $0 != 0 })
        try Random.fill(UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }
}
