package import SluiceHTTP

/// Memory of the caller's that frames are written into: the answers that the protocol owes, and heads. The caller sends what is in it, in this order with
/// everything else that it sends, and begins anew.
package struct HTTP2Output: BitwiseCopyable {
    /// Bytes that must be free for a frame to be read: no frame asks for more in answers.
    package static let reserve = 128

    package let base: UnsafeMutablePointer<UInt8>
    package let capacity: Int
    /// Bytes that are written.
    package private(set) var count = 0

    package init(base: UnsafeMutablePointer<UInt8>, capacity: Int) {
        precondition(capacity >= 0)
        self.base = base
        self.capacity = capacity
    }

    @inline(__always)
    package var room: Int { capacity &- count }
    /// What is written.
    package var bytes: ByteView { ByteView(base: base, count: count) }
    /// Where the next byte goes.
    @inline(__always)
    var next: UnsafeMutablePointer<UInt8> { base + count }

    /// The bytes before this have been sent.
    package mutating func clear() { count = 0 }

    /// Whoever has written `bytes` at `next` says so: at most `room`.
    @inline(__always)
    mutating func add(_ bytes: Int) {
        precondition(bytes >= 0 && bytes <= room)
        count &+= bytes
    }

    /// A frame with a payload of one number.
    mutating func write(kind: UInt8, stream: UInt32, number: UInt32) {
        HTTP2Frame.writeHeader(length: 4, kind: kind, flags: 0, stream: stream, at: next)
        UnsafeMutableRawPointer(next + HTTP2Frame.headerBytes).storeBytes(of: number.bigEndian, as: UInt32.self)
        add(HTTP2Frame.headerBytes + 4)
    }

    /// A frame with a payload of eight bytes.
    mutating func write(kind: UInt8, flags: UInt8, eight: UInt64) {
        HTTP2Frame.writeHeader(length: 8, kind: kind, flags: flags, stream: 0, at: next)
        UnsafeMutableRawPointer(next + HTTP2Frame.headerBytes).storeBytes(of: eight.bigEndian, as: UInt64.self)
        add(HTTP2Frame.headerBytes + 8)
    }

    mutating func writeSettingsAcknowledgement() {
        HTTP2Frame.writeHeader(length: 0, kind: HTTP2Frame.Kind.settings, flags: HTTP2Frame.Flag.acknowledgement, stream: 0, at: next)
        add(HTTP2Frame.headerBytes)
    }

    mutating func writeSetting(_ identifier: UInt16, _ value: Int) {
        let place = UnsafeMutableRawPointer(next)
        place.storeBytes(of: identifier.bigEndian, as: UInt16.self)
        place.storeBytes(of: UInt32(truncatingIfNeeded: value).bigEndian, toByteOffset: 2, as: UInt32.self)
        add(6)
    }

    mutating func write(_ literal: StaticString) {
        next.update(from: literal.utf8Start, count: literal.utf8CodeUnitCount)
        add(literal.utf8CodeUnitCount)
    }
}
