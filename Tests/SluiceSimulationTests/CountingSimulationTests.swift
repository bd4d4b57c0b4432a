import SluiceSimulation
import Testing

/// Ten thousand seeds of each simulation, and proof that the simulations can fail.
@Suite("Counting, simulated")
struct CountingSimulationTests {
    @Test("no second holds more than the ceiling, and it is used under load, whatever workers, nodes, network and store do")
    func bounds() async {
        let violations = await SeedRange(first: 1, count: 10_000).violations(tasks: 2, SeedRange.playAll)
        #expect(violations.isEmpty, "\(violations.prefix(5))")
    }

    @Test("the meter's simulation finds a meter that does not hold", arguments: MeterSimulation.Defect.allCases)
    func defectiveMeter(defect: MeterSimulation.Defect) {
        #expect(SeedRange(first: 1, count: 3000).firstViolation { MeterSimulation(seed: $0, defect: defect)?.run() } != nil)
    }

    @Test("the simulation of callers' limits finds a table that does not hold", arguments: LimitSimulation.Defect.allCases)
    func defectiveLimits(defect: LimitSimulation.Defect) {
        #expect(SeedRange(first: 1, count: 3000).firstViolation { LimitSimulation(seed: $0, defect: defect).run() } != nil)
    }

    @Test("the fleet's simulation finds a node that does not keep to the rules", arguments: FleetScenario.NodeDefect.allCases)
    func defectiveNode(defect: FleetScenario.NodeDefect) {
        #expect(SeedRange(first: 1, count: 3000).firstViolation { FleetSimulation(seed: $0, nodeDefect: defect).run() } != nil)
    }

    @Test("the simulation of shared quotas finds a node that does not keep to the rules", arguments: QuotaFleetSimulation.Defect.allCases)
    func defectiveQuotas(defect: QuotaFleetSimulation.Defect) {
        #expect(SeedRange(first: 1, count: 3000).firstViolation { QuotaFleetSimulation(seed: $0, defect: defect).run() } != nil)
    }

    @Test(
        "the simulation of shared quotas finds a store that does not keep to the rules",
        arguments: [.ignoresSequence, .ignoresLostKeys, .neverBeginsAnew] as [StoreModel.Defect])
    func defectiveQuotaStore(defect: StoreModel.Defect) {
        #expect(SeedRange(first: 1, count: 3000).firstViolation { QuotaFleetSimulation(seed: $0, storeDefect: defect).run() } != nil)
    }

    @Test(
        "the fleet's simulation finds a store that does not keep to the rules",
        arguments: StoreModel.Defect.allCases.filter { $0 != .neverBeginsAnew })
    func defectiveStore(defect: StoreModel.Defect) {
        #expect(SeedRange(first: 1, count: 3000).firstViolation { FleetSimulation(seed: $0, storeDefect: defect).run() } != nil)
    }
}
