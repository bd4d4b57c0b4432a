import SluiceConfiguration
import Testing

@testable import SluiceGateway

/// When a worker's next tick is planned, on a clock that the tests move.
@Suite("Ticks")
struct TickTests {
    private final class Bench {
        let worker: Worker
        let time: UnsafeMutablePointer<WorkerClock.Virtual>
        var turn: Turn { worker.parts.turn }

        init() throws {
            time = .allocate(capacity: 1)
            time.initialize(to: WorkerClock.Virtual(monotonic: 1_000_900_000_000, wall: 1_800_000_000_900_000_000))
            var clock = WorkerClock()
            clock.virtual = time
            let settings = ProcessSettings()
            worker = try Worker(
                number: 0, limits: WorkerLimits(settings), workerCount: 1, bounds: ConnectionBounds(settings, descriptors: 0),
                counts: SnapshotCompiler.Registries().counts, accessLog: nil, clock: clock)
        }

        deinit { time.deallocate() }

        func pass(milliseconds: UInt64) {
            time.pointee.pass(milliseconds * 1_000_000)
            turn.readClock()
        }
    }

    @Test("what is due in every turn does not put off the tick that is to come")
    func notPutOff() throws {
        let bench = try Bench()
        let wait = try #require(bench.turn.planTick(within: 10))
        #expect((1...20).contains(wait))
        for _ in 0..<100 {
            bench.pass(milliseconds: 3)
            bench.turn.noteDue(bench.turn.now)
            #expect(bench.turn.planTick(within: 10) == nil)
        }
        bench.turn.beginTick()
        #expect(try #require(bench.turn.planTick(within: 10)) <= 20)
    }

    @Test("a tick is brought forward for what is due before it")
    func broughtForward() throws {
        let bench = try Bench()
        #expect(try #require(bench.turn.planTick(within: 2000)) >= 2000)
        #expect(!bench.turn.isTickLate)
        bench.turn.noteDue(bench.turn.now + 50)
        #expect(bench.turn.isTickLate)
        #expect(try #require(bench.turn.planTick(within: 50)) <= 70)
    }
}
