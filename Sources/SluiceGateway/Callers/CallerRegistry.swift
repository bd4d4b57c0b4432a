import SluiceCallers
import SluiceCounting
import SluiceEvent
import SluiceHTTP
import Synchronization

/// The callers and plans that are known: those of the configuration in force, and those that are kept in the state folder. Outlives every snapshot.
///
/// Workers read them by `root` alone. Whoever changes them has the lock, and changes what workers see at once, in place; no worker waits for that, and no
/// configuration is compiled. A table that is replaced stays until every worker has had a letter that keeps it.
///
/// Sendable, because its state is under a lock and `root` leads to what is atomic.
final class CallerRegistry: @unchecked Sendable {
    /// For one thread at a time: see the lock. Sendable for that reason.
    private struct State: @unchecked Sendable {
        var table = CallerTable()
        /// Of the configuration in force, and of the one that was compiled last.
        var declared = CallerBook.Declared()
        var compiled = CallerBook.Declared()
        /// Whether a policy asks for callers, in the same two.
        var isInUse = false
        var isCompiledInUse = false
        var store: (any CallerStore)?
        /// Whether the table holds what is declared and kept, at least as of some time ago.
        var hasRead = false
        /// Of the store, when the table was last read from it; nil if it is to be read again.
        var version: Int?
        var domains: [String: UInt32] = [:]
        var domainNames: [String] = []
        var plans: [String: UInt32] = [:]
        /// Accounts that are open, by the number of the condition that counts: which account, and how much had been used when it was last looked at.
        var accounts: [Int: OpenAccount] = [:]
        var workers: [any CallerObserver] = []
    }

    /// Sendable, because the words are atomic and stay until the account is closed.
    private struct OpenAccount: @unchecked Sendable {
        let number: UInt64
        let plan: UInt32
        let purse: QuotaPurse.Words
        var seen: UInt64 = 0
    }

    let root: CallerRoot
    /// Which callers have a row of their own in the metrics.
    let rows = CallerRows()
    /// Raised when there is something to follow.
    let signal = Signal()
    private let state: Mutex<State>
    private let source: CallerStoreSource
    private let counts: CountRegistry?

    /// - Parameter counts: where the use of plans is counted; nil if nobody counts it.
    init(_ source: CallerStoreSource = .none, counts: CountRegistry? = nil) {
        self.counts = counts
        let first = State()
        root = CallerRoot(first.table)
        state = Mutex(first)
        self.source = source
    }

    deinit {
        state.withLock { $0.store?.close() }
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

    /// Whether what is kept can be read, if the configuration that was compiled last needs it.
    func prepare() throws(CallerStoreError) {
        let fault = state.withLock { state -> CallerStoreError? in
            guard state.isCompiledInUse, state.store == nil else { return nil }
            do throws(CallerStoreError) {
                state.store = try source.open(false)
                return nil
            } catch {
                return error
            }
        }
        if let fault { throw fault }
    }

    /// What the configuration declares that was compiled last holds from here on.
    ///
    /// - Returns: why what is kept cannot be read; of it, what was known before is then still known.
    func putInForce() -> CallerStoreError? {
        defer { signal.raise() }
        return state.withLock { state in
            let isSame = state.hasRead && state.declared == state.compiled && state.isInUse == state.isCompiledInUse
            let former = state.declared
            state.declared = state.compiled
            state.isInUse = state.isCompiledInUse
            guard !isSame, let fault = readAgain(&state) else { return nil }
            applyDeclared(insteadOf: former, &state)
            return fault
        }
    }

    /// Whether another process may change what is known here.
    var isFollowing: Bool { state.withLock { $0.isInUse || $0.store != nil } }

    /// Takes over what another process has changed.
    func followStore() -> CallerStoreError? {
        state.withLock { state in
            guard state.isInUse || state.store != nil else { return nil }
            do throws(CallerStoreError) {
                if state.store == nil {
                    guard let opened = try source.open(false) else { return nil }
                    state.store = opened
                }
                guard let store = state.store, try store.version() != state.version else { return nil }
            } catch {
                close(&state)
                return error
            }
            return readAgain(&state)
        }
    }

    // MARK: Changes

    /// What an operator asks. In force on every worker when it returns.
    func perform(_ operation: CallerRequest.Operation, _ request: CallerRequest) throws(CallerFault) -> CallerAnswer {
        let result = state.withLock { state -> Result<CallerAnswer, CallerFault> in
            do throws(CallerFault) {
                return .success(try perform(operation, request, &state))
            } catch {
                // A disk that has failed may have left half a transaction.
                if error.kind == .unavailable { close(&state) }
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func perform(
        _ operation: CallerRequest.Operation, _ request: CallerRequest, _ state: inout State
    ) throws(CallerFault) -> CallerAnswer {
        do throws(CallerStoreError) {
            if state.store == nil { state.store = try source.open(true) }
        } catch {
            throw CallerFault(.unavailable, error.description)
        }
        guard let store = state.store else { throw CallerFault(.unavailable, "\(source.name): nothing can be kept") }
        let book = CallerBook(
            store: store, declared: state.declared, now: Int64(Clock.wallNanoseconds() / 1_000_000_000), makeKey: CallerKeys.make, digest: CallerKeys.digest)
        var changes: [CallerBook.Change] = []
        let answer = try book.perform(operation, request) { changes.append($0) }
        // What is kept is kept: where it cannot be read again now, it will be soon.
        if state.version == nil { _ = readAgain(&state) } else { for change in changes { take(change, &state) } }
        return answer
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
        case .plan(let name, let new, let clears):
            let number = Self.number(ofPlan: name, &state)
            root.setPlan(number, new)
            // What was cleared is counted anew, for all its callers.
            if clears, readAgain(&state) == nil { return }
            closeAccounts(&state) { $0.plan == number }
        }
    }

    private func put(_ caller: Caller, replacing old: [KeyDigest], _ state: inout State) {
        let entry = Self.entry(caller, &state)
        while !state.table.put(entry, replacing: old) { replace(with: state.table.grown(), &state) }
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

    // MARK: Reading

    /// A caller without the keys that are others'.
    private static func without(_ digests: Set<KeyDigest>, _ caller: Caller) -> Caller {
        var caller = caller
        if let primary = caller.primary, digests.contains(primary) { caller.primary = nil }
        if let secondary = caller.secondary, digests.contains(secondary) { caller.secondary = nil }
        return caller
    }

    /// What is declared holds, also where what is kept cannot be read: a caller that the configuration revokes must not pass because a disk has failed.
    private func applyDeclared(insteadOf former: CallerBook.Declared, _ state: inout State) {
        closeAccounts(&state) { _ in true }
        for caller in former.callers { state.table.remove(caller.digests) }
        for caller in state.declared.callers { put(caller, replacing: [], &state) }
        for plan in former.plans where !state.declared.plans.contains(where: { $0.name == plan.name }) {
            root.setPlan(Self.number(ofPlan: plan.name, &state), nil)
        }
        for plan in state.declared.plans { root.setPlan(Self.number(ofPlan: plan.name, &state), plan) }
    }

    private func readAgain(_ state: inout State) -> CallerStoreError? {
        guard state.isInUse || state.store != nil else {
            state.hasRead = true
            replace(with: CallerTable(), &state)
            return nil
        }
        var table = CallerTable()
        func add(_ caller: Caller) {
            let entry = Self.entry(caller, &state)
            while !table.put(entry, replacing: []) { table = table.grown() }
        }
        var plans = state.declared.plans
        let declared = state.declared
        let (names, digests) = (Set(declared.callers.map(\.name)), Set(declared.callers.flatMap(\.digests)))
        do throws(CallerStoreError) {
            if state.store == nil { state.store = try source.open(false) }
            if let store = state.store {
                // Before what is read: what is changed meanwhile is read once more.
                let version = try store.version()
                plans = try store.plans().filter { plan in !plans.contains { $0.name == plan.name } } + plans
                try store.forEachCaller { caller in
                    // What is declared comes first.
                    guard !names.contains(caller.name) else { return }
                    add(Self.without(digests, caller))
                }
                state.version = version
            }
        } catch {
            close(&state)
            return error
        }
        for caller in declared.callers { add(caller) }
        for (name, number) in state.plans where !plans.contains(where: { $0.name == name }) { root.setPlan(number, nil) }
        for plan in plans { root.setPlan(Self.number(ofPlan: plan.name, &state), plan) }
        state.hasRead = true
        replace(with: table, &state)
        return nil
    }

    private func close(_ state: inout State) {
        state.store?.close()
        state.store = nil
        state.version = nil
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

// MARK: - Accounts

extension CallerRegistry: CallerAccounts {
    func condition(ofAccount number: UInt64) -> (key: QuotaKey, limit: UInt64)? { state.withLock { condition(ofAccount: number, $0) } }

    private func condition(ofAccount number: UInt64, _ state: State) -> (key: QuotaKey, limit: UInt64)? {
        guard let holder = state.table.holder(ofAccount: number), let quota = root.plan(holder.plan)?.quota else { return nil }
        let domain = holder.domain == CallerView.everyDomain ? "*" : state.domainNames[Int(holder.domain)]
        let caller = holder.name + (holder.id == 0 ? "" : "#\(holder.id)") + (holder.clearings == 0 ? "" : ".\(holder.clearings)")
        return (QuotaKey(caller: "\(caller)/\(domain)", perSeconds: quota.per == .month ? QuotaKey.month : QuotaKey.day), quota.limit)
    }

    func open(_ number: UInt64, _ condition: (key: QuotaKey, limit: UInt64), quota: Int, _ words: QuotaPurse.Words) {
        state.withLock { state in
            // What has changed since counts in another place or up to another limit, or twice over where it was open already.
            guard let holder = state.table.holder(ofAccount: number), let now = self.condition(ofAccount: number, state), now == condition,
                state.accounts[quota] == nil
            else {
                counts?.closeAccounts([quota])
                return
            }
            state.accounts[quota] = OpenAccount(number: number, plan: holder.plan, purse: words)
            holder.purse.pointee.store(UInt(bitPattern: words), ordering: .releasing)
        }
    }

    private func closeAccounts(of caller: Int?, _ state: inout State) {
        guard let caller else { return }
        closeAccounts(&state) { $0.number >> 8 == UInt64(caller) }
    }

    /// Has workers take from these no more. Their words stay until every worker has had a letter.
    private func closeAccounts(_ state: inout State, where isChosen: (OpenAccount) -> Bool) {
        let chosen = state.accounts.filter { isChosen($0.value) }
        guard !chosen.isEmpty else { return }
        for (number, account) in chosen {
            state.accounts[number] = nil
            if let purse = state.table.holder(ofAccount: account.number)?.purse, purse.pointee.load(ordering: .relaxed) == UInt(bitPattern: account.purse) {
                purse.pointee.store(0, ordering: .releasing)
            }
        }
        guard let counts else { return }
        let closed = ClosedAccounts(Array(chosen.keys), counts)
        for worker in state.workers { worker.keep(closed) }
    }

    /// Closes accounts of which nothing was used since the last call: what lies in their purses is given back.
    func closeIdleAccounts() {
        state.withLock { state in
            var idle: Set<UInt64> = []
            for (number, account) in state.accounts {
                let seen = QuotaPurse.fingerprint(account.purse)
                if seen == account.seen { idle.insert(account.number) }
                state.accounts[number]?.seen = seen
            }
            if !idle.isEmpty { closeAccounts(&state) { idle.contains($0.number) } }
        }
    }
}

/// Conditions from which nobody takes any more once this is gone.
private final class ClosedAccounts: Sendable {
    private let numbers: [Int]
    private let counts: CountRegistry

    init(_ numbers: [Int], _ counts: CountRegistry) {
        self.numbers = numbers
        self.counts = counts
    }

    deinit { counts.closeAccounts(numbers) }
}

/// A worker, as the registry of callers reaches it.
protocol CallerObserver: AnyObject, Sendable {
    /// Keeps the object until the worker has had its letters, and so reads no more what the object keeps. Any thread.
    func keep(_ object: any AnyObject & Sendable)
}
