import Foundation
import SluiceCallers
import SluiceCounting
import Synchronization
import Testing

@testable import SluiceGateway

/// The callers of a process, while the disk they are kept on stands still, fails, or has been edited.
@Suite("Registry of callers")
struct CallerRegistryTests {
    /// Kept in memory; stands still and fails when told to. Sendable, because any thread may set what is atomic, and the rest is under the registry's lock.
    final class SlowCallers: CallerStore, @unchecked Sendable {
        let stands = Atomic<Bool>(false)
        /// How often somebody has begun to wait in it.
        let waits = Atomic<Int>(0)
        let fails = Atomic<Bool>(false)
        let number = Atomic<Int>(1)
        var kept: [Caller] = []
        var keptPlans: [Plan] = []
        var damaged: [String] = []

        private func wait() throws(CallerStoreError) {
            if stands.load(ordering: .acquiring) { waits.add(1, ordering: .relaxed) }
            while stands.load(ordering: .acquiring) { usleep(500) }
            if fails.load(ordering: .acquiring) { throw CallerStoreError("the disk fails") }
        }

        func change(_ body: () throws -> Void) throws(CallerStoreError) {
            try wait()
            do {
                try body()
            } catch {
                throw error as? CallerStoreError ?? CallerStoreError("\(error)")
            }
        }

        func version() throws(CallerStoreError) -> Int {
            try wait()
            return number.load(ordering: .relaxed)
        }

        func forEachCaller(damaged: (String) -> Void, _ body: (Caller) -> Void) throws(CallerStoreError) {
            try wait()
            self.damaged.forEach(damaged)
            kept.forEach(body)
        }

        func plans(damaged: (String) -> Void) throws(CallerStoreError) -> [Plan] {
            try wait()
            return keptPlans
        }

        func callers(behind name: String, count: Int, damaged: (String) -> Void) -> [Caller] { kept }
        func caller(named name: String) -> Caller? { kept.first { $0.name == name } }
        func owner(of digest: KeyDigest) -> String? { nil }
        func callerCount(ofPlan name: String) -> Int { 0 }
        func clearings(ofCaller id: UInt32, formerlyIn domain: String?) -> UInt32? { nil }

        func insert(_ caller: Caller) -> UInt32 {
            var caller = caller
            caller.id = UInt32(kept.count + 1)
            kept.append(caller)
            return caller.id
        }

        func update(_ caller: Caller) { kept = kept.map { $0.id == caller.id ? caller : $0 } }
        func delete(callerID: UInt32) { kept.removeAll { $0.id == callerID } }
        func deleteDamaged(callerNamed name: String) -> Bool { false }
        func put(_ plan: Plan) { keptPlans = keptPlans.filter { $0.name != plan.name } + [plan] }
        func delete(plan name: String) { keptPlans.removeAll { $0.name == name } }
        func clearUse(ofPlan name: String) {}
        func close() {}
    }

    private final class Bench: Sendable {
        let store = SlowCallers()
        let registry: CallerRegistry

        init() throws {
            let (store, opened) = (store, UncheckedCounter())
            registry = CallerRegistry(CallerStoreSource(name: "test") { (_: Bool) throws(CallerStoreError) in
                opened.count.add(1, ordering: .relaxed)
                if store.fails.load(ordering: .acquiring) { throw CallerStoreError("the disk fails") }
                return store
            }, counts: CountRegistry())
            openings = opened
            store.keptPlans = [Plan(name: "gold", quota: .init(limit: 9, per: .day)), Plan(name: "free")]
            var alice = Caller(name: "alice")
            alice.primary = CallerKeys.digest(Array("alicealice".utf8))
            alice.grants = [.init(domain: nil, plan: "gold")]
            _ = store.insert(alice)
            registry.beginCompilation(CallerBook.Declared())
            _ = registry.use(inDomain: "orders")
            try registry.prepare()
            #expect(registry.putInForce() == nil)
        }

        private let openings: UncheckedCounter
        var openCount: Int { openings.count.load(ordering: .relaxed) }

        final class UncheckedCounter: Sendable { let count = Atomic<Int>(0) }

        func find(_ key: String) -> CallerView.Found? {
            CallerKeys.digest(Array(key.utf8))!.bytes.withUnsafeBytes { registry.root.view.pointee.find($0.baseAddress!) }
        }

        func account(_ key: String) -> CallerView.Account? {
            find(key).flatMap { registry.root.view.pointee.grant(of: $0, domain: 0)?.account }
        }

        /// Does something on another thread, and says whether it is over.
        func begin(_ body: @escaping @Sendable () -> Void) -> @Sendable () -> Bool {
            let isOver = UncheckedCounter()
            Thread.detachNewThread {
                body()
                isOver.count.store(1, ordering: .releasing)
            }
            return { isOver.count.load(ordering: .acquiring) == 1 }
        }

        func until(_ condition: () -> Bool) -> Bool {
            for _ in 0..<20_000 where !condition() { usleep(500) }
            return condition()
        }
    }

    @Test("a caller that the configuration takes over by its name has no key of the state folder any more, also while the disk fails")
    func takenOver() throws {
        let bench = try Bench()
        #expect(bench.find("alicealice") != nil)
        bench.store.fails.store(true, ordering: .releasing)
        var declared = CallerBook.Declared()
        var alice = Caller(name: "alice")
        alice.primary = CallerKeys.digest(Array("another key".utf8))
        declared.callers = [alice]
        bench.registry.beginCompilation(declared)
        _ = bench.registry.use(inDomain: "orders")
        #expect(throws: Never.self) { try bench.registry.prepare() }
        _ = bench.registry.putInForce()
        #expect(bench.find("alicealice") == nil && bench.find("another key") != nil)
    }

    @Test("while the disk stands still, quotas are counted, accounts are closed, and configurations come into force; a change waits")
    func standsStill() throws {
        let bench = try Bench()
        let (registry, store) = (bench.registry, bench.store)
        // One after the other: a change that an operator asks for, and the look at what others have changed.
        for isChange in [true, false] {
            let number = try #require(bench.account("alicealice")).number
            store.stands.store(true, ordering: .releasing)
            let before = store.waits.load(ordering: .relaxed)
            let isOver = bench.begin {
                if isChange { _ = try? registry.perform(.disableKey, CallerRequest(name: "alice")) } else { _ = registry.followStore() }
            }
            #expect(bench.until { store.waits.load(ordering: .relaxed) > before })
            // All of this would wait for as long as the disk.
            let isCounted = bench.begin {
                let condition = registry.condition(ofAccount: number)
                #expect(condition?.limit == 9 && condition?.key.perSeconds == QuotaKey.day)
                if let condition {
                    let quota = registry.counts!.openAccount(condition.key, limit: condition.limit)
                    registry.open(number, condition, quota: quota.number, quota.words)
                }
                registry.closeIdleAccounts()
                registry.setWorkers([])
                var declared = CallerBook.Declared()
                var zoe = Caller(name: "zoe\(isChange)")
                zoe.primary = CallerKeys.digest(Array("zoezoezoe\(isChange)".utf8))
                declared.callers = [zoe]
                registry.beginCompilation(declared)
                _ = registry.use(inDomain: "orders")
                #expect(throws: Never.self) { try registry.prepare() }
                #expect(registry.putInForce() == nil)
            }
            #expect(bench.until(isCounted), "something waits for the disk")
            #expect(bench.find("zoezoezoe\(isChange)") != nil && bench.find("alicealice") != nil)
            #expect(!isOver())
            store.stands.store(false, ordering: .releasing)
            #expect(bench.until(isOver))
        }
        // What was asked for is done, and nothing of the configuration is lost.
        #expect(registry.followStore() == nil)
        #expect(bench.find("alicealice")?.isEnabled == false && bench.find("zoezoezoefalse") != nil && bench.find("zoezoezoetrue") == nil)
    }

    @Test("a store that fails is opened again, less and less often; who was known stays known, and an operator's change tries at once")
    func backOff() throws {
        let bench = try Bench()
        bench.store.fails.store(true, ordering: .releasing)
        #expect(bench.registry.followStore()?.description == "the disk fails")
        let before = bench.openCount
        for _ in 0..<50 { #expect(bench.registry.followStore()?.description == "the disk fails") }
        #expect(bench.openCount == before)
        #expect(bench.find("alicealice") != nil)
        #expect(throws: CallerFault.self) { try bench.registry.perform(.disableKey, CallerRequest(name: "alice")) }
        #expect(bench.openCount == before + 1)
        bench.store.fails.store(false, ordering: .releasing)
        _ = try bench.registry.perform(.disableKey, CallerRequest(name: "alice"))
        #expect(bench.find("alicealice")?.isEnabled == false)
        #expect(bench.registry.followStore() == nil)
    }

    @Test("an account is asked for once, until it is there or there is nothing to count; then once more")
    func askedOnce() throws {
        let bench = try Bench()
        let registry = bench.registry
        let account = try #require(bench.account("alicealice"))
        #expect(account.ask())
        for _ in 0..<100 { #expect(!account.ask() && account.purse == 0) }
        let condition = try #require(registry.condition(ofAccount: account.number))
        let quota = registry.counts!.openAccount(condition.key, limit: condition.limit)
        registry.open(account.number, condition, quota: quota.number, quota.words)
        #expect(account.purse == UInt(bitPattern: quota.words) && !account.ask())
        // The plan has another limit: the purse is closed, and asked for anew.
        var request = CallerRequest(name: "gold")
        request.quota = 5
        _ = try registry.perform(.setPlan, request)
        #expect(account.purse == 0 && account.ask() && !account.ask())
        // What was to be opened by what does not hold any more is not, and may be asked for again.
        registry.open(account.number, condition, quota: quota.number, quota.words)
        #expect(account.purse == 0 && account.ask())
        // Where a plan has no quota there is nothing to open; it may get one.
        request = CallerRequest(name: "gold")
        request.per = "none"
        _ = try registry.perform(.setPlan, request)
        let next = try #require(bench.account("alicealice"))
        #expect(next.ask() && registry.condition(ofAccount: next.number) == nil && next.ask())
    }

    @Test("damaged rows are told once, by name, and again if there are others")
    func damaged() throws {
        let bench = try Bench()
        #expect(bench.registry.takeDamaged() == [])
        bench.store.damaged = (1...30).map { "row \($0)" }
        bench.store.number.add(1, ordering: .relaxed)
        #expect(bench.registry.followStore() == nil)
        #expect(bench.registry.takeDamaged() == (1...20).map { "row \($0)" } + ["and 10 more"])
        bench.store.number.add(1, ordering: .relaxed)
        #expect(bench.registry.followStore() == nil && bench.registry.takeDamaged() == [])
        bench.store.damaged = ["another"]
        bench.store.number.add(1, ordering: .relaxed)
        #expect(bench.registry.followStore() == nil && bench.registry.takeDamaged() == ["another"])
    }

    @Test("what is read for a configuration is put in force with it, unless somebody has changed something in between")
    func prepared() throws {
        let bench = try Bench()
        var declared = CallerBook.Declared()
        var zoe = Caller(name: "zoe")
        zoe.primary = CallerKeys.digest(Array("zoezoezoe0".utf8))
        declared.callers = [zoe]
        bench.registry.beginCompilation(declared)
        _ = bench.registry.use(inDomain: "orders")
        try bench.registry.prepare()
        // Disabled while the configuration was being prepared: nothing brings it back, not even for a moment.
        _ = try bench.registry.perform(.disableKey, CallerRequest(name: "alice"))
        #expect(bench.registry.putInForce() == nil)
        #expect(bench.find("alicealice")?.isEnabled == false && bench.find("zoezoezoe0") != nil)
        #expect(bench.registry.followStore() == nil)
        #expect(bench.find("alicealice")?.isEnabled == false && bench.find("zoezoezoe0") != nil)
        // A configuration without callers, and one with them.
        bench.registry.beginCompilation(CallerBook.Declared())
        try bench.registry.prepare()
        #expect(bench.registry.putInForce() == nil && bench.find("zoezoezoe0") == nil)
    }
}
