/// The connections that get another turn after the ready ones had theirs, in order. One place per connection at most, so it
/// stops growing with the number of connections, also where it is never empty: what was taken out goes when it is the larger part.
struct TurnQueue {
    struct Entry {
        /// The connection's place.
        let place: UnsafeMutableRawPointer
        /// What the connection had: its place may serve another one by then.
        let generation: UInt32
        /// What stands in the place.
        let kind: Deadline.Kind
    }

    /// How many entries are taken out before they are looked at as a part.
    private static let takenMin = 64

    private var entries: [Entry] = []
    private var first = 0

    var isEmpty: Bool { first == entries.count }
    var count: Int { entries.count - first }

    /// Entries that memory is held for, those that were taken out included.
    var heldCount: Int { entries.count }

    mutating func append(_ entry: Entry) { entries.append(entry) }

    mutating func next() -> Entry? {
        guard first < entries.count else { return nil }
        let entry = entries[first]
        first += 1
        if first == entries.count {
            entries.removeAll(keepingCapacity: true)
            first = 0
        } else if first >= Self.takenMin, first >= entries.count / 2 {
            // Hardly more is moved than was taken out.
            entries.removeSubrange(..<first)
            first = 0
        }
        return entry
    }
}
