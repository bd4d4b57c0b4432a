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
    package var kinds: SchemaKinds { SchemaKinds(program.kinds(program.root)) }

    /// The same of the items of an array.
    package var itemKinds: SchemaKinds { SchemaKinds(program.itemKinds(program.root)) }
}

extension SchemaProgram {
    fileprivate func kinds(_ sub: Int32) -> JSONEntry.Kinds {
        combined(sub, { $0.kinds($1) }) { node in
            guard !node.enumeration.isEmpty else { return node.types }
            let listed = node.enumeration.range.reduce(into: JSONEntry.Kinds()) { kinds, place in
                kinds.formUnion(values[place].index.entries[Int(values[place].entry)].kind)
            }
            return node.types.intersection(listed)
        }
    }

    fileprivate func itemKinds(_ sub: Int32) -> JSONEntry.Kinds {
        combined(sub, { $0.itemKinds($1) }) { node in
            node.tuple.range.reduce(into: kinds(node.items)) { $0.formUnion(kinds(subs[$1])) }
        }
    }

    /// What a node says by itself, together with what its alternatives say of the same value. No schema leads back to itself for the same value.
    private func combined(
        _ sub: Int32, _ inner: (SchemaProgram, Int32) -> JSONEntry.Kinds, _ own: (SchemaNode) -> JSONEntry.Kinds
    ) -> JSONEntry.Kinds {
        guard sub >= 0 else { return sub == SchemaNode.Sub.anything ? .all : [] }
        let node = nodes[Int(sub)]
        var kinds = own(node)
        for place in node.allOf.range { kinds.formIntersection(inner(self, subs[place])) }
        for run in [node.anyOf, node.oneOf] where !run.isEmpty {
            kinds.formIntersection(run.range.reduce(into: JSONEntry.Kinds()) { $0.formUnion(inner(self, subs[$1])) })
        }
        return kinds
    }
}
