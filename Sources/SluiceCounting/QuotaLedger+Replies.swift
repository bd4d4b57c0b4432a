// What becomes of a round's requests; life without the store; the end.

extension QuotaLedger {
    /// Puts what the store has granted into the purses. `requests` are those of the last `plan`, in the order of `replies.quotas`.
    package func apply(_ requests: [AllowanceBatch.QuotaRequest], _ replies: AllowanceReplies) {
        nodes = max(1, replies.nodes)
        if replies.registration != registration {
            registration = replies.registration
            reportAgain()
        }
        for notice in replies.quotaNotices { comply(notice) }
        for (request, reply) in zip(requests, replies.quotas) {
            guard let index = indices[request.key] else { continue }
            if reply.generation > conditions[index].generation {
                // Reset on another node: what was granted before is void. What is granted now begins a window anew.
                reset(request.key)
                conditions[index].generation = reply.generation
                begin(request.window, index)
            }
            // A window that has lost its place is over, or the clock was set back: what was granted is wasted.
            guard conditions[index][request.window].number == request.window else { continue }
            apply(request, reply, index)
        }
    }

    private func apply(_ request: AllowanceBatch.QuotaRequest, _ reply: AllowanceReplies.QuotaReply, _ index: Int) {
        let words = conditions[index].words
        let limit = conditions[index].limit
        var window = conditions[index][request.window]
        // No store grants more than was asked for; one that says so is not believed.
        let more = min(reply.added ?? (reply.granted - min(reply.granted, request.granted)), request.wanted)
        if reply.begun == window.begun {
            window.granted += more
        } else {
            let isFirst = window.begun == 0
            let (old, new) = (Int(clamping: window.begun), Int(clamping: reply.begun))
            let isOver = !isFirst && StoreClock.isOver(begunAt: old, now: new, perSeconds: conditions[index].key.perSeconds)
            window.begun = reply.begun
            // What lies here is of a pass of the window that is over.
            if isOver { QuotaPurse.reset(words, windows: CollectionOfOne(request.window)) }
            // The store counts what this node had of this pass before it forgot it, and what was taken without the store.
            window.granted = isFirst || isOver ? max(reply.granted, more) : window.granted + more
            if isOver { window.givenBack = 0 }
        }
        window.elsewhere = min(reply.total - min(reply.total, reply.granted), QuotaPurse.limitMax)
        window.isAgreed = true
        window.isLocal = false
        window.isUnreported = false
        let isUsedUp = reply.total >= limit
        if nodes == 1 {
            window.isExhausted = isUsedUp
        } else if request.wanted > 0 {
            // Others may give back. So a last grant is not the end: it is what comes of asking once more.
            window.isExhausted = isUsedUp && more == 0
        } else {
            window.isExhausted = isUsedUp && window.isExhausted
        }
        QuotaPurse.put(
            more, words, window: request.window, granted: window.granted, elsewhere: window.elsewhere, isExhausted: window.isExhausted)
        if limit < request.limit { shrink(index, &window) }
        window.isContended = reply.keep != nil
        // What has only just been granted is for workers that wait. Given back at once it would go round the nodes for ever.
        if let keep = reply.keep { withdraw(allBut: max(keep, more), words, &window) }
        conditions[index][request.window] = window
        if window.givenBack > 0 { activate(index, isDemanded: false) }
    }

    /// The store may have forgotten what this node holds: every window in which that is something is told again.
    private func reportAgain() {
        for index in conditions.indices {
            for place in 0..<2 as Range<UInt64> where conditions[index][place].granted > 0 {
                conditions[index][place].isUnreported = true
                activate(index, isDemanded: false)
            }
        }
    }

    /// Other nodes need what lies unspent here.
    private func comply(_ notice: AllowanceReplies.QuotaNotice) {
        guard let index = indices[notice.key], conditions[index][notice.window].number == notice.window else { return }
        var window = conditions[index][notice.window]
        window.isContended = true
        withdraw(allBut: notice.keep, conditions[index].words, &window)
        conditions[index][notice.window] = window
        activate(index, isDemanded: false)
    }

    /// The store could not answer: nothing was granted. What was given back stays so. The same is asked for in the next round;
    /// how long to wait before it is for the caller.
    package func failed(_ requests: [AllowanceBatch.QuotaRequest]) {
        for request in requests {
            guard request.wanted > 0, let index = indices[request.key], conditions[index].activePlace >= 0 else { continue }
            activate(index, isDemanded: false)
        }
    }

    /// For an orderly end: empties all purses of windows that are not over, and gives what was in them back.
    package func release() -> [AllowanceBatch.QuotaRequest] {
        var requests = orphans
        orphans.removeAll()
        for index in conditions.indices {
            let present = conditions[index].key.window(at: (last?.counting ?? 0) / 1_000_000_000)
            for place in 0..<2 as Range<UInt64> {
                var window = conditions[index][place]
                guard window.number != .max, window.number >= present else { continue }
                withdraw(allBut: 0, conditions[index].words, &window)
                if let request = request(index, &window, wanted: 0) { requests.append(request) }
                conditions[index][place] = window
            }
        }
        return requests
    }

    // MARK: Without the store

    /// Instead of `plan`, while the store that `nodes` nodes share is away and quotas go on with what they have (`local`): a window of which
    /// nothing was ever agreed gets this node's even part, once. A window under way keeps what it holds, and no more.
    ///
    /// If every node does so, they admit at most the limit; if only some have lost the store, those that have not do not know, and
    /// together they may admit up to a part more for each that has. What was taken is reported when the store is back.
    package func grantLocally(
        attention: some Sequence<Int>, nodes: Int, countingNanoseconds: UInt64, monotonicNanoseconds: UInt64
    ) {
        let now = Moment(counting: countingNanoseconds, monotonic: monotonicNanoseconds)
        followClock(now)
        answer(attention)
        for place in active.indices where active[place].due <= now.monotonic {
            let index = active[place].index
            let number = conditions[index].key.window(at: countingNanoseconds / 1_000_000_000)
            if conditions[index].isDemanded { conditions[index].usedAt = now.monotonic }
            conditions[index].isDemanded = false
            // Those that are used from a purse alone need a look too when their window turns.
            active[place].due = now.monotonic &+ 20_000_000
            guard now.monotonic &- conditions[index].usedAt < Self.idleNanoseconds || isHeld(index, number) else { continue }
            begin(number, index)
            guard !conditions[index][number].isAgreed, !conditions[index][number].isLocal else { continue }
            let part = conditions[index].limit / UInt64(max(1, nodes))
            conditions[index][number].granted += part
            conditions[index][number].isLocal = true
            conditions[index][number].isExhausted = true
            QuotaPurse.put(
                part, conditions[index].words, window: number, granted: conditions[index][number].granted, elsewhere: 0, isExhausted: true)
        }
    }

    /// Whether one of the last two windows was spent from.
    private func isHeld(_ index: Int, _ number: UInt64) -> Bool {
        [number, number &- 1].contains { candidate in
            let window = conditions[index][candidate]
            return window.number == candidate && window.granted > QuotaPurse.available(conditions[index].words, window: candidate)
        }
    }
}
