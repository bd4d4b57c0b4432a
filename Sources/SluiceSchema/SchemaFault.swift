import SluiceHTTP

/// A rule that a value breaks.
package enum SchemaRule: UInt8, BitwiseCopyable, Equatable, Sendable, CaseIterable {
    case typeNull, typeBoolean, typeInteger, typeNumber, typeString, typeArray, typeObject, typeOther
    case enumeration
    case multipleOf, maximum, minimum
    case maxLength, minLength, pattern
    case maxItems, minItems, uniqueItems, additionalItems
    case maxProperties, minProperties, required, additionalProperties, dependency
    case anyOf, oneOfNone, oneOfSeveral, not
    /// The value takes more steps than there are, or the work of patterns: whether it is right is unknown.
    case tooMuchWork

    /// What is wrong, without the value. `required` and `dependency` go on with a name.
    package var text: StaticString {
        switch self {
        case .typeNull: "not null"
        case .typeBoolean: "not a boolean"
        case .typeInteger: "not an integer"
        case .typeNumber: "not a number"
        case .typeString: "not a string"
        case .typeArray: "not an array"
        case .typeObject: "not an object"
        case .typeOther: "not of an allowed type"
        case .enumeration: "not one of the allowed values"
        case .multipleOf: "not a multiple of what it must be"
        case .maximum: "too large"
        case .minimum: "too small"
        case .maxLength: "too long"
        case .minLength: "too short"
        case .pattern: "does not match the pattern"
        case .maxItems: "too many items"
        case .minItems: "too few items"
        case .uniqueItems: "an item stands twice"
        case .additionalItems: "an item that is not allowed"
        case .maxProperties: "too many members"
        case .minProperties: "too few members"
        case .required, .dependency: "missing member"
        case .additionalProperties: "a member that is not allowed"
        case .anyOf: "none of the alternatives"
        case .oneOfNone: "not one of the alternatives"
        case .oneOfSeveral: "more than one of the alternatives"
        case .not: "what is not allowed"
        case .tooMuchWork: "too much work to validate"
        }
    }

    static func type(_ kinds: JSONEntry.Kinds) -> SchemaRule {
        switch kinds {
        case .null: .typeNull
        case .boolean: .typeBoolean
        case .integer: .typeInteger
        case .number: .typeNumber
        case .string: .typeString
        case .array: .typeArray
        case .object: .typeObject
        default: .typeOther
        }
    }
}

/// Where a value is wrong, and the rule that it breaks.
///
/// The place is a JSON pointer (RFC 6901). Names in it are those of the schema. A name that only the body has is shown as `*`, because it may be data: what a
/// caller sent is never repeated.
struct SchemaFault {
    var rule = SchemaRule.typeOther
    /// Of a missing member.
    var name = ByteView.empty
    private(set) var isCut = false
    private var written = 0
    private var memory = InlineArray<256, UInt8>(repeating: 0)

    /// Longest text that `write` writes.
    static let bytesMax = 256 + 96 + shownNameMax

    /// Longest name that is shown whole.
    static let shownNameMax = 64

    /// The value that is wrong stands in another one, under this name or number.
    mutating func prepend(_ token: ByteView) {
        guard !isCut else { return }
        guard token.count + 1 <= 256 - written else {
            isCut = true
            return
        }
        written += token.count + 1
        let start = 256 - written
        memory[start] = UInt8(ascii: "/")
        for index in 0..<token.count { memory[start + 1 + index] = token[index] }
    }

    mutating func prepend(item index: Int) {
        guard !isCut else { return }
        var rest = UInt32(truncatingIfNeeded: index)
        var digits = 0
        repeat {
            guard written < 255 else {
                isCut = true
                return
            }
            written += 1
            digits += 1
            memory[256 - written] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        written += 1
        memory[256 - written] = UInt8(ascii: "/")
    }

    /// Forgets the place: the fault was of an alternative.
    mutating func forget() {
        written = 0
        isCut = false
    }

    /// Writes place and rule: `/items/3/price: not a number`. The document itself is `/`.
    /// - Parameter memory: room for `bytesMax`.
    /// - Returns: how many bytes.
    func write(to memory: UnsafeMutablePointer<UInt8>) -> Int {
        var count = 0
        func add(_ byte: UInt8) {
            memory[count] = byte
            count += 1
        }
        func add(_ text: StaticString) { for index in 0..<text.utf8CodeUnitCount { add(text.utf8Start[index]) } }
        if isCut { add("...") }
        if written == 0 { add(UInt8(ascii: "/")) }
        for index in (256 - written)..<256 { add(self.memory[index]) }
        add(": ")
        add(rule.text)
        if !name.isEmpty {
            add(UInt8(ascii: " "))
            for index in 0..<min(name.count, Self.shownNameMax) { add(name[index]) }
        }
        return count
    }

    /// A name as faults show it: `~` and `/` as in pointers, what errors cannot hold as `?`, cut where it is long.
    static func shown(_ name: some Sequence<UInt8>) -> [UInt8] {
        var shown: [UInt8] = []
        for byte in name {
            guard shown.count < shownNameMax - 5 else { return shown + Array("...".utf8) }
            switch byte {
            case UInt8(ascii: "~"): shown += Array("~0".utf8)
            case UInt8(ascii: "/"): shown += Array("~1".utf8)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "%"): shown.append(UInt8(ascii: "?"))
            case 0x20...0x7E: shown.append(byte)
            default: shown.append(UInt8(ascii: "?"))
            }
        }
        return shown
    }
}
