import CVirtualKernel
import SluiceSimulation

// What the operator, and whoever owns the keys, the clock and the machines of services, does.

extension Simulation {
    func publish(_ plan: Plan) {
        let problems = gateway.publish(plan.text(listeners: World.listeners))
        guard problems.isEmpty else { return faults.append("the configuration is refused: \(problems.joined(separator: "; "))\n\(plan.text(listeners: World.listeners))") }
        versions.append(Version(plan: plan, from: vk_now()))
        log("the configuration is now\n\(plan.text(listeners: World.listeners))")
    }

    func reload() {
        guard !isDraining, let plan = versions.last?.plan else { return }
        publish(PlanMaker.change(plan, &random))
    }

    func drain() {
        log("the gateway is told to end")
        isDraining = true
        gateway.drain()
    }

    func stepClock() {
        let seconds = random.pick([-100_000, -90, -7, -1, 1, 5, 70, 4000])
        vk_step_wall(Int64(seconds) * 1_000_000_000)
        wallOffsets.append((vk_now(), vk_wall() &- vk_now()))
        log("the wall clock steps by \(seconds) s")
    }

    func changeKeySet() {
        let name = random.pick(PlanMaker.keySets)
        let answer = random.pick([
            (4, KeyRing.Answer(keys: random.some(KeyRing.ids, percent: 50), hasForeign: random.chance(30))), (3, KeyRing.Answer(keys: [], hasForeign: random.chance(50))),
            (2, KeyRing.Answer()),
            (1, KeyRing.Answer(isGarbage: true)), (2, KeyRing.Answer(keys: KeyRing.ids)),
        ])
        keys.set(name, to: answer)
        log("the key set \(name) is now \(answer)")
    }

    /// A fetch of a key set begins. Returns how long it takes, in nanoseconds.
    func fetchBegins() -> UInt64 {
        let milliseconds = random.pick([(5, 0), (3, random.between(1, 100)), (2, random.between(100, 600))])
        guard milliseconds > 0 else { return 0 }
        at(milliseconds) {}
        // Whoever waits for it may find another configuration in force.
        if conditions.reloads, random.chance(40) { for _ in 0..<random.between(1, 2) { at(random.below(milliseconds)) { [unowned self] in reload() } } }
        return UInt64(milliseconds) * 1_000_000
    }

    func breakService() {
        let service = random.below(World.serviceCount)
        vk_set_answer(listening[service], random.chance(70) ? VK_REFUSES : VK_IS_SILENT)
        let from = vk_now()
        log("service \(service) takes no connections")
        at(random.between(20, 900)) { [unowned self] in
            vk_set_answer(listening[service], VK_ACCEPTS)
            outages.append((service, from, vk_now()))
            log("service \(service) takes connections again")
        }
    }
}
