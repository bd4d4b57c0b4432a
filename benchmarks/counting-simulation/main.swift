import Glibc
import SluiceSimulation

// counting-simulation [--seeds N] [--from K]: plays seeds K to K+N-1 of the simulations of the meter, a fleet's ceilings and its quotas on all processors and prints
// every seed that violates a bound. Ends with 1 if there is one. With --defects: how many seeds find each planted defect. With --traffic: how
// often the nodes of a fleet go to their store.

func option(_ name: String, default value: UInt64) -> UInt64 {
    guard let place = CommandLine.arguments.firstIndex(of: name), place + 1 < CommandLine.arguments.count else { return value }
    return UInt64(CommandLine.arguments[place + 1]) ?? value
}

let seeds = option("--seeds", default: 10_000)
let from = option("--from", default: 1)
let tasks = UInt64(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))

if CommandLine.arguments.contains("--defects") {
    let range = SeedRange(first: from, count: seeds)
    for defect in MeterSimulation.Defect.allCases {
        print("meter, \(defect): \(await range.violations(tasks: tasks) { MeterSimulation(seed: $0, defect: defect)?.run() }.count) of \(seeds)")
    }
    for defect in FleetScenario.NodeDefect.allCases {
        print("node, \(defect): \(await range.violations(tasks: tasks) { FleetSimulation(seed: $0, nodeDefect: defect).run() }.count) of \(seeds)")
    }
    for defect in QuotaFleetSimulation.Defect.allCases {
        print("quotas, \(defect): \(await range.violations(tasks: tasks) { QuotaFleetSimulation(seed: $0, defect: defect).run() }.count) of \(seeds)")
    }
    for defect in StoreModel.Defect.allCases {
        print("quotas, store \(defect): \(await range.violations(tasks: tasks) { QuotaFleetSimulation(seed: $0, storeDefect: defect).run() }.count) of \(seeds)")
    }
    for defect in StoreModel.Defect.allCases {
        print("store, \(defect): \(await range.violations(tasks: tasks) { FleetSimulation(seed: $0, storeDefect: defect).run() }.count) of \(seeds)")
    }
    exit(0)
}

if CommandLine.arguments.contains("--traffic") {
    print("8 nodes; per node and second: round trips, projects told; admitted per second on all nodes")
    for projects in [1, 100, 10_000] {
        for rate in [10_000, 1_000_000] {
            let traffic = StoreTraffic(nodes: 8, projects: projects, rate: rate, ceiling: min(10_000_000, max(100, rate / projects)))
            let figures = traffic.run()
            print("\(projects) projects, \(rate) requests/s: \(Int(figures.roundTrips.rounded())), \(Int(figures.projects)); \(Int(figures.admitted))")
        }
    }
    exit(0)
}

let violations = await SeedRange(first: from, count: seeds).violations(tasks: tasks, SeedRange.playAll)
for violation in violations { print(violation) }
print("\(seeds) seeds from \(from): \(violations.count) violations")
exit(violations.isEmpty ? 0 : 1)
