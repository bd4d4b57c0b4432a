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

/// One member of the outermost object.
struct JSONMember: BitwiseCopyable {
    let name: JSONString
    let value: JSONValue
}

/// An object that was scanned; its members stand in the scanner's memory until its next scan.
struct JSONObject: BitwiseCopyable {
    let members: UnsafePointer<JSONMember>
    let count: Int

    /// The value of the member with this name, escapes resolved.
    func value(of name: ByteView) -> JSONValue? {
        for index in 0..<count where members[index].name.equals(name) { return members[index].value }
        return nil
    }
}

/// Reads one JSON object (RFC 8259), more strictly than the grammar: a token may be read in one way only.
///
/// Refused besides what the grammar refuses: a name that occurs twice in one object at any depth, compared with escapes
/// resolved (RFC 7515, 5.2 leaves it to us); bytes that are no UTF-8; an escaped surrogate without its other half; more
/// levels than `depthMax`; more members than the caller allows. Allocates nothing.
///
/// Names are compared pairwise within their object, which is quadratic: `membersMax` bounds it.
struct ClaimScanner {
    /// Levels of objects and arrays, the outermost object included.
    static let depthMax = 32

    /// Where the scanner writes. One per thread.
    struct Memory: BitwiseCopyable {
        /// Room for the members of the outermost object.
        let members: UnsafeMutablePointer<JSONMember>
        /// Room for the names of all objects that are open at one time.
        let names: UnsafeMutablePointer<JSONString>
        /// Room in both; what a scan allows is at most this.
        let capacity: Int

        static func allocate(capacity: Int) -> Memory {
            Memory(members: .allocate(capacity: capacity), names: .allocate(capacity: capacity), capacity: capacity)
        }

        func deallocate() {
            members.deallocate()
            names.deallocate()
        }
    }

    private let text: ByteView
    private let memory: Memory
    private let membersMax: Int
    private var position = 0
    private var depth = 0
    private var memberCount = 0
    private var topCount = 0
    private var openNames = 0

    private init(_ text: ByteView, _ memory: Memory, membersMax: Int) {
        self.text = text
        self.memory = memory
        self.membersMax = membersMax
    }

    /// The object that `text` holds; nil where it holds anything else or breaks a rule.
    ///
    /// - Parameter membersMax: bound on the members of all objects together; at most the memory's capacity.
    static func scan(_ text: ByteView, memory: Memory, membersMax: Int) -> JSONObject? {
        var scanner = ClaimScanner(text, memory, membersMax: min(membersMax, memory.capacity))
        scanner.skipBlanks()
        guard scanner.take(UInt8(ascii: "{")), scanner.object() else { return nil }
        scanner.skipBlanks()
        guard scanner.position == text.count else { return nil }
        return JSONObject(members: memory.members, count: scanner.topCount)
    }

    // MARK: - Values

    /// Behind the opening brace.
    private mutating func object() -> Bool {
        let firstName = openNames
        depth += 1
        defer {
            depth -= 1
            openNames = firstName
        }
        guard depth <= Self.depthMax else { return false }
        skipBlanks()
        if take(UInt8(ascii: "}")) { return true }
        repeat {
            skipBlanks()
            guard take(UInt8(ascii: "\"")), let name = string(), isNew(name, since: firstName) else { return false }
            skipBlanks()
            guard take(UInt8(ascii: ":")), let value = value() else { return false }
            if depth == 1 {
                memory.members[topCount] = JSONMember(name: name, value: value)
                topCount += 1
            }
            skipBlanks()
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "}"))
    }

    /// Remembers a name of the object whose first name stands at `first`; false if it is there already or there are too many.
    private mutating func isNew(_ name: JSONString, since first: Int) -> Bool {
        var index = first
        while index < openNames {
            if memory.names[index].equals(name) { return false }
            index += 1
        }
        guard memberCount < membersMax else { return false }
        memberCount += 1
        memory.names[openNames] = name
        openNames += 1
        return true
    }

    /// Behind the opening bracket.
    private mutating func array() -> Bool {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { return false }
        skipBlanks()
        if take(UInt8(ascii: "]")) { return true }
        repeat {
            guard value() != nil else { return false }
            skipBlanks()
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "]"))
    }

    private mutating func value() -> JSONValue? {
        skipBlanks()
        guard position < text.count else { return nil }
        let start = position
        switch text[position] {
        case UInt8(ascii: "\""):
            position += 1
            guard let string = string() else { return nil }
            return JSONValue(kind: .string, raw: string.raw, hasEscapes: string.hasEscapes)
        case UInt8(ascii: "{"):
            position += 1
            return object() ? plain(.object, from: start) : nil
        case UInt8(ascii: "["):
            position += 1
            return array() ? plain(.array, from: start) : nil
        case UInt8(ascii: "t"): return literal("true") ? plain(.true, from: start) : nil
        case UInt8(ascii: "f"): return literal("false") ? plain(.false, from: start) : nil
        case UInt8(ascii: "n"): return literal("null") ? plain(.null, from: start) : nil
        default: return number() ? plain(.number, from: start) : nil
        }
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
        while position < text.count {
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
        return nil
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
