extension IPAddress: CustomStringConvertible {
    /// The longest canonical text: eight groups of four digits.
    @inlinable
    package static var textBytesMax: Int { 39 }

    /// Reads an address: IPv4 as four decimal numbers without leading zeros, IPv6 as RFC 4291, 2.2 writes it, without zone or
    /// brackets. Nil for anything else.
    package init?(_ text: ByteView) {
        var index = 0
        while index < text.count, text.base[index] != Ascii.colon { index &+= 1 }
        guard let address = index < text.count ? IPAddress.parseV6(text) : IPAddress.parseV4(text).map({ IPAddress(v4: $0) }) else {
            return nil
        }
        self = address
    }

    package init?(_ text: String) {
        var text = text
        let address = text.withUTF8 { bytes in
            bytes.baseAddress.flatMap { IPAddress(ByteView(base: $0, count: bytes.count)) }
        }
        guard let address else { return nil }
        self = address
    }

    static func parseV4(_ text: ByteView) -> UInt32? {
        var number: UInt32 = 0
        var index = 0
        var part = 0
        while part < 4 {
            let start = index
            var value: UInt32 = 0
            while index < text.count, text.base[index].isDigit, index &- start < 3 {
                value = value &* 10 &+ UInt32(text.base[index] &- Ascii.zero)
                index &+= 1
            }
            let digits = index &- start
            guard digits > 0, value <= 255, digits == 1 || text.base[start] != Ascii.zero else { return nil }
            number = number &<< 8 | value
            part &+= 1
            if part < 4 {
                guard index < text.count, text.base[index] == Ascii.dot else { return nil }
                index &+= 1
            }
        }
        return index == text.count ? number : nil
    }

    static func parseV6(_ text: ByteView) -> IPAddress? {
        // Groups before `::` are shifted into `head`, those after it into `tail`.
        var head = Groups()
        var tail = Groups()
        var hasGap = false
        var index = 0
        if text.count >= 2, text.base[0] == Ascii.colon {
            guard text.base[1] == Ascii.colon else { return nil }
            hasGap = true
            index = 2
        }
        while index < text.count {
            let start = index
            var value: UInt64 = 0
            while index < text.count, index &- start < 4, text.base[index].hexValue < 16 {
                value = value &<< 4 | UInt64(text.base[index].hexValue)
                index &+= 1
            }
            guard index > start, head.count &+ tail.count < 8 else { return nil }
            if index < text.count, text.base[index] == Ascii.dot {
                guard head.count &+ tail.count <= 6, let v4 = parseV4(text[start...]) else { return nil }
                hasGap ? tail.add(UInt64(v4 >> 16)) : head.add(UInt64(v4 >> 16))
                hasGap ? tail.add(UInt64(v4 & 0xFFFF)) : head.add(UInt64(v4 & 0xFFFF))
                break
            }
            hasGap ? tail.add(value) : head.add(value)
            if index == text.count { break }
            guard text.base[index] == Ascii.colon, index &+ 1 < text.count else { return nil }
            index &+= 1
            if text.base[index] == Ascii.colon {
                guard !hasGap else { return nil }
                hasGap = true
                index &+= 1
            }
        }
        // `::` stands for at least one group.
        let missing = 8 &- head.count &- tail.count
        guard hasGap ? missing >= 1 : missing == 0 else { return nil }
        while head.count < 8 { head.add(0) }
        return IPAddress(high: head.high | tail.high, low: head.low | tail.low)
    }

    /// Up to eight groups of 16 bits, the last one lowest.
    private struct Groups: BitwiseCopyable {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var count = 0

        mutating func add(_ group: UInt64) {
            high = high &<< 16 | low &>> 48
            low = low &<< 16 | group
            count &+= 1
        }
    }

    /// Writes the canonical text (RFC 5952; IPv4 with dots) and returns its length. There is room for `textBytesMax` bytes.
    package func write(into out: UnsafeMutablePointer<UInt8>) -> Int {
        var position = 0
        if let v4 {
            var rest = v4.byteSwapped
            for _ in 0..<4 {
                IPAddress.write(decimal: UInt8(truncatingIfNeeded: rest), into: out, at: &position)
                out[position] = Ascii.dot
                position &+= 1
                rest &>>= 8
            }
            // Without the last dot.
            return position &- 1
        }
        let gap = longestZeroRun
        var index = 0
        while index < 8 {
            if index == gap.lowerBound, !gap.isEmpty {
                out[position] = Ascii.colon
                out[position + 1] = Ascii.colon
                position += 2
                index = gap.upperBound
                continue
            }
            if index > 0, index != gap.upperBound || gap.isEmpty {
                out[position] = Ascii.colon
                position += 1
            }
            IPAddress.write(hexadecimal: group(index), into: out, at: &position)
            index += 1
        }
        return position
    }

    /// The canonical text. Allocates: for logs, errors and tests, never per request.
    package var description: String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: IPAddress.textBytesMax) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            return ByteView(base: base, count: write(into: base)).string
        }
    }

    private func group(_ index: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - index % 4 * 16))
    }

    /// The first of the longest runs of at least two zero groups (RFC 5952, 4.2); empty if there is none.
    private var longestZeroRun: Range<Int> {
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, group(end) == 0 { end += 1 }
            if end - start >= 2, end - start > best.count { best = start..<end }
            start = end + 1
        }
        return best
    }

    @inline(__always)
    private static func write(decimal value: UInt8, into out: UnsafeMutablePointer<UInt8>, at position: inout Int) {
        if value >= 10 {
            if value >= 100 {
                out[position] = Ascii.zero &+ value / 100
                position &+= 1
            }
            out[position] = Ascii.zero &+ value / 10 % 10
            position &+= 1
        }
        out[position] = Ascii.zero &+ value % 10
        position &+= 1
    }

    private static func write(hexadecimal value: UInt16, into out: UnsafeMutablePointer<UInt8>, at position: inout Int) {
        var shift: UInt16 = 12
        while shift > 0, value >> shift == 0 { shift -= 4 }
        while true {
            let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
            out[position] = digit < 10 ? Ascii.zero + digit : 0x57 + digit
            position += 1
            if shift == 0 { return }
            shift -= 4
        }
    }
}
