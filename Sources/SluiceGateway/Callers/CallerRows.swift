import SluiceCallers
import SluiceHTTP
import Synchronization

/// Which callers have a row of their own in the metrics: the first that call, up to a bound. All others share one, so that the page and the memory stay small however
/// many callers there are. A row is a caller's until the process ends.
///
/// Sendable, because a row's name is written once, by whoever has claimed it, before the word that shows it.
final class CallerRows: @unchecked Sendable {
    /// Rows of callers' own.
    static let count = 100
    /// The row of all others.
    static let others = count
    /// Places of the table in which rows are found by the caller's name: a third of them at most is taken.
    private static let places = 512

    /// 0: free. 1: being written. Else the hash of the name, with the two lowest bits set.
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let rowNumbers: UnsafeMutablePointer<UInt8>
    private let names: UnsafeMutablePointer<UInt8>
    private let nameCounts: UnsafeMutablePointer<UInt8>
    private let used = Atomic<Int>(0)

    init() {
        words = .allocate(capacity: Self.places)
        for place in 0..<Self.places { (words + place).initialize(to: Atomic(0)) }
        rowNumbers = .allocate(capacity: Self.places)
        names = .allocate(capacity: Self.places * CallerRules.nameBytesMax)
        nameCounts = .allocate(capacity: Self.places)
    }

    deinit {
        words.deallocate()
        rowNumbers.deallocate()
        names.deallocate()
        nameCounts.deallocate()
    }

    /// The row of a caller. Any worker.
    func row(of name: ByteView) -> Int {
        let hash = Self.hash(name)
        var place = Int(hash >> 32) % Self.places
        for _ in 0..<Self.places {
            switch words[place].load(ordering: .acquiring) {
            case hash where isNamed(place, name): return Int(rowNumbers[place])
            case 0: return claim(place, hash, name)
            case 1: return Self.others
            default: place = (place + 1) % Self.places
            }
        }
        return Self.others
    }

    private func claim(_ place: Int, _ hash: UInt64, _ name: ByteView) -> Int {
        guard name.count <= CallerRules.nameBytesMax, used.load(ordering: .relaxed) < Self.count,
            words[place].compareExchange(expected: 0, desired: 1, ordering: .acquiringAndReleasing).exchanged
        else { return Self.others }
        let row = used.add(1, ordering: .relaxed).oldValue
        // Where two have claimed the last row at once, one of them has none: its place is for nobody.
        guard row < Self.count else {
            nameCounts[place] = 0
            words[place].store(3, ordering: .releasing)
            return Self.others
        }
        (names + place * CallerRules.nameBytesMax).update(from: name.base, count: name.count)
        nameCounts[place] = UInt8(name.count)
        rowNumbers[place] = UInt8(row)
        words[place].store(hash, ordering: .releasing)
        return row
    }

    private func isNamed(_ place: Int, _ name: ByteView) -> Bool {
        ByteView(base: names + place * CallerRules.nameBytesMax, count: Int(nameCounts[place])).equals(name)
    }

    /// Names by row.
    var labels: [Int: String] {
        var labels: [Int: String] = [:]
        for place in 0..<Self.places where words[place].load(ordering: .acquiring) > 3 {
            let name = ByteView(base: names + place * CallerRules.nameBytesMax, count: Int(nameCounts[place]))
            labels[Int(rowNumbers[place])] = name.string
        }
        return labels
    }

    /// FNV-1a; the names are the operator's.
    private static func hash(_ name: ByteView) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in 0..<name.count { hash = (hash ^ UInt64(name[index])) &* 0x100_0000_01B3 }
        return hash | 4
    }
}
