import SluiceHTTP

/// Writes a message head into memory of fixed size. What does not fit is not written, and `isComplete` then says so, so
/// that the callers check once at the end.
struct HeadWriter {
    let start: UnsafeMutablePointer<UInt8>
    private let capacity: Int
    private(set) var count = 0
    private(set) var isComplete = true
    /// Bytes that there still is room for.
    @inline(__always)
    var room: Int { capacity &- count }

    init(_ start: UnsafeMutablePointer<UInt8>, capacity: Int) {
        self.start = start
        self.capacity = capacity
    }

    @inline(__always)
    mutating func write(_ bytes: UnsafePointer<UInt8>, _ byteCount: Int) {
        guard byteCount <= capacity &- count else {
            isComplete = false
            return
        }
        // Not `update(from:count:)`, which first looks whether the two overlap.
        UnsafeMutableRawPointer(start + count).copyMemory(from: bytes, byteCount: byteCount)
        count &+= byteCount
    }

    @inline(__always)
    mutating func write(_ view: ByteView) { write(view.base, view.count) }

    @inline(__always)
    mutating func write(_ literal: StaticString) { write(literal.utf8Start, literal.utf8CodeUnitCount) }

    @inline(__always)
    mutating func write(byte: UInt8) {
        guard count < capacity else {
            isComplete = false
            return
        }
        start[count] = byte
        count &+= 1
    }

    mutating func write(decimal number: UInt64) {
        if number < 10 { return write(byte: 0x30 &+ UInt8(truncatingIfNeeded: number)) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = number
            var first = 20
            repeat {
                first -= 1
                digits[first] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            if let base = digits.baseAddress { write(base + first, 20 - first) }
        }
    }

    /// Takes back what was written behind the first `count` bytes.
    mutating func takeBack(to count: Int) { self.count = min(self.count, count) }

    /// Takes the next `byteCount` bytes for the caller to write, every one. Nil if they do not fit.
    @inline(__always)
    mutating func take(_ byteCount: Int) -> UnsafeMutablePointer<UInt8>? {
        guard byteCount <= capacity &- count else {
            isComplete = false
            return nil
        }
        defer { count &+= byteCount }
        return start + count
    }

    /// Writes lines, and an empty one, in the place of the empty line that ends the head.
    mutating func insertBeforeEnd(_ lines: StaticString) {
        guard isComplete, count >= 2 else { return }
        count &-= 2
        write(lines)
    }

    /// The text of an address (RFC 5952 for IPv6).
    mutating func write(_ address: IPAddress) {
        guard IPAddress.textBytesMax <= capacity - count else {
            isComplete = false
            return
        }
        count += address.write(into: start + count)
    }

    /// A field line with its CRLF. `name` includes the colon and the space.
    @inline(__always)
    mutating func writeField(_ name: StaticString, _ value: ByteView) {
        write(name)
        write(value)
        write("\r\n")
    }
}
