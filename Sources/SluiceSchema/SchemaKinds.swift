/// Kinds of values: what a schema says of a text that is not JSON by itself, such as a parameter of a query.
package struct SchemaKinds: OptionSet, BitwiseCopyable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let null = SchemaKinds(JSONEntry.Kinds.null)
    package static let boolean = SchemaKinds(JSONEntry.Kinds.boolean)
    /// Any number, integers included.
    package static let number = SchemaKinds(JSONEntry.Kinds.number)
    package static let string = SchemaKinds(JSONEntry.Kinds.string)
    package static let array = SchemaKinds(JSONEntry.Kinds.array)
    package static let object = SchemaKinds(JSONEntry.Kinds.object)

    init(_ kinds: JSONEntry.Kinds) { rawValue = kinds.rawValue }
}

extension JSONSchema.Handle {
    /// Kinds of which a value may be right; others are wrong whatever they are.
    package var kinds: SchemaKinds {
        var reader = KindsReader(program)
        return SchemaKinds(reader.kinds(program.root))
    }

    /// The same of the items of an array.
    package var itemKinds: SchemaKinds {
        var reader = KindsReader(program)
        return SchemaKinds(reader.itemKinds(program.root))
    }
}

/// Finds the kinds that nodes allow, once for each node however many others name it.
private struct KindsReader {
    private typealias Known = [Int32: JSONEntry.Kinds]

    private let program: SchemaProgram
    private var ofValues: Known = [:]
    private var ofItems: Known = [:]

    init(_ program: SchemaProgram) { self.program = program }

    mutating func kinds(_ sub: Int32) -> JSONEntry.Kinds {
        combined(sub, \.ofValues, { $0.kinds($1) }) { reader, node in
            guard !node.enumeration.isEmpty else { return node.types }
            let values = reader.program.values
            let listed = node.enumeration.range.reduce(into: JSONEntry.Kinds()) { kinds, place in
                kinds.formUnion(values[place].index.entries[Int(values[place].entry)].kind)
            }
            return node.types.intersection(listed)
        }
    }

    mutating func itemKinds(_ sub: Int32) -> JSONEntry.Kinds {
        combined(sub, \.ofItems, { $0.itemKinds($1) }) { reader, node in
            var kinds = reader.kinds(node.items)
            for place in node.tuple.range { kinds.formUnion(reader.kinds(reader.program.subs[place])) }
            return kinds
        }
    }

    /// What a node says by itself, together with what its alternatives say of the same value. No schema leads back to itself for the same value.
    private mutating func combined(
        _ sub: Int32, _ known: WritableKeyPath<Self, Known>, _ inner: (inout Self, Int32) -> JSONEntry.Kinds,
        _ own: (inout Self, SchemaNode) -> JSONEntry.Kinds
    ) -> JSONEntry.Kinds {
        guard sub >= 0 else { return sub == SchemaNode.Sub.anything ? .all : [] }
        if let kinds = self[keyPath: known][sub] { return kinds }
        let node = program.nodes[Int(sub)]
        var kinds = own(&self, node)
        for place in node.allOf.range { kinds.formIntersection(inner(&self, program.subs[place])) }
        for run in [node.anyOf, node.oneOf] where !run.isEmpty {
            var either = JSONEntry.Kinds()
            for place in run.range { either.formUnion(inner(&self, program.subs[place])) }
            kinds.formIntersection(either)
        }
        self[keyPath: known][sub] = kinds
        return kinds
    }
}
