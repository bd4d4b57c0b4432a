import SluiceHTTP

/// Changes to the fields of messages in one direction: which lines are left out, and which are added. A field that is set replaces every line
/// of that name.
///
/// Of requests only what is added and the known fields are asked here: what is left out says `EndpointFields`.
struct FieldChanges: BitwiseCopyable {
    /// The fields to add, each with its CRLF.
    let setLines: ByteView
    /// Set and removed names.
    private let names: FieldNames
    /// The bits of the known fields among the names.
    let knownFields: UInt64

    init(set: [(name: String, value: String)], remove: [String], into arena: Arena) {
        setLines = arena.bytes(set.map { "\($0.name): \($0.value)\r\n" }.joined())
        let all = set.map(\.name) + remove
        names = FieldNames(all, into: arena)
        let bits = all.reduce(0) { bits, name in bits | name.withByteView { KnownField(name: $0).bit } }
        knownFields = bits & ~(KnownField.other.bit | KnownField.saidByProxies.bit)
    }

    var isEmpty: Bool { names.isEmpty }

    /// Whether lines of this known field are left out. For the fields that the gateway itself adds, too.
    func drops(_ field: KnownField) -> Bool { knownFields & field.bit != 0 }

    /// Whether lines of this name, in whatever case, are left out.
    func drops(_ name: ByteView) -> Bool { names.contains(name) }

    /// Whether this line of a parsed head is left out.
    func drops(_ line: FieldSlot, in bytes: ByteView) -> Bool {
        line.known.isNameless ? drops(bytes[line.name]) : drops(line.known)
    }
}
