import SluiceHTTP

/// Decodes blocks of fields (RFC 7541), which may be cut at any byte: what is under way is kept, decoded, in the caller's memory, and nothing
/// that is still encoded but for the bits of one symbol.
struct HPACKDecoder: BitwiseCopyable {
    private enum Step: UInt8, BitwiseCopyable {
        /// At the first byte of a representation.
        case start
        /// Within its integer.
        case index
        /// At the first byte of the name's or value's length, within it, within the bytes.
        case nameLength, nameLengthRest, name, valueLength, valueLengthRest, value
    }

    private enum Representation: UInt8, BitwiseCopyable {
        case indexed, indexing, literal, sizeUpdate
    }

    /// Bytes of the table that every endpoint begins with (RFC 9113, 6.5.2).
    static let initialTableBytes = 4_096

    private(set) var table: HPACKDynamicTable
    private let tables: UnsafePointer<HPACKTables>

    private var step = Step.start
    private var representation = Representation.indexed
    private var kind = FieldKind.plain
    private var isHuffman = false
    /// Whether a field of the block has come: a change of the table's size may not, then (RFC 7541, 4.2).
    private var hasField = false
    /// The most that the peer may set the table to.
    private var maximum: Int
    /// The table was allowed less than it has: the next block must begin by saying so (RFC 7541, 4.2).
    private var owesSizeUpdate = false
    /// Of the integer that is being read, its bits so far and how many the next byte's are shifted by.
    private var integer: UInt32 = 0
    private var shift: UInt8 = 0
    /// Encoded bytes of the string that are to come.
    private var left = 0
    private var nameCount = 0
    private var valueCount = 0
    private var rest = HuffmanCode.Rest()

    /// - Parameter maximum: bytes of the table, as RFC 7541, 4.1 counts them.
    init(maximum: Int, tables: UnsafePointer<HPACKTables>) {
        // A larger one has to be taken into use by a change of size first (RFC 7541, 4.2).
        table = HPACKDynamicTable(maximum: min(maximum, Self.initialTableBytes))
        self.maximum = min(maximum, HPACKDynamicTable.maximumLimit)
        self.tables = tables
    }

    mutating func deallocate() { table.deallocate() }

    /// Gives back what the table does not need now.
    mutating func trim() { table.trim() }

    /// The peer knows from now on that its table may have this many bytes.
    mutating func allow(_ bytes: Int) {
        maximum = min(bytes, HPACKDynamicTable.maximumLimit)
        owesSizeUpdate = maximum < table.maximum
    }

    /// Decodes a piece of a block, all of it.
    ///
    /// - Returns: what ends the connection, or nil.
    mutating func decode(_ input: UnsafePointer<UInt8>, count: Int, into head: inout HeadAssembly) -> HTTP2Reason? {
        var at = 0
        while at < count {
            let reason: HTTP2Reason?
            switch step {
            case .start:
                let byte = input[at]
                at &+= 1
                reason = byte >= 0x80 && byte < 0xFF ? addIndexed(Int(byte & 0x7F), &head) : beginOther(byte, &head)
            case .nameLength, .valueLength:
                let byte = input[at]
                at &+= 1
                isHuffman = byte & 0x80 != 0
                integer = UInt32(byte & 0x7F)
                shift = 0
                if integer == 0x7F {
                    step = step == .nameLength ? .nameLengthRest : .valueLengthRest
                    reason = nil
                } else {
                    reason = beginString(&head)
                }
            case .index, .nameLengthRest, .valueLengthRest:
                let byte = input[at]
                at &+= 1
                reason = addToInteger(byte, &head)
            case .name, .value:
                let outcome = decodeString(input + at, count: min(left, count &- at), &head)
                at &+= outcome.used
                reason = outcome.reason
            }
            if let reason { return reason }
        }
        return nil
    }

    /// The block has ended. What it was cut off in is no field.
    mutating func endBlock() -> HTTP2Reason? {
        guard step == .start, !owesSizeUpdate else { return .compression }
        hasField = false
        return nil
    }

    // MARK: representations

    /// A field that is in a table whole (RFC 7541, 6.1).
    @inline(__always)
    private mutating func addIndexed(_ index: Int, _ head: inout HeadAssembly) -> HTTP2Reason? {
        head.beginField()
        guard let field = copyName(index, withValue: true, &head) else { return .compression }
        head.append(0x0D, 0x0A)
        hasField = true
        return head.endField(field.kind, nameCount: field.nameCount, valueCount: field.valueCount)
    }

    /// Copies what the table has at `index` behind what is there, up to and with the blank, or with the value.
    @inline(__always)
    private func copyName(
        _ index: Int, withValue: Bool, _ head: inout HeadAssembly
    ) -> (nameCount: Int, valueCount: Int, kind: FieldKind)? {
        guard !owesSizeUpdate else { return nil }
        if index > HPACKStaticTable.count {
            guard let found = table.entry(index &- HPACKStaticTable.count &- 1) else { return nil }
            let nameCount = Int(found.entry.nameCount)
            head.append(found.text, count: nameCount &+ 2 &+ (withValue ? Int(found.entry.valueCount) : 0))
            return (nameCount, Int(found.entry.valueCount), found.entry.kind)
        }
        guard index > 0 else { return nil }
        let entry = tables.pointee.fields.entry(index)
        head.append(entry.text, count: Int(entry.nameCount) &+ 2 &+ (withValue ? Int(entry.valueCount) : 0))
        return (Int(entry.nameCount), Int(entry.valueCount), entry.kind)
    }

    private mutating func beginOther(_ byte: UInt8, _ head: inout HeadAssembly) -> HTTP2Reason? {
        let prefix: UInt8
        if byte >= 0x80 {
            representation = .indexed
            prefix = 0x7F
        } else if byte >= 0x40 {
            representation = .indexing
            prefix = 0x3F
        } else if byte >= 0x20 {
            representation = .sizeUpdate
            prefix = 0x1F
        } else {
            representation = .literal
            prefix = 0x0F
        }
        integer = UInt32(byte & prefix)
        shift = 0
        if integer == UInt32(prefix) {
            step = .index
            return nil
        }
        return endIndex(&head)
    }

    /// Adds the next byte of an integer of several (RFC 7541, 5.1). More than four behind the prefix are more than anybody needs.
    private mutating func addToInteger(_ byte: UInt8, _ head: inout HeadAssembly) -> HTTP2Reason? {
        guard shift < 28 else { return .compression }
        integer &+= UInt32(byte & 0x7F) &<< UInt32(shift)
        shift &+= 7
        guard byte & 0x80 == 0 else { return nil }
        return step == .index ? endIndex(&head) : beginString(&head)
    }

    /// The integer of the representation is whole.
    private mutating func endIndex(_ head: inout HeadAssembly) -> HTTP2Reason? {
        let index = Int(integer)
        switch representation {
        case .indexed:
            step = .start
            return addIndexed(index, &head)
        case .sizeUpdate:
            guard !hasField, index <= maximum else { return .compression }
            table.setMaximum(index)
            owesSizeUpdate = false
            step = .start
            // It costs its sender a byte: without being counted, a block could hold any number.
            return head.charge()
        case .indexing, .literal:
            guard !owesSizeUpdate else { return .compression }
            hasField = true
            head.beginField()
            nameCount = 0
            valueCount = 0
            if index == 0 {
                step = .nameLength
            } else {
                guard let name = copyName(index, withValue: false, &head) else { return .compression }
                nameCount = name.nameCount
                kind = name.kind == .malformedValue ? .plain : name.kind
                step = .valueLength
            }
            return nil
        }
    }

    // MARK: strings

    /// The length of a string is known.
    private mutating func beginString(_ head: inout HeadAssembly) -> HTTP2Reason? {
        left = Int(integer)
        rest = HuffmanCode.Rest()
        step = step == .nameLength || step == .nameLengthRest ? .name : .value
        return left == 0 ? endString(&head) : nil
    }

    private mutating func decodeString(
        _ input: UnsafePointer<UInt8>, count: Int, _ head: inout HeadAssembly
    ) -> (used: Int, reason: HTTP2Reason?) {
        var used = 0
        var written = 0
        if isHuffman {
            while true {
                let room = head.room
                let outcome = tables.pointee.huffman.decode(
                    input + used, count: count &- used, rest: &rest, into: head.memory + head.count, room: room)
                guard !outcome.isMalformed else { return (count, .compression) }
                used &+= outcome.used
                written &+= outcome.written
                head.count &+= outcome.written
                if outcome.written < room { break }
                head.overflow(1)
            }
        } else {
            head.append(input, count: count)
            used = count
            written = count
        }
        if step == .name { nameCount &+= written } else { valueCount &+= written }
        left &-= used
        return (used, left == 0 ? endString(&head) : nil)
    }

    /// A name or value is whole.
    private mutating func endString(_ head: inout HeadAssembly) -> HTTP2Reason? {
        guard rest.isPadding else { return .compression }
        if step == .name {
            kind = head.isUnstorable ? .plain : FieldKind(
                name: head.memory + head.fieldStart, count: nameCount, readable: head.readable(from: head.memory + head.fieldStart))
            head.append(0x3A, 0x20)
            step = .valueLength
            return nil
        }
        head.append(0x0D, 0x0A)
        step = .start
        if kind == .plain, !head.isUnstorable {
            let value = head.memory + (head.fieldStart &+ nameCount &+ 2)
            if !FieldBytes.isValue(value, count: valueCount, readable: head.readable(from: value)) { kind = .malformedValue }
        }
        if representation == .indexing {
            // What has not been kept cannot be put in. It may be too large for the table anyway, which it empties then.
            guard !head.isUnstorable || nameCount &+ valueCount &+ HPACKDynamicTable.overhead > table.maximum else { return .headTooLong }
            table.insert(head.memory + head.fieldStart, nameCount: nameCount, valueCount: valueCount, kind: kind)
        }
        return head.endField(kind, nameCount: nameCount, valueCount: valueCount)
    }
}
