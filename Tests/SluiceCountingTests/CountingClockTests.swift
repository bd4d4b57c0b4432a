import Testing

@testable import SluiceCounting

@Suite("Counting clock")
struct CountingClockTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("it follows the wall clock, and a step forwards at once")
    func forwards() {
        var clock = CountingClock(wall: 100 * Self.second, monotonic: 0)
        #expect(clock.seconds(at: 5 * Self.second) == 105)
        #expect(clock.follow(wall: 105 * Self.second + 500_000_000, monotonic: 5 * Self.second) == 0)
        #expect(clock.follow(wall: 3705 * Self.second, monotonic: 5 * Self.second) == 3_599_500_000_000)
        #expect(clock.seconds(at: 5 * Self.second) == 3705)
    }

    @Test("half a second back is evened out at half speed, and never back", arguments: [1, 400_000_000, 500_000_000] as [UInt64])
    func littleBack(step: UInt64) {
        var clock = CountingClock(wall: 1000 * Self.second, monotonic: 0)
        var last = clock.nanoseconds(at: 0)
        for hundredth in 1...101 as ClosedRange<UInt64> {
            let monotonic = hundredth * Self.second / 100
            #expect(clock.follow(wall: 1000 * Self.second - step + monotonic, monotonic: monotonic) == 0)
            let now = clock.nanoseconds(at: monotonic)
            #expect(now > last)
            last = now
        }
        #expect(last == 1000 * Self.second - step + 1_010_000_000)
    }

    @Test("more is followed at once", arguments: [500_000_001, 60_000_000_000, 2_592_000_000_000_000] as [UInt64])
    func back(step: UInt64) {
        var clock = CountingClock(wall: 10_000_000 * Self.second, monotonic: 0)
        #expect(clock.follow(wall: 10_000_000 * Self.second - step, monotonic: 0) == -Int64(step))
        #expect(clock.nanoseconds(at: 0) == 10_000_000 * Self.second - step)
    }

    @Test("there and back again is where it was: a month ahead for three seconds leaves nothing behind")
    func thereAndBack() {
        var clock = CountingClock(wall: 1000 * Self.second, monotonic: 0)
        _ = clock.follow(wall: 2_593_000 * Self.second, monotonic: 0)
        _ = clock.follow(wall: 1003 * Self.second, monotonic: 3 * Self.second)
        #expect(clock.seconds(at: 3 * Self.second) == 1003)
    }

    @Test("a store's clock: a window is over once the clock was set back by its length since it was begun, and not before")
    func storeClock() {
        var clock = StoreClock()
        clock.advance(to: 1_000_000_000)
        let lead = clock.lead
        clock.advance(to: 1_000_400_000)
        #expect(clock.lead == lead)
        clock.advance(to: 1_000_400_000 - 2_000_000)
        #expect(clock.isOver(begunAt: lead, perSeconds: 2))
        #expect(!clock.isOver(begunAt: lead, perSeconds: 3))
        #expect(!clock.isOver(begunAt: clock.lead, perSeconds: 1))
        // Forwards and back again: what was begun before and goes on is not over, what was begun in between is.
        var second = StoreClock()
        second.advance(to: 1_000_000_000)
        let before = second.lead
        second.advance(to: 5_000_000_000)
        let between = second.lead
        second.advance(to: 1_003_000_000)
        #expect(!second.isOver(begunAt: before, perSeconds: 1))
        #expect(second.isOver(begunAt: between, perSeconds: 60))
    }
}
