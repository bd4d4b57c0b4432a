import SluiceHTTP

/// Configured names of fields. Asked once per line of every message, so nearly all names are dismissed without comparing: by a bit for each
/// length and one for each first letter that occurs; what is left costs one look-up, however many names there are.
struct FieldNames: BitwiseCopyable {
    private let table: ByteTable
    /// Bit `min(count, 63)` for the length of each name.
    private let lengths: UInt64
    /// Bit `first & 31` for the first letter of each name: the same for both cases.
    private let initials: UInt32
    /// Bytes of the longest name.
    let longest: Int

    /// No names.
    static var none: FieldNames { FieldNames() }

    private init() {
        table = ByteTable()
        lengths = 0
        initials = 0
        longest = 0
    }

    /// - Parameter asReadAlike: whether names stand for all that are read like them (`UnusualNames`): `X-User` for `X_User`, and the other way round.
    init(_ names: some Sequence<String>, asReadAlike: Bool = false, into arena: Arena) {
        let lowercase = names.map { asReadAlike ? UnusualNames.usual($0) : $0.asciiLowercased }
        let views = Set(lowercase).filter { !$0.isEmpty }.sorted().map { arena.bytes($0) }
        table = ByteTable(views.enumerated().map { ($0.element, UInt32($0.offset)) }, into: arena)
        lengths = views.reduce(0) { $0 | Self.lengthBit($1) }
        initials = views.reduce(0) { $0 | Self.initialBit($1) }
        longest = views.map(\.count).max() ?? 0
    }

    var isEmpty: Bool { longest == 0 }

    /// Whether this name, in whatever case, is among them.
    @inline(__always)
    func contains(_ name: ByteView) -> Bool { index(of: name) != nil }

    /// The place of this name, in whatever case, in the sorted names.
    @inline(__always)
    func index(of name: ByteView) -> UInt32? {
        guard name.count > 0, lengths & Self.lengthBit(name) != 0, initials & Self.initialBit(name) != 0 else { return nil }
        return table.value(ofAnyCase: name)
    }

    private static func lengthBit(_ name: ByteView) -> UInt64 { 1 &<< UInt64(min(name.count, 63)) }

    private static func initialBit(_ name: ByteView) -> UInt32 { 1 &<< UInt32(name[0] & 31) }
}
