import Glibc
import SluiceHTTP

/// One string of a scanned text: what stands between its quotation marks, escapes not yet resolved.
struct JSONString: BitwiseCopyable {
    let raw: ByteView
    let hasEscapes: Bool

    /// Whether the string, escapes resolved, is `text`. Not constant in time.
    func equals(_ text: ByteView) -> Bool {
        guard hasEscapes else { return raw.equals(text) }
        return raw.count >= text.count && equals(JSONString(raw: text, hasEscapes: false))
    }

    /// Whether both strings are the same once escapes are resolved.
    func equals(_ other: JSONString) -> Bool {
        guard hasEscapes || other.hasEscapes else { return raw.equals(other.raw) }
        var left = JSONStringBytes(self)
        var right = JSONStringBytes(other)
        while true {
            let byte = left.next()
            if byte != right.next() { return false }
            if byte == nil { return true }
        }
    }
}

/// One value of a scanned text.
struct JSONValue: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable, Sendable {
        case string, number, `true`, `false`, null, array, object
    }

    let kind: Kind
    /// The value as it is written; for a string without its quotation marks.
    let raw: ByteView
    /// Only ever true of a string.
    let hasEscapes: Bool

    /// Nil where this is no string.
    var string: JSONString? { kind == .string ? JSONString(raw: raw, hasEscapes: hasEscapes) : nil }
}

/// An object that was scanned; its members stand in the scanner's memory until its next scan.
struct JSONObject: BitwiseCopyable {
    /// Members of the outermost object.
    let count: Int
    fileprivate let scanner: ClaimScanner

    /// The value of the member with this name, escapes resolved.
    func value(of name: ByteView) -> JSONValue? { scanner.topValue(of: JSONString(raw: name, hasEscapes: false)) }
}

/// Reads one JSON object (RFC 8259), more strictly than the grammar: a token may be read in one way only.
///
/// Refused besides what the grammar refuses: a name that occurs twice in one object at any depth, compared with escapes
/// resolved (RFC 7515, 5.2 leaves it to us); bytes that are no UTF-8; an escaped surrogate without its other half. Allocates nothing, and
/// does not recurse: its time and its memory are linear in the text, whatever stands in it, so nesting and members need no bound.
///
/// Names are found by a hash under a random seed, which keeps anybody from choosing names that meet in one place.
struct ClaimScanner: BitwiseCopyable {
    /// Where the scanner writes. One per thread.
    struct Memory: BitwiseCopyable {
        /// Bytes of the longest text.
        let textBytesMax: Int
        fileprivate let slots: UnsafeMutablePointer<Slot>
        /// What is open: the number of an object, or `arrayLevel`.
        fileprivate let levels: UnsafeMutablePointer<UInt32>
        /// Number of the latest scan, from 1: a slot of an earlier one is free.
        let latestScan: UnsafeMutablePointer<UInt32>
        fileprivate let seed: UInt64
        fileprivate let multiplier: UInt64

        /// - Parameter textBytesMax: at most 256 MiB. Only what a scan needs is touched.
        static func allocate(textBytesMax: Int) -> Memory {
            let capacity = slotCount(textBytesMax)
            // From calloc: all zeros, and of much memory only what is touched counts.
            guard let slots = calloc(capacity, MemoryLayout<Slot>.stride), let levels = calloc(textBytesMax + 1, MemoryLayout<UInt32>.stride)
            else { preconditionFailure("no memory for a scanner of \(textBytesMax) bytes") }
            let latestScan = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
            latestScan.initialize(to: 0)
            var random = SystemRandomNumberGenerator()
            return Memory(
                textBytesMax: textBytesMax, slots: slots.bindMemory(to: Slot.self, capacity: capacity),
                levels: levels.bindMemory(to: UInt32.self, capacity: textBytesMax + 1), latestScan: latestScan, seed: random.next(),
                multiplier: random.next() | 1)
        }

        func deallocate() {
            free(slots)
            free(levels)
            latestScan.deallocate()
        }

        /// Slots for all members that a text can have: the shortest, with its comma, has five characters. At most half of them are used.
        fileprivate static func slotCount(_ textBytes: Int) -> Int {
            var count = 16
            while count < 2 * (textBytes / 5 + 1) { count *= 2 }
            return count
        }

        /// The number of a new scan.
        fileprivate func beginScan() -> UInt32 {
            if latestScan.pointee == .max {
                memset(slots, 0, Self.slotCount(textBytesMax) * MemoryLayout<Slot>.stride)
                latestScan.pointee = 0
            }
            latestScan.pointee += 1
            return latestScan.pointee
        }
    }

    /// One member. Places are counted from the start of the text.
    fileprivate struct Slot: BitwiseCopyable {
        var scan: UInt32
        var object: UInt32
        var hash: UInt32
        var nameStart: UInt32
        var nameCount: UInt32
        var nameHasEscapes: Bool
        /// Of a member of the outermost object only.
        var valueKind: JSONValue.Kind
        var valueHasEscapes: Bool
        var valueStart: UInt32
        var valueCount: UInt32
    }

    private static let arrayLevel = UInt32.max

    private let text: ByteView
    private let memory: Memory
    private let scan: UInt32
    /// Slots of this scan: as many as its text needs, so that short texts stay in few pages.
    private let slotMask: Int
    private var position = 0
    private var depth = 0
    private var objectCount: UInt32 = 0
    /// Values that may still come.
    private var valuesLeft: Int
    private var topCount = 0

    private init(_ text: ByteView, _ memory: Memory, valuesMax: Int) {
        self.text = text
        self.memory = memory
        scan = memory.beginScan()
        slotMask = Memory.slotCount(text.count) - 1
        valuesLeft = valuesMax
    }

    enum Outcome: BitwiseCopyable {
        case object(JSONObject)
        /// No object, one that breaks a rule, or a text that is longer than the memory is for.
        case malformed
        case tooManyValues
    }

    /// The object that `text` holds; nil where there is none.
    static func scan(_ text: ByteView, memory: Memory) -> JSONObject? {
        guard case .object(let object) = scan(text, memory: memory, valuesMax: .max) else { return nil }
        return object
    }

    /// The object that `text` holds.
    /// - Parameter valuesMax: bound on members and elements at all depths, for a text whose sender is anybody.
    static func scan(_ text: ByteView, memory: Memory, valuesMax: Int) -> Outcome {
        guard text.count <= memory.textBytesMax else { return .malformed }
        var scanner = ClaimScanner(text, memory, valuesMax: valuesMax)
        scanner.skipBlanks()
        guard scanner.take(UInt8(ascii: "{")), scanner.rest() else { return scanner.valuesLeft < 0 ? .tooManyValues : .malformed }
        scanner.skipBlanks()
        guard scanner.position == text.count else { return .malformed }
        return .object(JSONObject(count: scanner.topCount, scanner: scanner))
    }

    // MARK: - Values

    /// Behind the opening brace, to behind its closing one.
    private mutating func rest() -> Bool {
        /// The member of the outermost object whose value is open.
        var topSlot = 0
        var topStart = 0
        // Directly behind an opening brace or bracket.
        var isFresh = true
        open(isArray: false)
        while depth > 0 {
            skipBlanks()
            let isArray = memory.levels[depth - 1] == Self.arrayLevel
            if take(UInt8(ascii: isArray ? "]" : "}")) {
                depth -= 1
                isFresh = false
                if depth == 1 { setValue(topSlot, plain(isArray ? .array : .object, from: topStart), at: topStart) }
                continue
            }
            if !isFresh {
                guard take(UInt8(ascii: ",")) else { return false }
                skipBlanks()
            }
            var slot = 0
            if !isArray {
                guard take(UInt8(ascii: "\"")), let name = string(), let found = place(of: name) else { return false }
                slot = found
                skipBlanks()
                guard take(UInt8(ascii: ":")) else { return false }
                skipBlanks()
            }
            valuesLeft -= 1
            guard valuesLeft >= 0, position < text.count else { return false }
            let start = position
            let first = text[position]
            if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                position += 1
                if depth == 1 { (topSlot, topStart) = (slot, start) }
                open(isArray: first == UInt8(ascii: "["))
                isFresh = true
                continue
            }
            guard let value = scalar(first) else { return false }
            if depth == 1 { setValue(slot, value, at: value.kind == .string ? start + 1 : start) }
            isFresh = false
        }
        return true
    }

    private mutating func open(isArray: Bool) {
        memory.levels[depth] = isArray ? Self.arrayLevel : objectCount
        if !isArray { objectCount += 1 }
        depth += 1
    }

    private mutating func scalar(_ first: UInt8) -> JSONValue? {
        let start = position
        switch first {
        case UInt8(ascii: "\""):
            position += 1
            guard let string = string() else { return nil }
            return JSONValue(kind: .string, raw: string.raw, hasEscapes: string.hasEscapes)
        case UInt8(ascii: "t"): return literal("true") ? plain(.true, from: start) : nil
        case UInt8(ascii: "f"): return literal("false") ? plain(.false, from: start) : nil
        case UInt8(ascii: "n"): return literal("null") ? plain(.null, from: start) : nil
        default: return number() ? plain(.number, from: start) : nil
        }
    }

    // MARK: - Names

    /// Remembers a name, just read, of the object that is open; nil if the object has it already.
    private mutating func place(of name: JSONString) -> Int? {
        let object = memory.levels[depth - 1]
        let hash = hash(name, of: object)
        var index = Int(hash) & slotMask
        while memory.slots[index].scan == scan {
            if memory.slots[index].hash == hash, memory.slots[index].object == object, self.name(index).equals(name) { return nil }
            index = (index + 1) & slotMask
        }
        // Behind the closing quotation mark.
        let start = position - 1 - name.raw.count
        memory.slots[index] = Slot(
            scan: scan, object: object, hash: hash, nameStart: UInt32(start), nameCount: UInt32(name.raw.count), nameHasEscapes: name.hasEscapes,
            valueKind: .null, valueHasEscapes: false, valueStart: 0, valueCount: 0)
        if depth == 1 { topCount += 1 }
        return index
    }

    private func name(_ index: Int) -> JSONString {
        let start = Int(memory.slots[index].nameStart)
        return JSONString(raw: text[start..<start + Int(memory.slots[index].nameCount)], hasEscapes: memory.slots[index].nameHasEscapes)
    }

    private func setValue(_ index: Int, _ value: JSONValue, at start: Int) {
        memory.slots[index].valueKind = value.kind
        memory.slots[index].valueHasEscapes = value.hasEscapes
        memory.slots[index].valueStart = UInt32(start)
        memory.slots[index].valueCount = UInt32(value.raw.count)
    }

    fileprivate func topValue(of name: JSONString) -> JSONValue? {
        let hash = hash(name, of: 0)
        var index = Int(hash) & slotMask
        while memory.slots[index].scan == scan {
            let slot = memory.slots[index]
            if slot.hash == hash, slot.object == 0, self.name(index).equals(name) {
                let start = Int(slot.valueStart)
                return JSONValue(kind: slot.valueKind, raw: text[start..<start + Int(slot.valueCount)], hasEscapes: slot.valueHasEscapes)
            }
            index = (index + 1) & slotMask
        }
        return nil
    }

    /// Of the name with its escapes resolved: eight bytes at a time, multiplied and folded.
    private func hash(_ name: JSONString, of object: UInt32) -> UInt32 {
        var hash = fold(memory.seed ^ UInt64(object))
        var word: UInt64 = 0
        var count = 0
        if name.hasEscapes {
            var bytes = JSONStringBytes(name)
            while let byte = bytes.next() {
                word |= UInt64(byte) << UInt64((count & 7) * 8)
                count += 1
                if count & 7 == 0 {
                    hash = fold(hash ^ word)
                    word = 0
                }
            }
        } else {
            let raw = name.raw
            while count + 8 <= raw.count {
                hash = fold(hash ^ UInt64(littleEndian: UnsafeRawPointer(raw.base + count).loadUnaligned(as: UInt64.self)))
                count += 8
            }
            while count < raw.count {
                word |= UInt64(raw[count]) << UInt64((count & 7) * 8)
                count += 1
            }
        }
        return UInt32(truncatingIfNeeded: fold(fold(hash ^ word) ^ UInt64(count)))
    }

    private func fold(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: memory.multiplier)
        return product.high ^ product.low
    }

    private func plain(_ kind: JSONValue.Kind, from start: Int) -> JSONValue {
        JSONValue(kind: kind, raw: text[start..<position], hasEscapes: false)
    }

    private mutating func literal(_ literal: StaticString) -> Bool {
        let end = position + literal.utf8CodeUnitCount
        guard end <= text.count, text[position..<end] == literal else { return false }
        position = end
        return true
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?` (RFC 8259, 6).
    private mutating func number() -> Bool {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")), !digits() { return false }
        if take(UInt8(ascii: ".")), !digits() { return false }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            return digits()
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = position
        while position < text.count, text[position] &- UInt8(ascii: "0") < 10 { position += 1 }
        return position > start
    }

    // MARK: - Strings

    /// Behind the opening quotation mark; takes the closing one.
    private mutating func string() -> JSONString? {
        let start = position
        var hasEscapes = false
        while true {
            skipPlain()
            guard position < text.count else { return nil }
            let byte = text[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return JSONString(raw: text[start..<position - 1], hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                guard escape() else { return nil }
            case 0..<0x20:
                return nil
            case 0x20..<0x80:
                position += 1
            default:
                guard multibyte(byte) else { return nil }
            }
        }
    }

    /// Skips characters of a string that stand for themselves, eight at a time: to the first of a word that may be none, which may also be
    /// the word in front of the text's last seven bytes.
    private mutating func skipPlain() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        while position + 8 <= text.count {
            let word = UInt64(littleEndian: UnsafeRawPointer(text.base + position).loadUnaligned(as: UInt64.self))
            let quote = word ^ (ones &* 0x22)
            let slash = word ^ (ones &* 0x5C)
            // Bit 7 of each byte: beyond ASCII, a control character, or one of the two. A borrow marks further bytes only behind such a one.
            let marks = word | (word &- (ones &* 0x20)) | ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash)
            let special = marks & (ones &* 0x80)
            if special != 0 {
                position += special.trailingZeroBitCount >> 3
                return
            }
            position += 8
        }
    }

    private mutating func escape() -> Bool {
        guard position + 1 < text.count else { return false }
        switch text[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
            return true
        case UInt8(ascii: "u"):
            guard let unit = text.hexUnit(at: position + 2) else { return false }
            position += 6
            if unit & 0xF800 != 0xD800 { return true }
            guard unit < 0xDC00, position + 1 < text.count, text[position] == UInt8(ascii: "\\"),
                text[position + 1] == UInt8(ascii: "u"), let low = text.hexUnit(at: position + 2), low & 0xFC00 == 0xDC00
            else { return false }
            position += 6
            return true
        default:
            return false
        }
    }

    /// One scalar beyond ASCII, well formed (Unicode, table 3-7).
    private mutating func multibyte(_ first: UInt8) -> Bool {
        let count: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: count = 2
        case 0xE0: (count, second) = (3, 0xA0...0xBF)
        case 0xED: (count, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: count = 3
        case 0xF0: (count, second) = (4, 0x90...0xBF)
        case 0xF4: (count, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: count = 4
        default: return false
        }
        guard position + count <= text.count, second.contains(text[position + 1]) else { return false }
        for index in 2..<4 where index < count && text[position + index] & 0xC0 != 0x80 { return false }
        position += count
        return true
    }

    // MARK: - Characters

    private mutating func skipBlanks() {
        while position < text.count, text[position].isJSONBlank { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < text.count, text[position] == byte else { return false }
        position += 1
        return true
    }
}

extension UInt8 {
    /// White space of RFC 8259, 2.
    var isJSONBlank: Bool { self == 0x20 || self == 0x0A || self == 0x0D || self == 0x09 }
}

extension ByteView {
    /// The number that four hexadecimal digits write; nil if they are not there.
    fileprivate func hexUnit(at start: Int) -> UInt32? {
        guard start + 4 <= count else { return nil }
        var value: UInt32 = 0
        for index in start..<start + 4 {
            let digit = self[index].hexValue
            guard digit < 16 else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
