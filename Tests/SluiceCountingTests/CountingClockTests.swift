import Testing

@testable import SluiceCounting

@Suite("Counting clock")
struct CountingClockTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("it follows the wall clock, and a step forwards at once")
    func forwards() {
        var clock = CountingClock(wall: 100 * Self.second, monotonic: 0)
        #expect(clock.seconds(at: 5 * Self.second) == 105)
        clock.follow(wall: 3705 * Self.second, monotonic: 5 * Self.second)
        #expect(clock.seconds(at: 5 * Self.second) == 3705)
    }

    @Test("after a step backwards it goes on at half speed until the wall clock has caught up, and never back")
    func backwards() {
        var clock = CountingClock(wall: 1000 * Self.second, monotonic: 0)
        var last = clock.nanoseconds(at: 0)
        // Set back by ten seconds: evened out in twenty.
        for tenth in 1...300 as ClosedRange<UInt64> {
            let monotonic = tenth * Self.second / 10
            clock.follow(wall: 990 * Self.second + monotonic, monotonic: monotonic)
            let now = clock.nanoseconds(at: monotonic)
            #expect(now > last)
            if tenth == 100 { #expect(now == 1005 * Self.second) }
            last = now
        }
        #expect(last == (990 + 30) * Self.second)
    }

    @Test("a step back of a day is evened out, of more than a day followed")
    func farBack() {
        let day = UInt64(CountingClock.setBackMax)
        var clock = CountingClock(wall: 10 * day, monotonic: 0)
        let isFar = clock.follow(wall: 9 * day, monotonic: 0)
        #expect(!isFar)
        #expect(clock.nanoseconds(at: 0) == 10 * day)
        let isFarther = clock.follow(wall: 9 * day - 1, monotonic: 0)
        #expect(isFarther)
        #expect(clock.nanoseconds(at: 0) == 9 * day - 1)
    }

    @Test("it begins no earlier than where it was stored, unless that is a day ahead")
    func stored() {
        #expect(CountingClock(wall: 100 * Self.second, monotonic: 7, highestSeconds: 160).seconds(at: 7) == 160)
        #expect(CountingClock(wall: 100 * Self.second, monotonic: 7, highestSeconds: 40).seconds(at: 7) == 100)
        #expect(CountingClock(wall: 100 * Self.second, monotonic: 7, highestSeconds: 100 + 86_401).seconds(at: 7) == 100)
        #expect(CountingClock(wall: 100 * Self.second, monotonic: 7, highestSeconds: .max).seconds(at: 7) == 100)
    }
}
