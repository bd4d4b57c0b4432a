@testable import SluiceCallers

/// Callers that are kept nowhere.
final class MemoryCallers: CallerStore {
    var kept: [Caller] = []
    var keptPlans: [Plan] = []
    var lastID: UInt32 = 0
    private var gone: [String: UInt32] = [:]
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
    func forEachCaller(damaged: (String) -> Void, _ body: (Caller) -> Void) { kept.forEach(body) }
    func plans(damaged: (String) -> Void) -> [Plan] { keptPlans }
    func callers(behind name: String, count: Int, damaged: (String) -> Void) -> [Caller] { Array(kept.filter { $0.name > name }.sorted { $0.name < $1.name }.prefix(count)) }
    func caller(named name: String) -> Caller? { kept.first { $0.name == name } }
    func owner(of digest: KeyDigest) -> String? { kept.first { $0.digests.contains(digest) }?.name }
    func callerCount(ofPlan name: String) -> Int { kept.count { $0.grants.contains { $0.plan == name } } }

    func insert(_ caller: Caller) -> UInt32 {
        var caller = caller
        if caller.id == 0 || kept.contains(where: { $0.id == caller.id }) { caller.id = lastID + 1 }
        lastID = max(lastID, caller.id)
        kept.append(caller)
        return caller.id
    }

    func update(_ caller: Caller) {
        for grant in kept.first(where: { $0.id == caller.id })?.grants ?? [] { gone["\(caller.id)/\(grant.domain ?? "")"] = grant.clearings }
        for grant in caller.grants { gone["\(caller.id)/\(grant.domain ?? "")"] = nil }
        kept = kept.map { $0.id == caller.id ? caller : $0 }
    }

    func clearings(ofCaller id: UInt32, formerlyIn domain: String?) -> UInt32? { gone["\(id)/\(domain ?? "")"] }
    func delete(callerID: UInt32) { kept.removeAll { $0.id == callerID } }
    func deleteDamaged(callerNamed name: String) -> Bool { false }

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
