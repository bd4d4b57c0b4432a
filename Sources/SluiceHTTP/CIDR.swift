/// A block of addresses (RFC 4632; RFC 4291, 2.3).
///
/// An IPv6 block so wide that it holds `::ffff:0:0/96` holds every IPv4 address too, because that is where they are.
package struct CIDR: BitwiseCopyable, Sendable, Hashable, CustomStringConvertible {
    /// The lowest address of the block.
    package let first: IPAddress
    /// The highest address of the block.
    package let last: IPAddress
    /// As it was written: 0 to 32 for IPv4, 0 to 128 for IPv6.
    package let prefixCount: Int
    /// False if the address that was written has bits beyond the prefix, such as `10.1.2.3/8`: most likely a mistake.
    package let isCanonical: Bool

    /// Reads an address, or an address, a slash and a prefix length without leading zeros. A bare address is a block of one.
    package init?(_ text: ByteView) {
        var slash = 0
        while slash < text.count, text.base[slash] != Ascii.slash { slash += 1 }
        let written = text[..<slash]
        guard let address = IPAddress(written) else { return nil }
        // A mapped address in IPv6 spelling has a prefix length of the IPv6 kind.
        let isV4 = IPAddress.parseV4(written) != nil
        let bits = isV4 ? 32 : 128
        if slash == text.count {
            self.init(address: address, prefixCount: bits, isV4: isV4)
            return
        }
        let digits = text[(slash + 1)...]
        guard let prefix = digits.decimal(atMost: UInt64(bits)), digits.count == 1 || digits[0] != Ascii.zero else { return nil }
        self.init(address: address, prefixCount: Int(prefix), isV4: isV4)
    }

    package init?(_ text: String) {
        var text = text
        let block = text.withUTF8 { bytes in
            bytes.baseAddress.flatMap { CIDR(ByteView(base: $0, count: bytes.count)) }
        }
        guard let block else { return nil }
        self = block
    }

    private init(address: IPAddress, prefixCount: Int, isV4: Bool) {
        let hostBits = (isV4 ? 32 : 128) - prefixCount
        // A smart shift by 64 or more gives zero.
        let lowMask = ~(~UInt64(0) << UInt64(min(hostBits, 64)))
        let highMask = hostBits > 64 ? ~(~UInt64(0) << UInt64(hostBits - 64)) : 0
        first = IPAddress(high: address.high & ~highMask, low: address.low & ~lowMask)
        last = IPAddress(high: address.high | highMask, low: address.low | lowMask)
        self.prefixCount = prefixCount
        isCanonical = first == address
    }

    @inlinable
    package func contains(_ address: IPAddress) -> Bool { first <= address && address <= last }

    /// The block with the bits beyond the prefix cleared: what a configuration that is not canonical most likely means.
    /// Allocates: for problems and tests.
    package var description: String {
        // A mapped address is written as an IPv4 address, behind which a prefix of more than 32 bits would be none.
        "\(first.isV4 && prefixCount > 32 ? "::ffff:" : "")\(first)/\(prefixCount)"
    }
}
