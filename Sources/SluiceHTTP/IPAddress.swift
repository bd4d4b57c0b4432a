/// An IPv4 or IPv6 address in 16 bytes.
///
/// An IPv4 address is kept as the IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), so that the two spellings are one value. The
/// order is that of the 128-bit numbers; IPv4 addresses are together in it, in their own order.
@frozen
package struct IPAddress: BitwiseCopyable, Sendable, Hashable, Comparable {
    /// The first eight bytes of the IPv6 form, as a number.
    package let high: UInt64
    /// The last eight bytes.
    package let low: UInt64

    @usableFromInline static var mappedPrefix: UInt64 { 0xFFFF_0000_0000 }

    /// The address with these halves, as numbers; halves of a mapped address give an IPv4 address.
    @inlinable
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// An IPv4 address from a number: `0x7F000001` is 127.0.0.1.
    @inlinable
    package init(v4 number: UInt32) {
        self.init(high: 0, low: IPAddress.mappedPrefix | UInt64(number))
    }

    @inlinable
    package init(v4 a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        self.init(v4: UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d))
    }

    /// From the 4 or 16 bytes of an address in network order, as socket addresses hold them. Nil for another length.
    package init?(networkOrder bytes: ByteView) {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var index = 0
        while index < bytes.count {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(bytes.base[index])
            index += 1
        }
        switch bytes.count {
        case 4: self.init(v4: UInt32(truncatingIfNeeded: low))
        case 16: self.init(high: high, low: low)
        default: return nil
        }
    }

    @inlinable
    package var isV4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// The four bytes of an IPv4 address as a number; nil for IPv6.
    @inlinable
    package var v4: UInt32? { isV4 ? UInt32(truncatingIfNeeded: low) : nil }

    /// What one customer of a network is given at least: an IPv4 address, or an IPv6 network of 64 bits (RFC 6177), in which whoever has
    /// it can take any address.
    package var allotment: IPAddress { isV4 ? self : IPAddress(high: high, low: 0) }

    /// 127.0.0.0/8 or ::1.
    @inlinable
    package var isLoopback: Bool {
        isV4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1
    }

    @inlinable
    package static func < (one: IPAddress, other: IPAddress) -> Bool {
        one.high < other.high || one.high == other.high && one.low < other.low
    }
}
