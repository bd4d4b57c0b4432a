import SluiceHTTP
import SluicePattern

/// A compiled schema: nodes, and what they name, in arrays that never change. Valid for as long as the `JSONSchema` that it came from.
struct SchemaProgram: BitwiseCopyable {
    let nodes: UnsafePointer<SchemaNode>
    /// Runs of nodes: tuples, `allOf`, `anyOf`, `oneOf`.
    let subs: UnsafePointer<Int32>
    let names: UnsafePointer<SchemaName>
    /// Places in `names`, or -1.
    let nameSlots: UnsafePointer<Int32>
    let patterned: UnsafePointer<SchemaPatterned>
    let dependencies: UnsafePointer<SchemaDependency>
    /// Names that dependencies ask for.
    let dependentNames: UnsafePointer<SchemaName>
    let numbers: UnsafePointer<SchemaNumber>
    let patterns: UnsafePointer<Regex.Handle>
    /// Values of `enum`.
    let values: UnsafePointer<SchemaValue>
    /// What the whole document must be.
    let root: Int32
}

/// A value of `enum`: where it stands in a document of the schema's.
struct SchemaValue: BitwiseCopyable {
    let index: JSONIndex
    let entry: Int32
}
