import CByteScan

/// Field lines up to and including the empty line: the part that requests, responses and trailer sections share (RFC 9112, 5).
enum FieldSection {
    enum Outcome: BitwiseCopyable {
        /// The section is whole; it ends before this offset.
        case complete(end: Int)
        case incomplete
        case malformed(HeadFault)
    }

    /// Where the parts of a line stand.
    private struct Line: BitwiseCopyable {
        var nameCount: Int
        var valueStart: Int
        var valueEnd: Int
        /// Where the line behind it begins.
        var next: Int
        /// See `FieldSlot.isPlain`.
        var isPlain: Bool
        /// See `KnownField.unusual`.
        var isUnusual: Bool
    }

    private enum LineOutcome: BitwiseCopyable {
        case line(Line)
        /// There is no line: not yet, or not a valid one.
        case none(Outcome)
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
            let line: Line
            if let plain = plainLine(base, from: index, to: end) {
                line = plain
            } else if index &+ 2 <= end, WordScan.pair(base, index) == WordScan.lineEnd {
                fields.count = count
                fields.present = present
                repeated = twice
                return .complete(end: index &+ 2)
            } else {
                switch anyLine(base, from: index, to: end) {
                case .line(let read):
                    guard read.isUnusual else {
                        line = read
                        break
                    }
                    guard count < capacity else { return .malformed(.tooManyFields) }
                    guard read.nameCount <= 0xFFFF else { return .malformed(.fieldNameTooLong) }
                    slots[count] = slot(read, at: index, .unusual)
                    count &+= 1
                    twice |= present & KnownField.unusual.bit
                    present |= KnownField.unusual.bit
                    index = read.next
                    continue
                case .none(let outcome): return outcome
                }
            }
            guard count < capacity else { return .malformed(.tooManyFields) }
            guard line.nameCount <= 0xFFFF else { return .malformed(.fieldNameTooLong) }
            let known = KnownField.recognise(base + index, count: line.nameCount)
            slots[count] = slot(line, at: index, known)
            count &+= 1
            twice |= present & known.bit
            present |= known.bit
            index = line.next
        }
    }

    @inline(__always)
    private static func slot(_ line: Line, at start: Int, _ known: KnownField) -> FieldSlot {
        FieldSlot(
            name: HeadRange(start: start, count: line.nameCount),
            value: HeadRange(start: line.valueStart, count: line.valueEnd &- line.valueStart), known: known, isPlain: line.isPlain)
    }

    /// The line at `start` if it is of the kind that nearly all lines are: a name of at most fifteen letters, digits and hyphens, a colon
    /// and one space, a value that neither is empty nor ends with a blank, CRLF. Nil for every other, valid or not: `anyLine`
    /// reads it step by step, which takes twice the instructions, most of them for what cannot be the case here.
    @inline(__always)
    private static func plainLine(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Line? {
        // Sixteen bytes are looked at; a colon in the last of them has two bytes behind it.
        guard start &+ 18 <= end else { return nil }
        // 32 if all of them belong to names.
        let nameCount = sluice_non_name16(base + start).trailingZeroBitCount
        guard nameCount > 0, nameCount < 16 else { return nil }
        let valueStart = start &+ nameCount &+ 2
        guard WordScan.pair(base, valueStart &- 2) == WordScan.pair(Ascii.colon, Ascii.space), base[valueStart] > Ascii.space
        else { return nil }
        let valueEnd = ByteScan.endOfText(base, from: valueStart, to: end)
        guard valueEnd &+ 2 <= end, WordScan.pair(base, valueEnd) == WordScan.lineEnd,
            base[valueEnd &- 1] > Ascii.space
        else { return nil }
        return Line(
            nameCount: nameCount, valueStart: valueStart, valueEnd: valueEnd, next: valueEnd &+ 2, isPlain: true, isUnusual: false)
    }

    /// The line at `start`, or what is wrong. The end of the section, if it has come whole, does not stand there.
    @inline(never)
    private static func anyLine(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> LineOutcome {
        let usualEnd = ByteScan.endOfUsualName(base, from: start, to: end)
        guard usualEnd < end else { return .none(.incomplete) }
        let isUnusual = base[usualEnd] != Ascii.colon
        let nameEnd = isUnusual ? ByteScan.endOfToken(base, from: usualEnd, to: end) : usualEnd
        guard nameEnd < end else { return .none(.incomplete) }
        guard base[nameEnd] == Ascii.colon, nameEnd > start else {
            guard nameEnd == start, base[start] == Ascii.carriageReturn else {
                return .none(.malformed(nameFault(base[nameEnd], isFirst: nameEnd == start)))
            }
            return .none(start &+ 1 < end ? .malformed(.bareCarriageReturn) : .incomplete)
        }
        var valueStart = nameEnd &+ 1
        while valueStart < end, base[valueStart].isBlank { valueStart &+= 1 }
        let lineEnd = ByteScan.endOfText(base, from: valueStart, to: end)
        guard lineEnd < end else { return .none(.incomplete) }
        guard base[lineEnd] == Ascii.carriageReturn else {
            return .none(.malformed(base[lineEnd] == Ascii.lineFeed ? .bareLineFeed : .fieldValueControl))
        }
        guard lineEnd &+ 1 < end else { return .none(.incomplete) }
        guard base[lineEnd &+ 1] == Ascii.lineFeed else { return .none(.malformed(.bareCarriageReturn)) }
        var valueEnd = lineEnd
        while valueEnd > valueStart, base[valueEnd &- 1].isBlank { valueEnd &-= 1 }
        let isPlain = valueStart == nameEnd &+ 2 && base[nameEnd &+ 1] == Ascii.space && valueEnd == lineEnd
        return .line(Line(
            nameCount: nameEnd &- start, valueStart: valueStart, valueEnd: valueEnd, next: lineEnd &+ 2, isPlain: isPlain,
            isUnusual: isUnusual))
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
