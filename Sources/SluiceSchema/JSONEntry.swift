/// One value of a document of JSON, or the name of a member, as the index of the document has it (`JSONIndex`).
///
/// Entries stand in the order of the text. Behind the entry of an array stand its items; behind that of an object a name and its value for each member. So
/// a document of any shape is one run of entries, and its reader makes no objects.
struct JSONEntry: BitwiseCopyable {
    /// Where the value begins in the text; of a string and a name, the byte behind the quotation mark.
    var offset: UInt32
    /// Bytes of a number or of what stands between a string's quotation marks; items of an array, members of an object.
    var count: UInt32
    /// Of a value: the entry behind it and behind all that is in it. Of a name: its hash (`JSONHash`).
    var next: UInt32
    var kind: Kinds
    var traits: Traits

    /// Kinds of values. An entry has one, a schema may allow several. What draft 4 calls a number is `integer` or `fraction`.
    struct Kinds: OptionSet, BitwiseCopyable {
        let rawValue: UInt8

        static let null = Kinds(rawValue: 1)
        static let boolean = Kinds(rawValue: 2)
        /// A number without fraction and exponent (JSON Schema draft 4, core, 3.5).
        static let integer = Kinds(rawValue: 4)
        /// Any other number.
        static let fraction = Kinds(rawValue: 8)
        static let string = Kinds(rawValue: 16)
        static let array = Kinds(rawValue: 32)
        static let object = Kinds(rawValue: 64)
        static let number: Kinds = [.integer, .fraction]
        static let all = Kinds(rawValue: 127)
    }

    struct Traits: OptionSet, BitwiseCopyable {
        let rawValue: UInt8

        /// A string, or a name, with escapes.
        static let isEscaped = Traits(rawValue: 1)
        /// The boolean `true`.
        static let isTrue = Traits(rawValue: 2)
        /// A string with bytes beyond ASCII.
        static let isWide = Traits(rawValue: 4)
    }
}
