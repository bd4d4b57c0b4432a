import Foundation
import Testing

@testable import SluiceCounting

@Suite("Quota simulation")
struct QuotaSimulationTests {
    /// How many seeds are run: `SIMULATION_SEEDS`, or as many as take some seconds in a debug build.
    private static var seeds: UInt64 { ProcessInfo.processInfo.environment["SIMULATION_SEEDS"].flatMap(UInt64.init) ?? 2000 }

    @Test("whatever happens, no window admits more than its limit, and what is wasted stays bounded")
    func holds() {
        var admissions = 0
        var crashes = 0
        for seed in 0..<Self.seeds {
            let simulation = QuotaSimulation(seed: seed)
            do {
                try simulation.run(steps: 400)
            } catch {
                Issue.record("seed \(seed): \(error)")
                return
            }
            admissions += simulation.admissions
            crashes += simulation.crashes
        }
        // A simulation in which little happens shows little.
        #expect(admissions > 50 * Int(Self.seeds))
        #expect(crashes > 2 * Int(Self.seeds))
    }

    @Test("a planted bug is found within 300 seeds", arguments: QuotaSimulation.PlantedBug.allCases)
    func finds(bug: QuotaSimulation.PlantedBug) {
        let found = (0..<300 as Range<UInt64>).first { seed in
            (try? QuotaSimulation(seed: seed, bug: bug).run(steps: 400)) == nil
        }
        #expect(found != nil)
    }
}
