import SluiceCrypto
import SluiceHTTP

/// The key by which a client of WebSocket over HTTP/1.1 knows that its service speaks WebSocket (RFC 6455, 1.3): 16 bytes in base64. It is no secret.
enum WebSocketKey {
    /// Bytes of a key's text.
    static let byteCount = 24
    private static let valueBytes = 16

    /// Writes the key that is made of 16 bytes of `seed`, which are random.
    static func write(_ seed: ByteView, into text: UnsafeMutablePointer<UInt8>) {
        _ = Base64.encode(seed[..<valueBytes], into: text)
    }

    /// Whether this is what a service answers to that key. Allocates: upgrades are rare.
    static func isConfirmed(_ seed: ByteView, by answer: ByteView) -> Bool {
        let suffix: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        guard let digest = try? Digest(.sha1) else { return false }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { memory in
            guard let text = memory.baseAddress else { return false }
            write(seed, into: text)
            (text + byteCount).update(from: suffix.utf8Start, count: suffix.utf8CodeUnitCount)
            let code = text + 64
            guard digest.handle.hash(ByteView(base: text, count: byteCount + suffix.utf8CodeUnitCount), into: code) else { return false }
            let expected = code + DigestAlgorithm.byteCountMax
            let count = Base64.encode(ByteView(base: code, count: digest.handle.byteCount), into: expected)
            return ByteView(base: expected, count: count).equals(answer)
        }
    }
}
