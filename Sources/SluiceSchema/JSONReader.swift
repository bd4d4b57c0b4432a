import SluiceHTTP

/// Reads a text as one document of JSON, strictly by RFC 8259: UTF-8 without a mark in front, no surrogate alone, no name twice in an object.
///
/// One pass over the text, without recursion: nesting takes a place in a fixed stack. The names of an object are compared when it ends: those of a small one by
/// pairs of their hashes, those of a large one in a table under a secret, so that no body makes it quadratic.
struct JSONReader {
    private let base: UnsafePointer<UInt8>
    private let end: Int
    private let memory: UnsafeMutablePointer<JSONMemory.State>
    private let entries: UnsafeMutablePointer<JSONEntry>
    private let capacity: Int
    private let hash = JSONHash()
    private var at = 0
    private var count = 0
    private var fault = JSONFault.malformed

    /// Members of an object whose names are compared by pairs.
    private static let pairedMembers = 16

    /// The index of the text in the memory, valid until the memory reads another; or what is wrong.
    static func read(_ text: ByteView, into memory: JSONMemory.Handle) -> Result<JSONIndex, Refused> {
        guard text.count <= JSONMemory.textBytesMax else { return .failure(Refused(fault: .noMemory)) }
        var reader = JSONReader(text, memory)
        guard reader.readDocument() else { return .failure(Refused(fault: reader.fault)) }
        return .success(JSONIndex(text: text.base, entries: UnsafePointer(reader.entries), count: reader.count))
    }

    struct Refused: Error { let fault: JSONFault }

    private init(_ text: ByteView, _ memory: JSONMemory.Handle) {
        base = text.base
        end = text.count
        self.memory = memory.state
        memory.state.pointee.longest = max(memory.state.pointee.longest, text.count)
        // Every entry takes two bytes of the text, but for arrays and objects that have not ended.
        capacity = text.count / 2 + JSONMemory.depthMax + 2
        entries = memory.state.pointee.entries.reserve(capacity)
    }

    private mutating func refuse(_ fault: JSONFault) -> Bool {
        self.fault = fault
        return false
    }

    @inline(__always)
    private mutating func append(_ entry: JSONEntry) {
        // What comes from outside may never write beyond the memory, whatever the sum above says.
        precondition(count < capacity)
        (entries + count).initialize(to: entry)
        count &+= 1
    }

    @inline(__always)
    private mutating func skipSpace() {
        while at < end {
            switch base[at] {
            case 0x20, 0x0A, 0x0D, 0x09: at &+= 1
            default: return
            }
        }
    }

    // MARK: Values

    private mutating func readDocument() -> Bool {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: JSONMemory.depthMax) { stack in
            guard let open = stack.baseAddress else { return false }
            return readValues(open)
        }
    }

    /// - Parameter open: the entries of the arrays and objects that have not ended.
    private mutating func readValues(_ open: UnsafeMutablePointer<UInt32>) -> Bool {
        var depth = 0
        while true {
            skipSpace()
            guard at < end else { return false }
            let byte = base[at]
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard depth < JSONMemory.depthMax else { return refuse(.tooDeep) }
                open[depth] = UInt32(truncatingIfNeeded: count)
                depth &+= 1
                let isObject = byte == UInt8(ascii: "{")
                append(JSONEntry(offset: UInt32(truncatingIfNeeded: at), count: 0, next: 0, kind: isObject ? .object : .array, traits: []))
                at &+= 1
                skipSpace()
                guard at < end else { return false }
                if base[at] == byte &+ 2 {
                    at &+= 1
                    depth &-= 1
                    entries[Int(open[depth])].next = UInt32(truncatingIfNeeded: count)
                    break
                }
                if isObject, !readName() { return false }
                continue
            case UInt8(ascii: "\""):
                guard readString() else { return false }
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                guard readNumber() else { return false }
            case UInt8(ascii: "t"):
                guard readWord("true", .boolean, .isTrue) else { return false }
            case UInt8(ascii: "f"):
                guard readWord("false", .boolean, []) else { return false }
            case UInt8(ascii: "n"):
                guard readWord("null", .null, []) else { return false }
            default: return false
            }
            // Behind a value: another one, or the ends of what it is in.
            while true {
                skipSpace()
                guard depth > 0 else { return at == end }
                guard at < end else { return false }
                let container = Int(open[depth &- 1])
                entries[container].count &+= 1
                let isObject = entries[container].kind == .object
                let byte = base[at]
                at &+= 1
                if byte == UInt8(ascii: ",") {
                    if isObject {
                        skipSpace()
                        guard readName() else { return false }
                    }
                    break
                }
                guard byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
                entries[container].next = UInt32(truncatingIfNeeded: count)
                if isObject, !hasNamesOnce(container) { return refuse(.duplicateName) }
                depth &-= 1
            }
        }
    }

    private mutating func readWord(_ word: StaticString, _ kind: JSONEntry.Kinds, _ traits: JSONEntry.Traits) -> Bool {
        let length = word.utf8CodeUnitCount
        guard length <= end &- at else { return false }
        for index in 0..<length where base[at &+ index] != word.utf8Start[index] { return false }
        append(JSONEntry(
            offset: UInt32(truncatingIfNeeded: at), count: UInt32(truncatingIfNeeded: length), next: UInt32(truncatingIfNeeded: count &+ 1), kind: kind,
            traits: traits))
        at &+= length
        return true
    }

    private mutating func readNumber() -> Bool {
        let start = at
        guard let number = JSONNumberText(base, from: start, to: end) else { return false }
        guard !number.isOutOfRange else { return refuse(.numberOutOfRange) }
        at = number.end
        append(JSONEntry(
            offset: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: at &- start), next: UInt32(truncatingIfNeeded: count &+ 1),
            kind: number.isInteger ? .integer : .fraction, traits: []))
        return true
    }

    private mutating func readString() -> Bool {
        guard let (start, length, traits) = scanString() else { return false }
        append(JSONEntry(
            offset: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: length), next: UInt32(truncatingIfNeeded: count &+ 1), kind: .string,
            traits: traits))
        return true
    }

    /// A member's name and the colon behind it.
    private mutating func readName() -> Bool {
        guard at < end, base[at] == UInt8(ascii: "\"") else { return false }
        guard let (start, length, traits) = scanString() else { return false }
        let hashed: UInt64
        if traits.contains(.isEscaped) {
            let name = JSONString.decode(ByteView(base: base + start, count: length), into: &memory.pointee.text)
            hashed = hash.hash(name.base, name.count)
        } else {
            hashed = hash.hash(base + start, length)
        }
        append(JSONEntry(
            offset: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: length), next: UInt32(truncatingIfNeeded: hashed), kind: .string,
            traits: traits))
        skipSpace()
        guard at < end, base[at] == UInt8(ascii: ":") else { return false }
        at &+= 1
        return true
    }

    /// A string from its first quotation mark to behind its last.
    @inline(__always)
    private mutating func scanString() -> (start: Int, length: Int, traits: JSONEntry.Traits)? {
        let start = at &+ 1
        var place = start
        var traits: JSONEntry.Traits = []
        while true {
            place = JSONScan.endOfPlain(base, from: place, to: end)
            guard place < end else { return nil }
            switch base[place] {
            case UInt8(ascii: "\""):
                at = place &+ 1
                return (start, place &- start, traits)
            case UInt8(ascii: "\\"):
                let length = JSONString.escapeBytes(base, at: place, end: end)
                guard length > 0 else { return nil }
                traits.insert(.isEscaped)
                // What it stands for may be beyond ASCII.
                if length > 2 { traits.insert(.isWide) }
                place &+= length
            case 0x80...:
                traits.insert(.isWide)
                repeat {
                    let length = JSONString.characterBytes(base, at: place, end: end)
                    guard length > 0 else { return nil }
                    place &+= length
                } while place < end && base[place] >= 0x80
            default: return nil
            }
        }
    }

    // MARK: Names

    /// Whether no name stands twice in the object, whose entries are all there.
    @inline(__always)
    private mutating func hasNamesOnce(_ object: Int) -> Bool {
        let members = Int(entries[object].count)
        guard members > 1 else { return true }
        return members <= Self.pairedMembers ? hasNamesOnceByPairs(object, members) : hasNamesOnceByTable(object, members)
    }

    private mutating func hasNamesOnceByPairs(_ object: Int, _ members: Int) -> Bool {
        let names = memory.pointee.slots.reserve(2 * Self.pairedMembers)
        let hashes = names + Self.pairedMembers
        var name = object &+ 1
        for index in 0..<members {
            let hash = entries[name].next
            for other in 0..<index where hashes[other] == hash {
                if isSameName(Int(names[other]), name) { return false }
            }
            names[index] = UInt32(truncatingIfNeeded: name)
            hashes[index] = hash
            name = Int(entries[name &+ 1].next)
        }
        return true
    }

    @inline(never)
    private mutating func hasNamesOnceByTable(_ object: Int, _ members: Int) -> Bool {
        let slotCount = 1 << (Int.bitWidth - (2 &* members &- 1).leadingZeroBitCount)
        let slots = memory.pointee.slots.reserve(slotCount)
        slots.update(repeating: 0, count: slotCount)
        let mask = slotCount &- 1
        var name = object &+ 1
        for _ in 0..<members {
            let hash = entries[name].next
            var slot = Int(hash) & mask
            // Entry 0 is the document itself, never a name.
            while slots[slot] != 0 {
                let other = Int(slots[slot])
                if entries[other].next == hash, isSameName(other, name) { return false }
                slot = (slot &+ 1) & mask
            }
            slots[slot] = UInt32(truncatingIfNeeded: name)
            name = Int(entries[name &+ 1].next)
        }
        return true
    }

    private mutating func isSameName(_ left: Int, _ right: Int) -> Bool {
        let index = JSONIndex(text: base, entries: UnsafePointer(entries), count: count)
        return index.string(entries[left], &memory.pointee.text).isSame(as: index.string(entries[right], &memory.pointee.otherText))
    }
}

extension ByteView {
    /// Whether both have the same bytes.
    @inline(__always)
    func isSame(as other: ByteView) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        let (left, right) = (UnsafeRawPointer(base), UnsafeRawPointer(other.base))
        while index &+ 8 <= count {
            if left.loadUnaligned(fromByteOffset: index, as: UInt64.self) != right.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
            index &+= 8
        }
        while index < count {
            if base[index] != other.base[index] { return false }
            index &+= 1
        }
        return true
    }
}
