/// The streams of a connection, found by their identifiers, and the last ones that were released.
///
/// An identifier is never used twice on a connection, so it is its slot's generation, too. The memory is taken when the first stream is
/// opened, and doubles with the streams that are open at once.
struct HTTP2StreamTable: BitwiseCopyable {
    /// Released streams that are remembered, for frames that were under way when they ended: twice as many as may be open at once, 64 at least.
    private let remembered: Int

    private struct Closed: BitwiseCopyable {
        var identifier: UInt32
        var state: HTTP2StreamState
    }

    /// Streams that are not released.
    private(set) var count = 0
    private var slots: UnsafeMutablePointer<HTTP2Stream>?
    /// A power of two, or 0.
    private(set) var capacity = 0
    /// For each bucket the first slot, plus one.
    private var buckets: UnsafeMutablePointer<UInt16>?
    /// The first free slot, plus one.
    private var free: UInt16 = 0
    private var closed: UnsafeMutablePointer<Closed>?
    /// How many were ever remembered.
    private var closings: UInt32 = 0

    /// - Parameter streams: that may be open at once.
    init(streams: Int) { remembered = min(max(64, 2 * streams), 4_096) }

    mutating func deallocate() {
        freeSlots()
        closed?.deallocate()
        closed = nil
    }

    /// Gives back what no open stream needs. How the last ones ended is forgotten: whoever is idle has nothing of theirs under way.
    mutating func trim() {
        if count == 0 { deallocate() }
    }

    private mutating func freeSlots() {
        slots?.deallocate()
        buckets?.deallocate()
        slots = nil
        buckets = nil
        capacity = 0
        free = 0
        count = 0
    }

    /// Bytes of memory that it holds.
    var memory: Int {
        capacity * (MemoryLayout<HTTP2Stream>.stride + MemoryLayout<UInt16>.stride) + (closed == nil ? 0 : remembered * MemoryLayout<Closed>.stride)
    }

    /// The stream, or nil if it is not open or released.
    @inline(__always)
    func find(_ identifier: UInt32) -> UnsafeMutablePointer<HTTP2Stream>? {
        guard let slots, let buckets else { return nil }
        var place = Int(buckets[bucket(identifier)])
        while place > 0 {
            let slot = slots + (place &- 1)
            if slot.pointee.identifier == identifier { return slot }
            place = Int(slot.pointee.next)
        }
        return nil
    }

    @inline(__always)
    private func bucket(_ identifier: UInt32) -> Int { Int(identifier &>> 1) & (capacity &- 1) }

    /// Adds a stream, which is not in it. At most 65,535.
    mutating func add(_ stream: HTTP2Stream) {
        if free == 0 { grow() }
        guard let slots, let buckets, free > 0 else { return }
        let place = free
        let slot = slots + (Int(place) - 1)
        free = slot.pointee.next
        let bucket = bucket(stream.identifier)
        slot.pointee = stream
        slot.pointee.next = buckets[bucket]
        buckets[bucket] = place
        count += 1
    }

    private mutating func grow() {
        let larger = capacity == 0 ? 4 : capacity * 2
        guard larger <= 65_536 else { return }
        let newSlots = UnsafeMutablePointer<HTTP2Stream>.allocate(capacity: larger)
        let newBuckets = UnsafeMutablePointer<UInt16>.allocate(capacity: larger)
        newBuckets.initialize(repeating: 0, count: larger)
        if let slots { newSlots.update(from: slots, count: capacity) }
        let old = capacity
        slots?.deallocate()
        buckets?.deallocate()
        slots = newSlots
        buckets = newBuckets
        capacity = larger
        // All old ones are taken, or this would not have been asked for.
        for index in 0..<old {
            let bucket = bucket(newSlots[index].identifier)
            newSlots[index].next = newBuckets[bucket]
            newBuckets[bucket] = UInt16(truncatingIfNeeded: index + 1)
        }
        for index in old..<larger {
            newSlots[index] = HTTP2Stream(identifier: 0, state: .ended, sendWindow: 0, receiveWindow: 0)
            newSlots[index].next = index + 1 < min(larger, 65_535) ? UInt16(truncatingIfNeeded: index + 2) : 0
        }
        free = UInt16(truncatingIfNeeded: old + 1)
    }

    /// Takes a stream out and remembers how it ended.
    mutating func remove(_ identifier: UInt32) {
        guard let slots, let buckets, count > 0 else { return }
        let bucket = bucket(identifier)
        var previous: UnsafeMutablePointer<HTTP2Stream>?
        var place = buckets[bucket]
        while place > 0 {
            let slot = slots + (Int(place) - 1)
            guard slot.pointee.identifier != identifier else {
                if let previous { previous.pointee.next = slot.pointee.next } else { buckets[bucket] = slot.pointee.next }
                remember(identifier, slot.pointee.state)
                slot.pointee.identifier = 0
                slot.pointee.next = free
                free = place
                count -= 1
                return
            }
            previous = slot
            place = slot.pointee.next
        }
    }

    /// Remembers how a stream ended that is not in the table.
    mutating func remember(_ identifier: UInt32, _ state: HTTP2StreamState) {
        if closed == nil {
            let memory = UnsafeMutablePointer<Closed>.allocate(capacity: remembered)
            memory.initialize(repeating: Closed(identifier: 0, state: .ended), count: remembered)
            closed = memory
        }
        closed?[Int(closings) % remembered] = Closed(identifier: identifier, state: state)
        closings &+= 1
    }

    /// How a stream ended that is not in the table; nil if nobody remembers.
    func closing(of identifier: UInt32) -> HTTP2StreamState? {
        guard let closed else { return nil }
        for index in 0..<remembered where closed[index].identifier == identifier { return closed[index].state }
        return nil
    }

    /// The next stream in no particular order, beginning with a `place` of 0; streams may be removed between two calls.
    func next(_ place: inout Int) -> UnsafeMutablePointer<HTTP2Stream>? {
        guard let slots else { return nil }
        while place < capacity {
            let slot = slots + max(0, place)
            place += 1
            if slot.pointee.identifier != 0 { return slot }
        }
        return nil
    }

    /// Runs `body` on every stream until it says true; answers with that stream.
    @inline(__always)
    func first(where body: (UnsafeMutablePointer<HTTP2Stream>) -> Bool) -> UnsafeMutablePointer<HTTP2Stream>? {
        guard let slots, count > 0 else { return nil }
        for index in 0..<capacity where slots[index].identifier != 0 {
            if body(slots + index) { return slots + index }
        }
        return nil
    }
}
