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
            let nameStart = index
            index = WordScan.endOfToken(base, from: index, to: end)
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
            index = WordScan.endOfText(base, from: index, to: end)
            guard index < end else { return .incomplete }
            guard base[index] == Ascii.carriageReturn else {
                return .malformed(base[index] == Ascii.lineFeed ? .bareLineFeed : .fieldValueControl)
            }
            guard index &+ 1 < end else { return .incomplete }
            guard base[index &+ 1] == Ascii.lineFeed else { return .malformed(.bareCarriageReturn) }
            var valueEnd = index
            while valueEnd > valueStart, base[valueEnd &- 1].isBlank { valueEnd &-= 1 }
            index &+= 2

            guard count < capacity else { return .malformed(.tooManyFields) }
            guard nameEnd &- nameStart <= 0xFFFF else { return .malformed(.fieldNameTooLong) }
            let known = KnownField.recognise(base + nameStart, count: nameEnd &- nameStart)
            slots[count] = FieldSlot(
                name: HeadRange(start: nameStart, count: nameEnd &- nameStart),
                value: HeadRange(start: valueStart, count: valueEnd &- valueStart), known: known)
            count &+= 1
            twice |= present & known.bit
            present |= known.bit
        }
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
