import Synchronization

@testable import SluiceStore

/// Clocks that a test sets; both go on together until the wall clock is stepped.
final class TestTime: Sendable {
    private let wall: Atomic<Int>
    private let monotonic = Atomic(1_000_000)

    init(seconds: Int = 6_030) { wall = Atomic(seconds * 1_000_000) }

    var store: StoreTime {
        StoreTime(wall: { self.wall.load(ordering: .relaxed) }, monotonic: { self.monotonic.load(ordering: .relaxed) })
    }

    func pass(seconds: Double) {
        wall.add(Int(seconds * 1e6), ordering: .relaxed)
        monotonic.add(Int(seconds * 1e6), ordering: .relaxed)
    }

    func step(seconds: Double) { wall.add(Int(seconds * 1e6), ordering: .relaxed) }
}
