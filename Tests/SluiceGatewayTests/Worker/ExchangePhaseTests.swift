import SluiceConfiguration
import Testing

@testable import SluiceGateway

/// Where an exchange stands, without any connection.
@Suite("Phases of an exchange")
struct ExchangePhaseTests {
    private func withRun(_ body: (inout ExchangeRun) -> Void) {
        let nobody = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)
        defer { nobody.deallocate() }
        var run = ExchangeRun(clientPlace: nobody)
        body(&run)
    }

    @Test("what waits goes on once, and nothing goes on that does not wait")
    func waiting() {
        withRun { run in
            var hasGoneOn = run.goOn()
            #expect(!run.isSuspended && !hasGoneOn)
            run.suspend(for: .keySet(1))
            #expect(run.isSuspended && !run.isPreCall && run.call == nil && run.suspensions == 1)
            hasGoneOn = run.goOn()
            #expect(hasGoneOn && !run.isSuspended)
            hasGoneOn = run.goOn()
            #expect(!hasGoneOn && run.suspensions == 1)
        }
    }

    @Test("a pre-call has its question and its time for as long as it is asked, and the request behind it has neither")
    func asking() {
        let call = UnsafeMutablePointer<ServiceCall>.allocate(capacity: 1)
        defer { call.deallocate() }
        withRun { run in
            run.suspend(for: .service(call))
            #expect(run.isPreCall && run.call == UnsafePointer(call) && run.askedUntil == Deadline.never)
            run.ask(call, until: 70)
            run.beginAttempt()
            run.noteAsked()
            #expect(run.isPreCall && run.isSuspended && run.askedUntil == 70 && run.attempts == 1 && run.isRequestSent)
            let hasGoneOn = run.goOn()
            #expect(hasGoneOn && !run.isPreCall && run.call == nil && run.askedUntil == Deadline.never)
            run.forward(at: 5)
            run.beginAttempt()
            #expect(!run.isPreCall && !run.isSuspended && run.attempts == 1 && !run.isRequestSent && run.upstreamStartedAt == 5)
        }
    }

    @Test("a head that has come is not one that has gone, and may be taken back until then")
    func heads() {
        withRun { run in
            run.forward(at: 1)
            run.beginAttempt()
            run.noteAsked()
            #expect(!run.hasServiceHead && !run.isHeadSent)
            run.noteHead(at: 9)
            #expect(run.hasServiceHead && !run.isHeadSent && run.upstreamHeadAt == 9)
            run.takeBackHead()
            #expect(!run.hasServiceHead && run.isRequestSent && run.upstreamHeadAt == 0)
            run.beginAttempt()
            #expect(!run.isRequestSent && run.attempts == 2)
            run.noteAsked()
            run.noteHead(at: 10)
            run.notePassing()
            #expect(run.hasServiceHead && run.isHeadSent)
        }
    }

    @Test("an exchange ends once, whatever it was doing")
    func ends() {
        for prepare in [{ _ in }, { $0.noteAsked() }, { $0.beginOwn() }, { $0.noteTunnel(at: 3) }] as [(inout ExchangeRun) -> Void] {
            withRun { run in
                prepare(&run)
                let hasEnded = run.end(), endsAgain = run.end()
                #expect(hasEnded && !endsAgain && run.isHeadSent)
            }
        }
    }
}
