import CByteScan

/// Field lines up to and including the empty line: the part that requests, responses and trailer sections share (RFC 9112, 5).
enum FieldSection {
    enum Outcome: BitwiseCopyable {
        /// The section is whole; it ends before this offset.
        case complete(end: Int)
        case incomplete
        case malformed(HeadFault)
    }

    /// Reads lines from `start`. `repeated` gets the bits of the known fields that have more than one line.
    static func parse(
        _ bytes: ByteView, from start: Int, into fields: inout FieldTable, repeated: inout UInt64
    ) -> Outcome {
        let base = bytes.base
        let end = bytes.count
        let slots = fields.slots
        let capacity = fields.capacity
        var count = 0
        var present: UInt64 = 0
        var twice: UInt64 = 0
        var index = start
        while true {
            if count < capacity, let line = plainLine(base, from: index, to: end) {
                let known = KnownField.recognise(base + index, count: line.nameCount)
                slots[count] = FieldSlot(
                    name: HeadRange(start: index, count: line.nameCount),
                    value: HeadRange(start: line.valueStart, count: line.valueEnd &- line.valueStart), known: known, isPlain: true)
                count &+= 1
                twice |= present & known.bit
                present |= known.bit
                index = line.valueEnd &+ 2
                continue
            }
            let nameStart = index
            index = ByteScan.endOfToken(base, from: index, to: end)
            guard index < end else { return .incomplete }
            guard base[index] == Ascii.colon, index > nameStart else {
                guard index == nameStart, base[index] == Ascii.carriageReturn else {
                    return .malformed(nameFault(base[index], isFirst: index == nameStart))
                }
                guard index &+ 1 < end else { return .incomplete }
                guard base[index &+ 1] == Ascii.lineFeed else { return .malformed(.bareCarriageReturn) }
                fields.count = count
                fields.present = present
                repeated = twice
                return .complete(end: index &+ 2)
            }
            let nameEnd = index
            index &+= 1
            while index < end, base[index].isBlank { index &+= 1 }
            let valueStart = index
            index = ByteScan.endOfText(base, from: index, to: end)
            guard index < end else { return .incomplete }
            guard base[index] == Ascii.carriageReturn else {
                return .malformed(base[index] == Ascii.lineFeed ? .bareLineFeed : .fieldValueControl)
            }
            guard index &+ 1 < end else { return .incomplete }
            guard base[index &+ 1] == Ascii.lineFeed else { return .malformed(.bareCarriageReturn) }
            var valueEnd = index
            while valueEnd > valueStart, base[valueEnd &- 1].isBlank { valueEnd &-= 1 }
            let isPlain = valueStart == nameEnd &+ 2 && base[nameEnd &+ 1] == Ascii.space && valueEnd == index
            index &+= 2

            guard count < capacity else { return .malformed(.tooManyFields) }
            guard nameEnd &- nameStart <= 0xFFFF else { return .malformed(.fieldNameTooLong) }
            let known = KnownField.recognise(base + nameStart, count: nameEnd &- nameStart)
            slots[count] = FieldSlot(
                name: HeadRange(start: nameStart, count: nameEnd &- nameStart),
                value: HeadRange(start: valueStart, count: valueEnd &- valueStart), known: known, isPlain: isPlain)
            count &+= 1
            twice |= present & known.bit
            present |= known.bit
        }
    }

    /// Where the parts of a line stand.
    private struct PlainLine: BitwiseCopyable {
        var nameCount: Int
        var valueStart: Int
        var valueEnd: Int
    }

    /// The line at `start` if it is of the kind that nearly all lines are: a name of at most fifteen letters and hyphens, a colon
    /// and one space, a value that neither is empty nor ends with a blank, CRLF. Nil for every other, valid or not, which `parse` then
    /// reads step by step: that takes twice the instructions (180 to 90), most of them for what cannot be the case here.
    @inline(__always)
    private static func plainLine(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> PlainLine? {
        // Sixteen bytes are looked at; a colon in the last of them has two bytes behind it.
        guard start &+ 18 <= end else { return nil }
        let others = sluice_non_name16(base + start)
        guard others > 1 else { return nil }
        let nameCount = others.trailingZeroBitCount
        let valueStart = start &+ nameCount &+ 2
        guard WordScan.pair(base, valueStart &- 2) == WordScan.pair(Ascii.colon, Ascii.space), base[valueStart] > Ascii.space
        else { return nil }
        let valueEnd = ByteScan.endOfText(base, from: valueStart, to: end)
        guard valueEnd &+ 2 <= end, WordScan.pair(base, valueEnd) == WordScan.pair(Ascii.carriageReturn, Ascii.lineFeed),
            base[valueEnd &- 1] > Ascii.space
        else { return nil }
        return PlainLine(nameCount: nameCount, valueStart: valueStart, valueEnd: valueEnd)
    }

    /// The rule that a line breaks whose name ends with `byte` instead of a colon.
    @inline(never)
    private static func nameFault(_ byte: UInt8, isFirst: Bool) -> HeadFault {
        switch byte {
        case Ascii.space, Ascii.tab: isFirst ? .obsoleteFolding : .spaceBeforeColon
        case Ascii.colon: .emptyFieldName
        case Ascii.lineFeed: .bareLineFeed
        default: .fieldName
        }
    }
}
