/// The dynamic table of an HPACK decoder (RFC 7541, 2.3.2 and 4).
///
/// Entries are queued: their text, as `name: value`, stands in one run of memory, and what becomes free before the oldest is won back by moving
/// the rest to the front. Both pieces of memory are taken when the first field is put in, and grow with what is in them to at most `maximum`
/// bytes and, for the entries, three eighths of that: a connection that never indexes a field has none.
struct HPACKDynamicTable: BitwiseCopyable {
    /// What an entry counts besides its name and value (RFC 7541, 4.1).
    static let overhead = 32
    /// The largest table that may be allowed to a peer, in bytes as RFC 7541, 4.1 counts: lengths are kept in 16 bits.
    static let maximumLimit = 65_535

    struct Entry: BitwiseCopyable {
        /// Where the text begins, counted from the first byte that was ever put in, and beyond 4 GiB from 0 again.
        var position: UInt32
        var nameCount: UInt16
        var valueCount: UInt16
        /// `.plain` only with a valid value.
        var kind: FieldKind

        var accounted: Int { Int(nameCount) &+ Int(valueCount) &+ HPACKDynamicTable.overhead }
        var bytes: Int { Int(nameCount) &+ Int(valueCount) &+ 2 }
    }

    /// Bytes that the entries may count; the peer sets it within what it was allowed.
    private(set) var maximum: Int
    /// Bytes that they do count.
    private(set) var size = 0
    /// Entries.
    private(set) var count = 0

    private var text: UnsafeMutablePointer<UInt8>?
    private var textCapacity = 0
    private var entries: UnsafeMutablePointer<Entry>?
    /// A power of two, or 0.
    private var entryCapacity = 0
    /// Entries ever put in: the newest stands at the one before, modulo the capacity.
    private var inserted: UInt32 = 0
    /// The position of the first byte of `text`, and of the first behind the newest entry.
    private var base: UInt32 = 0
    private var end: UInt32 = 0

    init(maximum: Int) {
        self.maximum = min(maximum, Self.maximumLimit)
    }

    /// Gives the memory back; nothing is in the table then.
    mutating func deallocate() {
        text?.deallocate()
        entries?.deallocate()
        self = HPACKDynamicTable(maximum: maximum)
    }

    /// Gives back what the entries do not need now.
    mutating func trim() {
        guard count > 0, let text else { return deallocate() }
        let first = entries.map { $0[place(inserted &- UInt32(truncatingIfNeeded: count))].position } ?? end
        let live = Int(end &- first)
        if live < textCapacity {
            let smaller = UnsafeMutablePointer<UInt8>.allocate(capacity: live)
            smaller.update(from: text + Int(first &- base), count: live)
            text.deallocate()
            self.text = smaller
            textCapacity = live
            base = first
        }
        var capacity = entryCapacity
        while capacity >= 16, capacity / 2 >= count { capacity /= 2 }
        if capacity < entryCapacity { moveEntries(to: capacity) }
    }

    /// Bytes of memory that it holds.
    var memory: Int { textCapacity + entryCapacity * MemoryLayout<Entry>.stride }

    /// The entry, counted from the newest, and its text. Nil if there are not so many.
    @inline(__always)
    func entry(_ index: Int) -> (entry: Entry, text: UnsafePointer<UInt8>)? {
        guard index >= 0, index < count, let entries, let text else { return nil }
        let entry = entries[place(inserted &- 1 &- UInt32(truncatingIfNeeded: index))]
        return (entry, UnsafePointer(text) + Int(entry.position &- base))
    }

    /// Sets how much it may hold, at most `maximumLimit`, and drops what is too much (RFC 7541, 4.3).
    mutating func setMaximum(_ bytes: Int) {
        maximum = min(bytes, Self.maximumLimit)
        evict(for: 0)
        if maximum == 0 { deallocate() }
    }

    /// Puts a field in (RFC 7541, 4.4). One that is larger than the table empties it.
    ///
    /// - Parameter source: `name: value`, not within the table.
    mutating func insert(_ source: UnsafePointer<UInt8>, nameCount: Int, valueCount: Int, kind: FieldKind) {
        evict(for: nameCount &+ valueCount &+ Self.overhead)
        guard nameCount &+ valueCount &+ Self.overhead <= maximum else { return }
        let bytes = nameCount &+ valueCount &+ 2
        makeRoom(bytes)
        guard let text, let entries else { return }
        (text + Int(end &- base)).update(from: source, count: bytes)
        entries[place(inserted)] = Entry(
            position: end, nameCount: UInt16(truncatingIfNeeded: nameCount), valueCount: UInt16(truncatingIfNeeded: valueCount), kind: kind)
        inserted &+= 1
        count &+= 1
        size &+= nameCount &+ valueCount &+ Self.overhead
        end &+= UInt32(truncatingIfNeeded: bytes)
    }

    @inline(__always)
    private func place(_ number: UInt32) -> Int { Int(number) & (entryCapacity &- 1) }

    /// Drops the oldest until `bytes` more may come, or nothing is left.
    private mutating func evict(for bytes: Int) {
        while count > 0, size &+ bytes > maximum, let entries {
            size &-= entries[place(inserted &- UInt32(truncatingIfNeeded: count))].accounted
            count &-= 1
        }
    }

    /// Sees to it that one more entry and `bytes` of text behind the newest have their place.
    private mutating func makeRoom(_ bytes: Int) {
        if count == entryCapacity { growEntries() }
        guard Int(end &- base) &+ bytes > textCapacity else { return }
        let first = count > 0 ? entries.map { $0[place(inserted &- UInt32(truncatingIfNeeded: count))].position } ?? end : end
        let live = Int(end &- first)
        let from = Int(first &- base)
        // Half of it free again is worth the moving; less, and it would be moved for every few entries.
        if live &+ bytes <= textCapacity / 2 || (textCapacity >= maximum && live &+ bytes <= textCapacity), let text {
            text.update(from: text + from, count: live)
        } else {
            var capacity = max(128, textCapacity)
            while capacity < (live &+ bytes) &* 2 { capacity &*= 2 }
            // No more than `maximum` bytes can be in it: text is counted with 30 more than it takes.
            capacity = max(live &+ bytes, min(capacity, maximum))
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
            if let text {
                larger.update(from: text + from, count: live)
                text.deallocate()
            }
            text = larger
            textCapacity = capacity
        }
        base = first
    }

    private mutating func growEntries() {
        moveEntries(to: entryCapacity == 0 ? 8 : entryCapacity * 2)
    }

    /// - Parameter capacity: a power of two, `count` at least.
    private mutating func moveEntries(to capacity: Int) {
        let moved = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        for back in 0..<count {
            let number = inserted &- 1 &- UInt32(truncatingIfNeeded: back)
            if let entries { moved[Int(number) & (capacity - 1)] = entries[place(number)] }
        }
        entries?.deallocate()
        entries = moved
        entryCapacity = capacity
    }
}
