@testable import SluiceCallers

/// Callers that are kept nowhere.
final class MemoryCallers: CallerStore {
    var kept: [Caller] = []
    var keptPlans: [Plan] = []
    var lastID: UInt32 = 0
    /// What every change fails with.
    var fault: String?

    func change(_ body: () throws -> Void) throws(CallerStoreError) {
        let before = (kept, keptPlans)
        do {
            try body()
            if let fault { throw CallerStoreError(fault) }
        } catch {
            (kept, keptPlans) = before
            throw error as? CallerStoreError ?? CallerStoreError("\(error)")
        }
    }

    func version() -> Int { 0 }
    func forEachCaller(_ body: (Caller) -> Void) { kept.forEach(body) }
    func plans() -> [Plan] { keptPlans }
    func callers(behind name: String, count: Int) -> [Caller] { Array(kept.filter { $0.name > name }.sorted { $0.name < $1.name }.prefix(count)) }
    func caller(named name: String) -> Caller? { kept.first { $0.name == name } }
    func owner(of digest: KeyDigest) -> String? { kept.first { $0.digests.contains(digest) }?.name }
    func callerCount(ofPlan name: String) -> Int { kept.count { $0.grants.contains { $0.plan == name } } }

    func insert(_ caller: Caller) -> UInt32 {
        lastID += 1
        var caller = caller
        caller.id = lastID
        kept.append(caller)
        return lastID
    }

    func update(_ caller: Caller) { kept = kept.map { $0.id == caller.id ? caller : $0 } }
    func delete(callerID: UInt32) { kept.removeAll { $0.id == callerID } }

    func put(_ plan: Plan) {
        keptPlans.removeAll { $0.name == plan.name }
        keptPlans.append(plan)
    }

    func delete(plan name: String) { keptPlans.removeAll { $0.name == name } }
    func clearUse(ofPlan name: String) {
        for caller in kept.indices {
            for grant in kept[caller].grants.indices where kept[caller].grants[grant].plan == name { kept[caller].grants[grant].clearings += 1 }
        }
    }

    func close() {}
}
