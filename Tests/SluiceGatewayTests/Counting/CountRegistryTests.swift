import SluiceCounting
import SluiceEvent
import Testing

@testable import SluiceGateway

/// What is kept of ceilings and quotas that no configuration names any more.
@Suite("Count registry")
struct CountRegistryTests {
    private let registry = CountRegistry()
    private let key = QuotaKey(owner: "a", perSeconds: 60)

    /// Publishes a configuration with these projects, each with a quota.
    private func publish(_ projects: [String]) -> CountRegistry.Hold {
        let hold = registry.makeHold()
        registry.beginCompilation()
        for project in projects {
            _ = hold.ceiling(project: project, limit: 10)
            _ = hold.quota(QuotaKey(owner: project, perSeconds: 60), limit: 10)
        }
        registry.putInForce()
        return hold
    }

    private var later: UInt64 { Clock.monotonicNanoseconds() + CountRegistry.keptNanoseconds + 1 }

    private func shown() -> [[String]] {
        [registry.ceilings(now: 0).map(\.project), registry.quotas(now: 0).map(\.key.owner)]
    }

    @Test("what is shown is what is configured, also while exchanges of an earlier configuration are under way")
    func shows() {
        let first = publish(["a", "b"])
        #expect(shown() == [["a", "b"], ["a", "b"]])
        let second = publish(["b", "c"])
        #expect(shown() == [["b", "c"], ["b", "c"]])
        withExtendedLifetime((first, second)) {}
    }

    @Test("a hundred and fifty configurations with fresh names take the memory of one")
    func fresh() {
        var hold = publish(["p0"])
        for number in 1...150 {
            hold = publish(["p\(number)"])
            freeUnusedCeilings(of: registry, now: later)
            for quota in registry.takeUnusedQuotas(now: later) { registry.free(quota: quota) }
        }
        #expect(registry.projectCount <= 2)
        #expect(registry.quotaCount <= 2)
        #expect(shown() == [["p150"], ["p150"]])
        withExtendedLifetime(hold) {}
    }

    @Test("what is configured again within a ceiling's window, or while an exchange is under way, goes on where it was")
    func again() {
        var first: CountRegistry.Hold? = publish(["a"])
        let words = first?.ceiling(project: "a", limit: 10).words
        first = nil
        let between = publish(["b"])
        freeUnusedCeilings(of: registry, now: Clock.monotonicNanoseconds())
        let second = publish(["a"])
        #expect(second.ceiling(project: "a", limit: 10).words == words)
        freeUnusedCeilings(of: registry, now: later)
        #expect(second.ceiling(project: "a", limit: 10).words == words)
        #expect(registry.takeUnusedQuotas(now: later).count == 0 || second.quota(key, limit: 10).number >= 0)
        withExtendedLifetime((between, second)) {}
    }

    private func freeUnusedCeilings(of registry: CountRegistry, now: UInt64) {
        for number in registry.takeUnusedCeilings(now: now) { registry.free(ceiling: number) }
    }
}
