import SluiceConfiguration
import SluiceEvent
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// When an address is spared, and when it is tried again, on a clock that the tests move.
@Suite("Upstream address")
struct UpstreamAddressTests {
    private func limits(eject: Int = 3, circuit: Int = 5) -> WorkerLimits {
        var settings = ProcessSettings()
        settings.ejectAfterFailures = eject
        settings.circuitAfterFailures = circuit
        settings.ejectMs = 1000
        settings.circuitMs = 200
        return WorkerLimits(settings)
    }

    private final class Bench {
        var address = UpstreamAddress(address: SocketAddress(IPAddress(v4: 1), port: 80), ip: IPAddress(v4: 1), origin: 0)
        func isUsable(at now: UInt64) -> Bool { address.isUsable(at: now) }
        func noteChoice(at now: UInt64, sparedFor milliseconds: UInt64) { address.noteChoice(at: now, sparedFor: milliseconds) }
        func isAdmitted(at now: UInt64, openFor milliseconds: UInt64) -> Bool { address.isAdmitted(at: now, openFor: milliseconds) }
        func noteFailure(at now: UInt64, _ limits: WorkerLimits) { address.noteFailure(at: now, limits) }
        func noteSuccess() { address.noteSuccess() }
    }

    private func address(failures: Int, at now: UInt64 = 10_000, _ limits: WorkerLimits) -> Bench {
        let bench = Bench()
        for _ in 0..<failures { bench.noteFailure(at: now, limits) }
        return bench
    }

    @Test("among others: the last failure that is borne, and the one that is not")
    func ejection() {
        let borne = address(failures: 2, limits())
        #expect(borne.isUsable(at: 10_000))
        let spared = address(failures: 3, limits())
        #expect(!spared.isUsable(at: 10_999))
        #expect(spared.isAdmitted(at: 10_000, openFor: 200), "its circuit is not open yet")
    }

    @Test("spared: to be looked at uses nothing up, to be chosen does, until the exchange has shown how it is")
    func probe() {
        let address = address(failures: 3, limits())
        for _ in 0..<3 { #expect(address.isUsable(at: 11_000)) }
        address.noteChoice(at: 11_000, sparedFor: 1000)
        #expect(!address.isUsable(at: 11_999))
        #expect(address.isUsable(at: 12_000))
        address.noteSuccess()
        address.noteChoice(at: 12_000, sparedFor: 1000)
        #expect(address.isUsable(at: 12_000))
    }

    @Test("alone: the circuit is closed up to the last failure that is borne, and open after the next")
    func circuit() {
        let closed = address(failures: 4, limits())
        #expect(closed.isAdmitted(at: 10_000, openFor: 200))
        let open = address(failures: 5, limits())
        #expect(!open.isAdmitted(at: 10_199, openFor: 200))
    }

    @Test("half open: one exchange passes, the others wait for as long again; its failure opens the circuit, its success closes it")
    func halfOpen() {
        let address = address(failures: 5, limits())
        #expect(address.isAdmitted(at: 10_200, openFor: 200))
        #expect(!address.isAdmitted(at: 10_200, openFor: 200))
        #expect(!address.isAdmitted(at: 10_399, openFor: 200))
        // The first has not come back, perhaps because its client has gone: another one passes.
        #expect(address.isAdmitted(at: 10_400, openFor: 200))
        address.noteFailure(at: 10_500, limits())
        #expect(!address.isAdmitted(at: 10_699, openFor: 200))
        #expect(address.isAdmitted(at: 10_700, openFor: 200))
        address.noteSuccess()
        for _ in 0..<3 { #expect(address.isAdmitted(at: 10_700, openFor: 200)) }
        #expect(address.address.failures == 0 && address.isUsable(at: 10_700))
    }

    @Test("a success in between begins the count anew")
    func inARow() {
        let address = address(failures: 4, limits())
        address.noteSuccess()
        address.noteFailure(at: 10_000, limits())
        #expect(address.isAdmitted(at: 10_000, openFor: 200) && address.isUsable(at: 10_000))
    }

    @Test("0 failures: never")
    func never() {
        let address = address(failures: 1000, limits(eject: 0, circuit: 0))
        #expect(address.isAdmitted(at: 10_000, openFor: 200) && address.isUsable(at: 10_000))
    }
}
