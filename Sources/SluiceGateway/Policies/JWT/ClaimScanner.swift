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

    /// Nil where this is not a string.
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
/// resolved (RFC 7515, 5.2 leaves it to us); bytes that are not UTF-8; an escaped surrogate without its other half. Allocates nothing, and
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
    /// Members of the outermost object.
    private var topCount = 0
    private var objectCount: UInt32 = 0
    /// Values that may still come.
    private var valuesLeft: Int

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
        var reading = ClaimReading(text)
        reading.skipBlanks()
        guard reading.take(UInt8(ascii: "{")), scanner.rest(&reading) else { return scanner.valuesLeft < 0 ? .tooManyValues : .malformed }
        reading.skipBlanks()
        guard reading.isAtEnd else { return .malformed }
        return .object(JSONObject(count: scanner.topCount, scanner: scanner))
    }

    // MARK: - Values

    /// Behind the opening brace, to behind its closing one.
    private mutating func rest(_ outer: inout ClaimReading) -> Bool {
        var reading = outer
        defer { outer = reading }
        let levels = memory.levels
        /// How many are open, and what is innermost.
        var depth = 1
        var level: UInt32 = 0
        /// The member of the outermost object whose value is open.
        var topSlot = 0
        var topStart = 0
        levels[0] = 0
        objectCount = 1
        reading.skipBlanks()
        if reading.take(UInt8(ascii: "}")) { return true }
        // Where a member of an object or an element of an array begins.
        while true {
            var slot = 0
            if level != Self.arrayLevel {
                guard reading.take(UInt8(ascii: "\"")) else { return false }
                let nameStart = reading.at
                guard let hasEscapes = reading.string(),
                    let found = place(from: nameStart, to: reading.at &- 1, hasEscapes: hasEscapes, in: level)
                else { return false }
                slot = found
                if depth == 1 { topCount &+= 1 }
                reading.skipBlanks()
                guard reading.take(UInt8(ascii: ":")) else { return false }
                reading.skipBlanks()
            }
            valuesLeft &-= 1
            guard valuesLeft >= 0, let value = reading.next else { return false }
            let start = reading.at
            switch value {
            case UInt8(ascii: "\""):
                reading.skip()
                guard let hasEscapes = reading.string() else { return false }
                if depth == 1 { setValue(slot, .string, from: start &+ 1, to: reading.at &- 1, hasEscapes: hasEscapes) }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                reading.skip()
                if depth == 1 { (topSlot, topStart) = (slot, start) }
                let isArray = value == UInt8(ascii: "[")
                level = isArray ? Self.arrayLevel : objectCount
                if !isArray { objectCount &+= 1 }
                levels[depth] = level
                depth &+= 1
                reading.skipBlanks()
                guard let next = reading.next else { return false }
                if next != Self.closing(level) { continue }
            case UInt8(ascii: "t"):
                guard reading.literal("true") else { return false }
                if depth == 1 { setValue(slot, .true, from: start, to: reading.at) }
            case UInt8(ascii: "f"):
                guard reading.literal("false") else { return false }
                if depth == 1 { setValue(slot, .false, from: start, to: reading.at) }
            case UInt8(ascii: "n"):
                guard reading.literal("null") else { return false }
                if depth == 1 { setValue(slot, .null, from: start, to: reading.at) }
            default:
                guard reading.number() else { return false }
                if depth == 1 { setValue(slot, .number, from: start, to: reading.at) }
            }
            // Behind a value: what is open may end, any number of times, and then a comma comes.
            while true {
                reading.skipBlanks()
                if reading.take(UInt8(ascii: ",")) { break }
                guard reading.take(Self.closing(level)) else { return false }
                depth &-= 1
                if depth == 0 { return true }
                if depth == 1 { setValue(topSlot, level == Self.arrayLevel ? .array : .object, from: topStart, to: reading.at) }
                level = levels[depth &- 1]
            }
            reading.skipBlanks()
        }
    }

    @inline(__always)
    private static func closing(_ level: UInt32) -> UInt8 { level == arrayLevel ? UInt8(ascii: "]") : UInt8(ascii: "}") }

    // MARK: - Names

    /// Remembers a name, just read, of this object; nil if the object has it already.
    @inline(__always)
    private func place(from start: Int, to end: Int, hasEscapes: Bool, in object: UInt32) -> Int? {
        let hash = hasEscapes
            ? hashOfEscapes(JSONString(raw: text[start..<end], hasEscapes: true), of: object) : hash(text.base + start, count: end &- start, room: text.count &- start, of: object)
        let slots = memory.slots
        var index = Int(hash) & slotMask
        while slots[index].scan == scan {
            if slots[index].hash == hash, slots[index].object == object,
                name(index).equals(JSONString(raw: text[start..<end], hasEscapes: hasEscapes))
            { return nil }
            index = (index &+ 1) & slotMask
        }
        slots[index] = Slot(
            scan: scan, object: object, hash: hash, nameStart: UInt32(truncatingIfNeeded: start), nameCount: UInt32(truncatingIfNeeded: end &- start),
            nameHasEscapes: hasEscapes, valueKind: .null, valueHasEscapes: false, valueStart: 0, valueCount: 0)
        return index
    }

    private func name(_ index: Int) -> JSONString {
        let start = Int(memory.slots[index].nameStart)
        return JSONString(raw: text[start..<start + Int(memory.slots[index].nameCount)], hasEscapes: memory.slots[index].nameHasEscapes)
    }

    @inline(__always)
    private func setValue(_ index: Int, _ kind: JSONValue.Kind, from start: Int, to end: Int, hasEscapes: Bool = false) {
        let slot = memory.slots + index
        slot.pointee.valueKind = kind
        slot.pointee.valueHasEscapes = hasEscapes
        slot.pointee.valueStart = UInt32(truncatingIfNeeded: start)
        slot.pointee.valueCount = UInt32(truncatingIfNeeded: end &- start)
    }

    /// - Parameter name: has no escapes.
    fileprivate func topValue(of name: JSONString) -> JSONValue? {
        let hash = hash(name.raw.base, count: name.raw.count, room: name.raw.count, of: 0)
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

    /// Of a name without escapes: eight bytes at a time, multiplied and folded.
    ///
    /// - Parameter room: how many bytes can be read.
    @inline(__always)
    private func hash(_ name: UnsafePointer<UInt8>, count: Int, room: Int, of object: UInt32) -> UInt32 {
        var hash = fold(memory.seed ^ UInt64(object))
        var index = 0
        while index &+ 8 <= count {
            hash = fold(hash ^ UInt64(littleEndian: UnsafeRawPointer(name + index).loadUnaligned(as: UInt64.self)))
            index &+= 8
        }
        var word: UInt64 = 0
        if room &- index >= 8 {
            let bits = UInt64(truncatingIfNeeded: (count &- index) &* 8)
            word = UInt64(littleEndian: UnsafeRawPointer(name + index).loadUnaligned(as: UInt64.self)) & (1 &<< bits &- 1)
        } else {
            while index < count {
                word |= UInt64(name[index]) &<< UInt64(truncatingIfNeeded: (index & 7) &* 8)
                index &+= 1
            }
        }
        return UInt32(truncatingIfNeeded: fold(fold(hash ^ word) ^ UInt64(truncatingIfNeeded: count)))
    }

    /// The same of a name with escapes, once they are resolved.
    @inline(never)
    private func hashOfEscapes(_ name: JSONString, of object: UInt32) -> UInt32 {
        var hash = fold(memory.seed ^ UInt64(object))
        var word: UInt64 = 0
        var count = 0
        var bytes = JSONStringBytes(name)
        while let byte = bytes.next() {
            word |= UInt64(byte) &<< UInt64((count & 7) &* 8)
            count &+= 1
            if count & 7 == 0 {
                hash = fold(hash ^ word)
                word = 0
            }
        }
        return UInt32(truncatingIfNeeded: fold(fold(hash ^ word) ^ UInt64(count)))
    }

    @inline(__always)
    private func fold(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: memory.multiplier)
        return product.high ^ product.low
    }
}
