import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// Random numbers for request and trace ids, one source per worker. Ids have to be distinct, not secret: the generator
/// (xoshiro256++) is seeded by the kernel and costs a few instructions.
struct RequestIDSource {
    /// Bytes of a request id: 128 bits in hexadecimal.
    static let byteCount = 32
    /// Longest id of a client's that is kept.
    static let givenBytesMax = 128

    private var state: (UInt64, UInt64, UInt64, UInt64)

    init() {
        var seed: (UInt64, UInt64, UInt64, UInt64) = (1, 2, 3, 4)
        // Without the kernel's numbers ids would repeat over restarts; the clock then tells the starts apart.
        withUnsafeMutableBytes(of: &seed) { bytes in
            do { try Random.fill(bytes) } catch { bytes.storeBytes(of: Clock.wallNanoseconds(), as: UInt64.self) }
        }
        state = seed
    }

    @inline(__always)
    mutating func next() -> UInt64 {
        let result = Self.rotate(state.0 &+ state.3, 23) &+ state.0
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = Self.rotate(state.3, 45)
        return result
    }

    /// Writes a new id of `byteCount` bytes, which is never all zero: a trace id must not be (W3C Trace Context, 3.2.2.3).
    mutating func write(into memory: UnsafeMutablePointer<UInt8>) {
        Hexadecimal.write(next() | 1, into: memory)
        Hexadecimal.write(next(), into: memory + Hexadecimal.digitCount)
    }

    /// Whether a client's id may go into logs and fields as it is: 1 to 128 of the letters, digits and marks that ids are made of.
    static func isAcceptable(_ id: ByteView) -> Bool {
        guard 1...givenBytesMax ~= id.count else { return false }
        for index in 0..<id.count {
            switch id[index] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: ":"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="):
                continue
            default: return false
            }
        }
        return true
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 { value << bits | value >> (64 - bits) }
}
