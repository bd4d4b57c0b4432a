/// The connections that get another turn after the ready ones had theirs, in order. One place per connection at most, so it
/// stops growing with the number of connections.
struct TurnQueue {
    enum Entry {
        /// With the generation that the connection had: its place may serve another one by then.
        case downstream(Downstream, UInt32)
        case upstream(UpstreamLink, UInt32)
    }

    private var entries: [Entry] = []
    private var first = 0

    var isEmpty: Bool { first == entries.count }
    var count: Int { entries.count - first }

    mutating func append(_ entry: Entry) { entries.append(entry) }

    mutating func next() -> Entry? {
        guard first < entries.count else { return nil }
        let entry = entries[first]
        first += 1
        if first == entries.count {
            entries.removeAll(keepingCapacity: true)
            first = 0
        }
        return entry
    }
}
