import SluiceHTTP
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How many connections each client has open, over all workers, without a lock.
///
/// Words in buckets of eight. A word holds 40 bits of a keyed hash of the client's address and the count below; zero is
/// free. Other bits of the hash choose the bucket. Two workers that begin one client's count at once may do so in two words, so the sum
/// over the bucket is what counts, and a connection is taken off whichever is found first.
///
/// Whoever has counted a connection in looks at the sum once more: of two at once for the last place both may be refused, and never are both
/// admitted. Two clients are taken for one with a probability of one in 2^40 for each pair in a bucket. A bucket with eight clients refuses a ninth, whose
/// connections could not be bounded; with the room that is made for them that concerns one client in some four thousand, when every
/// descriptor has a client of its own, and whose, nobody can choose.
///
/// Sendable, because its members do not change and the words that they point to are atomic. Any thread.
final class ConnectionsPerClient: @unchecked Sendable {
    private static let bucketWords = 8
    private static let countBits: UInt64 = 24
    /// Above any number of descriptors; reached by nobody.
    private static let countMask: UInt64 = 1 << countBits - 1
    /// Each failed exchange means that another worker changed the word meanwhile.
    private static let triesMax = 1000

    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let bucketMask: Int

    private struct Place {
        let bucket: UnsafeMutablePointer<Atomic<UInt64>>
        let tag: UInt64
    }

    /// - Parameter connections: how many there may be in all; room is made for four times as many clients.
    init(connections: Int) {
        let wanted = max(1, min(connections, 1 << 22)) / 2
        var buckets = 64
        while buckets < wanted { buckets *= 2 }
        bucketMask = buckets - 1
        // From calloc, so that it costs memory only where it was written.
        guard let memory = calloc(buckets * Self.bucketWords, MemoryLayout<Atomic<UInt64>>.stride) else {
            preconditionFailure("no memory for the counts of \(connections) connections")
        }
        words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: buckets * Self.bucketWords)
    }

    deinit { free(words) }

    /// Counts one more in. False, and nothing is counted, where the client has `limit` open already.
    func enter(_ client: IPAddress, limit: Int) -> Bool {
        let place = place(of: client)
        for _ in 0..<Self.triesMax {
            guard open(at: place) < limit, let (word, content) = find(place, orFree: true) else { return false }
            let desired = content == 0 ? place.tag << Self.countBits | 1 : content + 1
            guard word.pointee.compareExchange(expected: content, desired: desired, ordering: .sequentiallyConsistent).exchanged else { continue }
            if open(at: place) <= limit { return true }
            leave(place)
            return false
        }
        return false
    }

    /// Counts one out that was counted in.
    func leave(_ client: IPAddress) { leave(place(of: client)) }

    /// Connections that the client has open.
    func open(_ client: IPAddress) -> Int { open(at: place(of: client)) }

    private func leave(_ place: Place) {
        for _ in 0..<Self.triesMax {
            // Others that come and go may have moved the count past the one who looks.
            guard let (word, content) = find(place, orFree: false) else { continue }
            let desired = content & Self.countMask > 1 ? content - 1 : 0
            if word.pointee.compareExchange(expected: content, desired: desired, ordering: .sequentiallyConsistent).exchanged { return }
        }
    }

    private func place(of client: IPAddress) -> Place {
        var hasher = Hasher()
        hasher.combine(client)
        let hash = UInt64(bitPattern: Int64(hasher.finalize()))
        let bucket = Int(truncatingIfNeeded: hash) & bucketMask
        return Place(bucket: words + bucket * Self.bucketWords, tag: hash >> Self.countBits)
    }

    private func open(at place: Place) -> Int {
        var sum = 0
        for index in 0..<Self.bucketWords {
            let content = place.bucket[index].load(ordering: .sequentiallyConsistent)
            if content >> Self.countBits == place.tag { sum += Int(content & Self.countMask) }
        }
        return sum
    }

    /// The client's first word with what it holds, else the first free one if that will do.
    private func find(_ place: Place, orFree: Bool) -> (word: UnsafeMutablePointer<Atomic<UInt64>>, content: UInt64)? {
        var free: UnsafeMutablePointer<Atomic<UInt64>>?
        for index in 0..<Self.bucketWords {
            let word = place.bucket + index
            let content = word.pointee.load(ordering: .sequentiallyConsistent)
            if content != 0, content >> Self.countBits == place.tag { return (word, content) }
            if content == 0, free == nil { free = word }
        }
        guard orFree, let free else { return nil }
        return (free, 0)
    }
}
