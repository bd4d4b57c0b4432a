import SluiceHTTP

/// Changes to the fields of messages in one direction: which lines are left out, and which are added.
///
/// A field that is set replaces every line of that name. Asked once per line of every message, so nearly all names must be
/// dismissed without comparing: by a bit for each length and one for each first letter that occurs among the names.
struct FieldChanges: BitwiseCopyable {
    /// The fields to add, each with its CRLF.
    let setLines: ByteView
    /// Set and removed names, in lower case.
    private let names: ArenaSlice<ByteView>
    /// Bit `min(count, 63)` for the length of each name.
    private let lengths: UInt64
    /// Bit `first & 31` for the first letter of each name: the same for both cases.
    private let initials: UInt32
    /// The bits of the known fields among the names.
    let knownFields: UInt64

    init(set: [(name: String, value: String)], remove: [String], into arena: Arena) {
        setLines = arena.bytes(set.map { "\($0.name): \($0.value)\r\n" }.joined())
        let names = Set((set.map(\.name) + remove).map(\.asciiLowercased)).sorted()
        let views = names.map { arena.bytes($0) }
        self.names = arena.store(views)
        lengths = views.reduce(0) { $0 | Self.lengthBit($1) }
        initials = views.reduce(0) { $0 | Self.initialBit($1) }
        knownFields = views.reduce(0) { $0 | KnownField(name: $1).bit } & ~KnownField.other.bit
    }

    var isEmpty: Bool { names.isEmpty }

    /// Whether lines of this known field, which is not `.other`, are left out. For the fields that the gateway itself adds, too.
    func drops(_ field: KnownField) -> Bool { knownFields & field.bit != 0 }

    /// Whether lines of this name, in whatever case, are left out.
    func drops(_ name: ByteView) -> Bool {
        guard name.count > 0, lengths & Self.lengthBit(name) != 0, initials & Self.initialBit(name) != 0 else { return false }
        var index = 0
        while index < names.count {
            if name.equalsIgnoringCase(names[index]) { return true }
            index += 1
        }
        return false
    }

    /// Whether this line of a parsed head is left out.
    func drops(_ line: FieldSlot, in bytes: ByteView) -> Bool {
        line.known == .other ? drops(bytes[line.name]) : drops(line.known)
    }

    private static func lengthBit(_ name: ByteView) -> UInt64 { 1 &<< UInt64(min(name.count, 63)) }

    private static func initialBit(_ name: ByteView) -> UInt32 { 1 &<< UInt32(name[0] & 31) }
}
