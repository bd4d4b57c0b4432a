import SluiceCallers
import SluiceCounting
import SluiceEvent
import SluiceHTTP
import Synchronization

/// The callers and plans that are known: those of the configuration in force, and those that are kept in the state folder. Outlives every snapshot.
///
/// Workers read them by `root` alone. Whoever changes them has a lock, and changes what workers see at once, in place; no worker waits for that, and no
/// configuration is compiled. A table that is replaced stays until every worker has had a letter that keeps it.
///
/// There are two locks. Whoever has that of the disk may wait for it; what is known is under the other, which nobody has for longer than a change in memory takes.
/// So a disk that stands still holds up changes, and no request and no count. Whoever needs both takes the disk's first.
///
/// Sendable, because its state is under locks and `root` leads to what is atomic.
final class CallerRegistry: @unchecked Sendable {
    /// What is known. For one thread at a time: see the lock. Sendable for that reason.
    struct State: @unchecked Sendable {
        var table = CallerTable()
        /// Of the configuration in force, and of the one that was compiled last.
        var declared = CallerBook.Declared()
        var compiled = CallerBook.Declared()
        /// Whether a policy asks for callers, in the same two.
        var isInUse = false
        var isCompiledInUse = false
        /// Whether the table holds what is declared and kept, at least as of some time ago.
        var hasRead = false
        var domains: [String: UInt32] = [:]
        var domainNames: [String] = []
        var plans: [String: UInt32] = [:]
        /// Accounts that are open, by the number of the condition that counts: which account, and how much had been used when it was last looked at.
        var accounts: [Int: OpenAccount] = [:]
        var workers: [any CallerObserver] = []

        /// Whether what was compiled last is in force.
        var isSame: Bool { hasRead && declared == compiled && isInUse == isCompiledInUse }
    }

    /// What is kept. For one thread at a time, which may wait in it. Sendable for that reason.
    private struct Disk: @unchecked Sendable {
        var store: (any CallerStore)?
        /// Of the store, when it was last read; nil if it is to be read again.
        var version: Int?
        /// Read for the configuration that was compiled last, and not yet in force.
        var reading: Reading?
        /// What other processes have changed is looked for again from here on, in nanoseconds of the monotonic clock: a store that fails is left alone for longer each time.
        var retryAt: UInt64 = 0
        var pause = CallerRegistry.pauses.first
        /// Why it was left alone.
        var fault: CallerStoreError?
        /// Rows that are damaged, and that nobody has been told of.
        var damaged: [String] = []
        var toldOf: [String] = []
    }

    /// All callers of a moment, with those of a configuration.
    private struct Reading {
        var declared: CallerBook.Declared
        var isInUse: Bool
        var table: CallerTable
        var plans: [Plan]
        /// Of the store; nil where there is none.
        var version: Int?
    }

    /// Sendable, because the words are atomic and stay until the account is closed.
    struct OpenAccount: @unchecked Sendable {
        let number: UInt64
        let plan: UInt32
        let purse: QuotaPurse.Words
        var seen: UInt64 = 0
    }

    private static let pauses: (first: UInt64, longest: UInt64) = (500_000_000, 30_000_000_000)
    /// Damaged rows that are told of by name.
    private static let toldOfMax = 20

    let root: CallerRoot
    /// Which callers have a row of their own in the metrics.
    let rows = CallerRows()
    /// Raised when there is something to follow.
    let signal = Signal()
    let state: Mutex<State>
    private let disk = Mutex(Disk())
    /// Whether what is kept is to be read again although nobody else has changed it.
    private let mustRead = Atomic<Bool>(false)
    private let source: CallerStoreSource
    let counts: CountRegistry?

    /// - Parameter counts: where the use of plans is counted; nil if nobody counts it.
    init(_ source: CallerStoreSource = .none, counts: CountRegistry? = nil) {
        self.counts = counts
        let first = State()
        root = CallerRoot(first.table)
        state = Mutex(first)
        self.source = source
    }

    deinit {
        disk.withLock { $0.store?.close() }
        root.deallocate()
    }

    /// How workers are told, once they are there; none once they have ended.
    func setWorkers(_ workers: [any CallerObserver]) { state.withLock { $0.workers = workers } }

    // MARK: Configurations

    /// A compilation begins, of a configuration that declares these.
    func beginCompilation(_ declared: CallerBook.Declared) {
        state.withLock { state in
            state.compiled = declared
            state.isCompiledInUse = false
        }
    }

    /// The number of a domain in which a policy asks for callers.
    func use(inDomain key: String) -> UInt32 {
        state.withLock { state in
            state.isCompiledInUse = true
            return Self.number(ofDomain: key, &state)
        }
    }

    /// Reads what is kept, if the configuration that was compiled last needs it, so that nothing has to wait for the disk when it is put in force. Waits for
    /// the disk itself only as long as nothing was ever read: what is known is enough for a reload.
    func prepare() throws(CallerStoreError) {
        let (isNeeded, isFirst) = state.withLock { ($0.isCompiledInUse && !$0.isSame, !($0.hasRead && $0.isInUse)) }
        guard isNeeded else { return }
        func read(_ disk: inout Disk) -> CallerStoreError? {
            let (declared, isInUse) = state.withLock { ($0.compiled, $0.isCompiledInUse) }
            do throws(CallerStoreError) {
                disk.reading = try self.read(&disk, declared, isInUse: isInUse)
                return nil
            } catch {
                disk.fault = error
                // What cannot be read any more is no reason to refuse a configuration; what never could is.
                return isFirst ? error : nil
            }
        }
        let fault: CallerStoreError?? = isFirst ? disk.withLock { read(&$0) } : disk.withLockIfAvailable { read(&$0) }
        if case .some(.some(let fault)) = fault { throw fault }
    }

    /// What the configuration declares that was compiled last holds from here on. Does not wait for the disk, but for the first time without `prepare`.
    ///
    /// - Returns: why what is kept cannot be read; of it, what was known before is then still known.
    func putInForce() -> CallerStoreError? {
        defer { signal.raise() }
        // Whoever has the lock may be waiting for the disk.
        let outcome: CallerStoreError?? = disk.withLockIfAvailable { disk -> CallerStoreError? in
            defer { disk.reading = nil }
            let (compiled, isInUse, isSame, isFirst) = state.withLock { ($0.compiled, $0.isCompiledInUse, $0.isSame, !$0.hasRead) }
            if let reading = disk.reading, reading.declared == compiled, reading.isInUse == isInUse {
                putInForce(reading)
                disk.version = reading.version
                return nil
            }
            if isSame { return nil }
            guard isFirst || !isInUse && disk.store == nil else {
                putDeclaredInForce()
                return disk.fault
            }
            do throws(CallerStoreError) {
                let reading = try read(&disk, compiled, isInUse: isInUse)
                putInForce(reading)
                disk.version = reading.version
                return nil
            } catch {
                putDeclaredInForce()
                return error
            }
        }
        if let outcome { return outcome }
        putDeclaredInForce()
        return nil
    }

    /// Whether another process may change what is known here.
    var isFollowing: Bool { disk.withLock { $0.store != nil } || state.withLock { $0.isInUse } }

    /// Takes over what another process has changed.
    ///
    /// - Returns: why that cannot be done, at least not now.
    func followStore() -> CallerStoreError? {
        disk.withLock { disk in
            let (declared, isInUse) = state.withLock { ($0.declared, $0.isInUse) }
            guard isInUse || disk.store != nil else { return nil }
            let now = Clock.monotonicNanoseconds()
            if let fault = disk.fault, now < disk.retryAt { return fault }
            do throws(CallerStoreError) {
                if disk.store == nil {
                    guard let opened = try source.open(false) else { return nil }
                    disk.store = opened
                    disk.version = nil
                }
                let mustRead = mustRead.exchange(false, ordering: .acquiringAndReleasing)
                if let store = disk.store, try store.version() != disk.version || mustRead {
                    disk.reading = nil
                    let reading = try read(&disk, declared, isInUse: isInUse)
                    putStoredInForce(reading)
                    disk.version = reading.version
                }
                (disk.fault, disk.pause) = (nil, Self.pauses.first)
                return nil
            } catch {
                mustRead.store(true, ordering: .releasing)
                close(&disk)
                disk.fault = error
                disk.retryAt = Clock.monotonicNanoseconds() + disk.pause
                disk.pause = min(2 * disk.pause, Self.pauses.longest)
                return error
            }
        }
    }

    /// Rows of what is kept that are damaged, each told once as long as nothing else is: for the log.
    func takeDamaged() -> [String] {
        disk.withLock { disk in
            defer { disk.toldOf = disk.damaged }
            guard disk.damaged != disk.toldOf else { return [] }
            let rest = disk.damaged.count - Self.toldOfMax
            return disk.damaged.prefix(Self.toldOfMax) + (rest > 0 ? ["and \(rest) more"] : [])
        }
    }

    // MARK: Changes

    /// What an operator asks. In force on every worker when it returns.
    func perform(_ operation: CallerRequest.Operation, _ request: CallerRequest) throws(CallerFault) -> CallerAnswer {
        let result = disk.withLock { disk -> Result<CallerAnswer, CallerFault> in
            do throws(CallerFault) {
                return .success(try perform(operation, request, &disk))
            } catch {
                // A disk that has failed may have left half a transaction.
                if error.kind == .unavailable { close(&disk) }
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func perform(
        _ operation: CallerRequest.Operation, _ request: CallerRequest, _ disk: inout Disk
    ) throws(CallerFault) -> CallerAnswer {
        do throws(CallerStoreError) {
            if disk.store == nil {
                disk.store = try source.open(true)
                disk.version = nil
            }
        } catch {
            throw CallerFault(.unavailable, error.description)
        }
        guard let store = disk.store else { throw CallerFault(.unavailable, "\(source.name): nothing can be kept") }
        let (declared, isInUse) = state.withLock { ($0.declared, $0.isInUse) }
        let book = CallerBook(
            store: store, declared: declared, now: Int64(Clock.wallNanoseconds() / 1_000_000_000), makeKey: CallerKeys.make, digest: CallerKeys.digest)
        var changes: [CallerBook.Change] = []
        let answer = try book.perform(operation, request) { changes.append($0) }
        (disk.fault, disk.pause) = (nil, Self.pauses.first)
        if !changes.isEmpty {
            // What was read for a configuration that is about to be put in force lacks this.
            disk.reading = nil
            let clears = changes.contains { if case .plan(_, _, true) = $0 { true } else { false } }
            for change in changes { state.withLock { take(change, &$0) } }
            // What was cleared is counted anew, for all callers of the plan.
            if clears || disk.version == nil { readAgain(&disk, declared, isInUse: isInUse) }
        } else if disk.version == nil || operation == .deleteKey {
            // A damaged caller goes without a change that could be told of.
            readAgain(&disk, declared, isInUse: isInUse)
        }
        return answer
    }

    /// What is kept is kept: where it cannot be read again now, it will be soon.
    private func readAgain(_ disk: inout Disk, _ declared: CallerBook.Declared, isInUse: Bool) {
        do throws(CallerStoreError) {
            let reading = try read(&disk, declared, isInUse: isInUse)
            putStoredInForce(reading)
            disk.version = reading.version
        } catch {
            mustRead.store(true, ordering: .releasing)
            close(&disk)
        }
    }

    private func take(_ change: CallerBook.Change, _ state: inout State) {
        switch change {
        case .caller(let old, let new):
            // What is declared comes first: a name or a key of the configuration stays the configuration's, whatever becomes of who else has it.
            guard !state.declared.callers.contains(where: { $0.name == (new ?? old)?.name }) else { return }
            let declared = Set(state.declared.callers.flatMap(\.digests))
            let former = (old?.digests ?? []).filter { !declared.contains($0) }
            closeAccounts(of: state.table.number(ofCallerKnownBy: former, id: old?.id ?? 0), &state)
            if let new { put(Self.without(declared, new), replacing: former, &state) } else { state.table.remove(former) }
        case .plan(let name, let new, _):
            let number = Self.number(ofPlan: name, &state)
            root.setPlan(number, new)
            closeAccounts(&state) { $0.plan == number }
        }
    }

    private func put(_ caller: Caller, replacing old: [KeyDigest], _ state: inout State) {
        let entry = Self.entry(caller, &state)
        while !state.table.put(entry, replacing: old) { replace(with: state.table.grown(for: entry), &state) }
    }

    /// Puts another table in force and has every worker's next letter keep the old one.
    private func replace(with table: CallerTable, _ state: inout State) {
        // Whoever calls next has an account of the new table.
        closeAccounts(&state) { _ in true }
        let old = state.table
        state.table = table
        root.put(table)
        for worker in state.workers { worker.keep(old) }
    }

    // MARK: Putting in force

    /// With the configuration that it was read for.
    private func putInForce(_ reading: Reading) {
        state.withLock { state in
            state.declared = reading.declared
            state.isInUse = reading.isInUse
            put(reading, &state)
        }
    }

    /// For the configuration in force, which may be another one by now: then what is declared comes from that.
    private func putStoredInForce(_ reading: Reading) {
        state.withLock { state in
            put(reading, &state)
            guard state.declared != reading.declared else { return }
            applyDeclared(insteadOf: reading.declared, &state)
            mustRead.store(true, ordering: .releasing)
        }
    }

    private func put(_ reading: Reading, _ state: inout State) {
        for (name, number) in state.plans where !reading.plans.contains(where: { $0.name == name }) { root.setPlan(number, nil) }
        for plan in reading.plans { root.setPlan(Self.number(ofPlan: plan.name, &state), plan) }
        state.hasRead = true
        replace(with: reading.table, &state)
    }

    /// What is declared holds, also where what is kept cannot be read: a caller that the configuration revokes must not pass because a disk has failed.
    private func putDeclaredInForce() {
        state.withLock { state in
            guard !state.isSame else { return }
            let former = state.declared
            state.declared = state.compiled
            state.isInUse = state.isCompiledInUse
            applyDeclared(insteadOf: former, &state)
        }
        mustRead.store(true, ordering: .releasing)
    }

    private func applyDeclared(insteadOf former: CallerBook.Declared, _ state: inout State) {
        closeAccounts(&state) { _ in true }
        for caller in former.callers { state.table.remove(caller.digests) }
        // A caller of the state folder with such a name is known no more.
        state.table.remove(callersNamed: Set(state.declared.callers.map(\.name)))
        for caller in state.declared.callers { put(caller, replacing: [], &state) }
        for plan in former.plans where !state.declared.plans.contains(where: { $0.name == plan.name }) {
            root.setPlan(Self.number(ofPlan: plan.name, &state), nil)
        }
        for plan in state.declared.plans { root.setPlan(Self.number(ofPlan: plan.name, &state), plan) }
    }

    // MARK: Reading

    /// A caller without the keys that are others'.
    private static func without(_ digests: Set<KeyDigest>, _ caller: Caller) -> Caller {
        var caller = caller
        if let primary = caller.primary, digests.contains(primary) { caller.primary = nil }
        if let secondary = caller.secondary, digests.contains(secondary) { caller.secondary = nil }
        return caller
    }

    /// What is kept, and what is declared, in a table of its own. Takes the lock of what is known for a moment at a time only.
    private func read(_ disk: inout Disk, _ declared: CallerBook.Declared, isInUse: Bool) throws(CallerStoreError) -> Reading {
        var reading = Reading(declared: declared, isInUse: isInUse, table: CallerTable(), plans: declared.plans, version: nil)
        guard isInUse || disk.store != nil else { return reading }
        func add(_ caller: Caller) {
            let entry = state.withLock { Self.entry(caller, &$0) }
            while !reading.table.put(entry, replacing: []) { reading.table = reading.table.grown(for: entry) }
        }
        let (names, digests) = (Set(declared.callers.map(\.name)), Set(declared.callers.flatMap(\.digests)))
        var damaged: [String] = []
        func note(_ fault: String) { damaged.append(fault) }
        do throws(CallerStoreError) {
            if disk.store == nil { disk.store = try source.open(false) }
            if let store = disk.store {
                // Before what is read: what is changed meanwhile is read once more.
                reading.version = try store.version()
                let planNames = Set(declared.plans.map(\.name))
                reading.plans = try store.plans(damaged: note).filter { !planNames.contains($0.name) } + declared.plans
                try store.forEachCaller(damaged: note) { caller in
                    // What is declared comes first.
                    guard !names.contains(caller.name) else { return }
                    add(Self.without(digests, caller))
                }
            }
        } catch {
            close(&disk)
            throw error
        }
        for caller in declared.callers { add(caller) }
        disk.damaged = damaged
        return reading
    }

    private func close(_ disk: inout Disk) {
        disk.store?.close()
        disk.store = nil
        disk.version = nil
        disk.reading = nil
    }

    // MARK: Numbers

    private static func entry(_ caller: Caller, _ state: inout State) -> CallerTable.Entry {
        var grants: [CallerTable.Entry.Grant] = []
        for grant in caller.grants {
            let domain: UInt32
            if let key = grant.domain { domain = number(ofDomain: key, &state) } else { domain = CallerView.everyDomain }
            let plan: UInt32
            if let name = grant.plan { plan = number(ofPlan: name, &state) } else { plan = 0 }
            grants.append(.init(domain: domain, plan: plan, clearings: grant.clearings))
        }
        return CallerTable.Entry(
            id: caller.id, name: Array(caller.name.utf8), isEnabled: caller.isEnabled, notBefore: caller.notBefore, expires: caller.expires,
            grants: grants, digests: caller.digests)
    }

    private static func number(ofDomain key: String, _ state: inout State) -> UInt32 {
        if let number = state.domains[key] { return number }
        let number = UInt32(state.domains.count)
        state.domains[key] = number
        state.domainNames.append(key)
        return number
    }

    /// Plans beyond the last number are plans that do not exist.
    private static func number(ofPlan name: String, _ state: inout State) -> UInt32 {
        if let number = state.plans[name] { return number }
        guard state.plans.count + 1 < Int(CallerRoot.planNumberMax) else { return CallerRoot.planNumberMax }
        let number = UInt32(state.plans.count + 1)
        state.plans[name] = number
        return number
    }
}
