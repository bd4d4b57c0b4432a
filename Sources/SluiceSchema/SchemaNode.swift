import SluiceHTTP

/// One schema, compiled: what a value must be. The nodes of a program stand in one array and name each other by their places; `$ref` is gone.
///
/// Large because it is all that draft 4 says of a value, in one piece.
struct SchemaNode: BitwiseCopyable {
    /// Nodes, names and so on that belong to this node: a run of one of the program's arrays.
    struct Run: BitwiseCopyable {
        var start: UInt32 = 0
        var count: UInt32 = 0

        var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
        var isEmpty: Bool { count == 0 }
    }

    /// What a value in another must be: a node, or one of these.
    enum Sub {
        static let anything: Int32 = -1
        static let nothing: Int32 = -2
    }

    var types = JSONEntry.Kinds.all
    var parts: Parts = []
    /// Whether `types` has one value, whose name a fault tells.
    var traits: Traits = []

    // Numbers: places in the program's numbers; -1 for none.
    var minimum: Int32 = -1
    var maximum: Int32 = -1
    var divisor: Int32 = -1

    // Strings: characters; -1 for no bound.
    var minLength: Int64 = -1
    var maxLength: Int64 = -1
    var pattern: Int32 = -1

    // Arrays
    var minItems: Int64 = -1
    var maxItems: Int64 = -1
    /// What every item behind those of the tuple must be.
    var items = Sub.anything
    /// What the first items must be, each.
    var tuple = Run()

    // Objects
    var minMembers: Int64 = -1
    var maxMembers: Int64 = -1
    /// Names that matter, in a table.
    var names = Run()
    /// Slots of that table; their number is a power of two.
    var nameSlots = Run()
    var requiredCount: UInt32 = 0
    var patterned = Run()
    /// What members must be that neither a name nor a pattern tells of.
    var otherMembers = Sub.anything
    var dependencies = Run()

    // Any value
    var enumeration = Run()
    var allOf = Run()
    var anyOf = Run()
    var oneOf = Run()
    var not = Sub.anything

    /// Which parts of a node have anything to say; nothing else of it is looked at.
    struct Parts: OptionSet, BitwiseCopyable {
        let rawValue: UInt8

        static let number = Parts(rawValue: 1)
        static let string = Parts(rawValue: 2)
        static let array = Parts(rawValue: 4)
        static let object = Parts(rawValue: 8)
        static let combined = Parts(rawValue: 16)
        static let enumeration = Parts(rawValue: 32)
    }

    struct Traits: OptionSet, BitwiseCopyable {
        let rawValue: UInt8

        static let excludesMinimum = Traits(rawValue: 1)
        static let excludesMaximum = Traits(rawValue: 2)
        static let hasUniqueItems = Traits(rawValue: 4)
        /// Of objects, each member is looked at.
        static let looksAtMembers = Traits(rawValue: 8)
    }

    /// Whether every value is right.
    var isTrivial: Bool { types == .all && parts.isEmpty }
}

/// A name that a schema tells of.
struct SchemaName: BitwiseCopyable {
    let name: ByteView
    /// As faults show it: see `SchemaFault`.
    let shown: ByteView
    let hash: UInt32
    /// What the member must be; `Sub.anything` where it may be anything.
    var node: Int32
    /// Whether `properties` has it: such a member is none of the others.
    var isProperty: Bool
    var isRequired: Bool
}

/// A pattern of names, and what the members must be.
struct SchemaPatterned: BitwiseCopyable {
    let pattern: Int32
    var node: Int32
}

/// What an object must have or be besides, if it has this member.
struct SchemaDependency: BitwiseCopyable {
    let name: ByteView
    let hash: UInt32
    /// Names that it must have too.
    var required = SchemaNode.Run()
    var node = SchemaNode.Sub.anything
}

/// A number of a schema.
struct SchemaNumber: BitwiseCopyable {
    let decimal: Decimal
    /// The same, where it is an integer that has room.
    let integer: Int64?
    /// Of a divisor, the number that its digits are, and the power of ten that this is multiplied by.
    let divisor: UInt64
    let divisorExponent: Int
}
