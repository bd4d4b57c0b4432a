/// Some field names of one head or one list of it, to be found by their hashes: looking a name up costs its own bytes, however many there are.
///
/// For names that a peer lists. Holds ranges of the bytes that it was made from, and is of use as long as those are.
package struct NameSet: BitwiseCopyable {
    /// Names that it has room for.
    package static let namesMax = 32

    private let bytes: ByteView
    private var hashes = InlineArray<32, UInt64>(repeating: 0)
    private var names = InlineArray<32, HeadRange>(repeating: HeadRange(start: 0, count: 0))
    /// Bit `hash & 63` of each name.
    private var filter: UInt64 = 0
    package private(set) var count = 0

    /// No name. `bytes` are those in which the names will stand.
    package init(in bytes: ByteView) {
        self.bytes = bytes
    }

    /// False if there is no room, or the name does not stand in the bytes.
    package mutating func add(_ name: ByteView) -> Bool {
        let start = name.base - bytes.base
        guard count < NameSet.namesMax, start >= 0, start + name.count <= bytes.count else { return false }
        let hash = NameHash.hash(name)
        hashes[count] = hash
        names[count] = HeadRange(start: start, count: name.count)
        filter |= 1 &<< (hash & 63)
        count += 1
        return true
    }

    /// Whether it holds this name, in whatever case.
    ///
    /// Borrowed: the set is large, and is asked for each line.
    package borrowing func contains(_ name: ByteView) -> Bool {
        guard count > 0 else { return false }
        let hash = NameHash.hash(name)
        guard filter & (1 &<< (hash & 63)) != 0 else { return false }
        var index = 0
        while index < count {
            if hashes[index] == hash, name.equalsIgnoringCaseOfBoth(bytes[names[index].range]) { return true }
            index &+= 1
        }
        return false
    }
}
