import SluiceCallers
import SluiceCounting
import Synchronization

// Where the use of plans is counted, for each caller that has asked. Under the lock of what is known, which nobody has while waiting for a disk: counting goes on
// while changes wait.

extension CallerRegistry: CallerAccounts {
    func condition(ofAccount number: UInt64) -> (key: QuotaKey, limit: UInt64)? { state.withLock { condition(ofAccount: number, $0) } }

    private func condition(ofAccount number: UInt64, _ state: State) -> (key: QuotaKey, limit: UInt64)? {
        guard let holder = state.table.holder(ofAccount: number) else { return nil }
        guard let quota = root.plan(holder.plan)?.quota else {
            // Another plan may have one.
            holder.account.forgetWish()
            return nil
        }
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
                // By what holds now, it may ask anew.
                state.table.holder(ofAccount: number)?.account.forgetWish()
                return
            }
            state.accounts[quota] = OpenAccount(number: number, plan: holder.plan, purse: words)
            holder.account.open(UInt(bitPattern: words))
        }
    }

    func closeAccounts(of caller: Int?, _ state: inout State) {
        guard let caller else { return }
        closeAccounts(&state) { $0.number >> 8 == UInt64(caller) }
    }

    /// Has workers take from these no more. Their words stay until every worker has had a letter.
    func closeAccounts(_ state: inout State, where isChosen: (OpenAccount) -> Bool) {
        let chosen = state.accounts.filter { isChosen($0.value) }
        guard !chosen.isEmpty else { return }
        for (number, account) in chosen {
            state.accounts[number] = nil
            if let open = state.table.holder(ofAccount: account.number)?.account, open.purse == UInt(bitPattern: account.purse) { open.close() }
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
