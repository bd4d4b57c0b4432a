import Synchronization

/// The questions to pre-call APIs that are being asked: who comes with one of these waits for its answer instead of asking again.
///
/// A fixed number of places in buckets of eight. A place holds the question's key, the flight's number (0: free) and which workers have
/// exchanges that wait, as a bit for each worker modulo 64. Shared by all workers:
///
/// - `claim` changes a bucket under its own word, which one worker holds for some ten instructions; who does not get hold of it, or finds
///   the bucket full, asks without a flight. Nobody waits for anybody.
/// - `end` takes no hold: it marks the number as ended, takes the bits, and frees the place. Who joins sets its bit and then looks at the
///   number once more, so that either the one who ends sees the bit or the one who joins sees the end.
///
/// Sendable, because its members do not change and the words that they point to are atomic.
final class PreCallFlights: @unchecked Sendable {
    /// The number of a flight, never used again. Its lowest bits say where it stands.
    typealias Number = UInt64

    enum Claim: Equatable {
        /// The caller asks, and ends the flight whatever becomes of that.
        case asker(Number)
        /// Somebody asks; the caller's worker is told when that ends.
        case waiter(Number)
        /// Somebody's flight has just ended: the answer may be remembered by now.
        case ended
        /// The caller asks for itself alone.
        case unshared
    }

    private static let bucketCount = 512
    private static let flightsPerBucket = 8
    private static let wordsPerFlight = 4
    /// The word that holds it, the count of its flights, and the flights.
    private static let wordsPerBucket = 2 + flightsPerBucket * wordsPerFlight
    private static let placeBits: UInt64 = 12
    private static let holdsMax = 256
    /// Set in a number while its flight ends.
    private static let ending: UInt64 = 1 << 63

    /// What policies hold; valid as long as the flights, and Sendable for the same reason.
    struct Table: BitwiseCopyable, @unchecked Sendable {
        fileprivate let words: UnsafeMutablePointer<Atomic<UInt64>>

        /// Asks for the right to ask, or for a place among those who wait.
        func claim(_ key: SipHash128.Value, worker: Int) -> Claim {
            let index = Int(truncatingIfNeeded: key.low) & (PreCallFlights.bucketCount - 1)
            let bucket = words + index * PreCallFlights.wordsPerBucket
            guard hold(bucket) else { return .unshared }
            defer { bucket[0].store(0, ordering: .releasing) }
            var free: Int?
            for place in 0..<PreCallFlights.flightsPerBucket {
                let flight = flight(place, of: bucket)
                let number = flight[2].load(ordering: .sequentiallyConsistent)
                if number == 0 {
                    if free == nil { free = place }
                } else if flight[0].load(ordering: .relaxed) == key.low, flight[1].load(ordering: .relaxed) == key.high {
                    guard number & PreCallFlights.ending == 0 else { return .ended }
                    flight[3].bitwiseOr(Self.bit(of: worker), ordering: .sequentiallyConsistent)
                    return flight[2].load(ordering: .sequentiallyConsistent) == number ? .waiter(number) : .ended
                }
            }
            guard let free else { return .unshared }
            let count = bucket[1].load(ordering: .relaxed) &+ 1
            bucket[1].store(count, ordering: .relaxed)
            let place = UInt64(index * PreCallFlights.flightsPerBucket + free)
            let number = (count << PreCallFlights.placeBits | place) & ~PreCallFlights.ending
            let flight = flight(free, of: bucket)
            flight[0].store(key.low, ordering: .relaxed)
            flight[1].store(key.high, ordering: .relaxed)
            flight[3].store(0, ordering: .relaxed)
            flight[2].store(number, ordering: .sequentiallyConsistent)
            return .asker(number)
        }

        /// Ends the flight of who asked. Once.
        /// - Returns: the workers that are to be told, as bits of their numbers modulo 64.
        func end(_ number: Number) -> UInt64 {
            let place = Int(truncatingIfNeeded: number & (1 << PreCallFlights.placeBits - 1))
            let bucket = words + place / PreCallFlights.flightsPerBucket * PreCallFlights.wordsPerBucket
            let flight = flight(place % PreCallFlights.flightsPerBucket, of: bucket)
            let isMine = flight[2].compareExchange(
                expected: number, desired: number | PreCallFlights.ending, ordering: .sequentiallyConsistent).exchanged
            guard isMine else { return 0 }
            let waiting = flight[3].exchange(0, ordering: .sequentiallyConsistent)
            flight[2].store(0, ordering: .sequentiallyConsistent)
            return waiting
        }

        /// The bit of a worker among those that wait.
        static func bit(of worker: Int) -> UInt64 { 1 << UInt64(worker & 63) }

        private func flight(_ place: Int, of bucket: UnsafeMutablePointer<Atomic<UInt64>>) -> UnsafeMutablePointer<Atomic<UInt64>> {
            bucket + (2 + place * PreCallFlights.wordsPerFlight)
        }

        private func hold(_ bucket: UnsafeMutablePointer<Atomic<UInt64>>) -> Bool {
            for _ in 0..<PreCallFlights.holdsMax {
                if bucket[0].compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { return true }
            }
            return false
        }
    }

    let table: Table

    init() {
        let count = Self.bucketCount * Self.wordsPerBucket
        let words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64).bindMemory(to: Atomic<UInt64>.self, capacity: count)
        for index in 0..<count { (words + index).initialize(to: Atomic(0)) }
        table = Table(words: words)
    }

    deinit { table.words.deallocate() }
}
