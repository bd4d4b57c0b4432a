// What the ledger looks at, and what goes into a batch.

extension CeilingLedger {
    /// Looks after the meters: prolongs limits, measures demand, and comes down or goes up for want of contact.
    /// - Returns: whether a batch should be sent now, be it an empty one.
    package func tick(now: UInt64) -> Bool {
        let passed = now - min(lookedAt, now)
        if passed >= Self.lookTime {
            lookedAt = now
            sweep(passed: passed, now: now)
            for _ in 0..<min(active.count, Self.lookMax) {
                activeCursor = activeCursor + 1 < active.count ? activeCursor + 1 : 0
                let index = active[activeCursor]
                if examine(index, now: now) { removeActive(activeCursor) }
            }
            useFairPart(now: now)
            comeDown(now: now)
        }
        if plannedAt == 0 || now >= plannedAt + Self.heartbeat { return true }
        let hasNews = !queue.isEmpty || !farewells.isEmpty || !isRegistered && contact != nil && !(isSettling && !isFirstPass)
        return hasNews && now >= plannedAt + Self.spacing
    }

    /// Looks at projects whose workers were refused by a share that is less than the ceiling.
    package func attend(_ indices: [Int], now: UInt64) {
        for index in indices where items.indices.contains(index) { _ = examine(index, now: now) }
    }

    private func sweep(passed: UInt64, now: UInt64) {
        let share = UInt64(items.count) * min(passed, Self.sweepTime) / Self.sweepTime + 1
        for _ in 0..<min(items.count, Int(share)) {
            sweepCursor = sweepCursor + 1 < items.count ? sweepCursor + 1 : 0
            if !items[sweepCursor].isActive { _ = examine(sweepCursor, now: now) }
        }
    }

    private func removeActive(_ place: Int) {
        items[active[place]].isActive = false
        active.swapAt(place, active.count - 1)
        active.removeLast()
    }

    /// One project: its limit is prolonged, its demand measured, and it is queued if the store should hear of it.
    /// - Returns: whether nothing is going on there.
    private func examine(_ index: Int, now: UInt64) -> Bool {
        let words = items[index].words
        let used = CeilingMeter.usage(of: words, now: now)
        let wasRefused = items[index].demand.measure(used: used, refusals: CeilingMeter.refusals(of: words), now: now)
        prolong(index, now: now)
        let item = items[index]
        let demand = item.demand.value
        let isIdle = used == 0 && demand == 0 && item.told == 0 && item.recorded <= item.limit
        if !isIdle { activate(index) }
        if !item.isQueued, item.registration != 0, isWorthTelling(item, used: used, demand: demand, wasRefused: wasRefused, now: now) {
            enqueue(index)
        }
        return isIdle
    }

    private func isWorthTelling(_ item: Item, used: UInt64, demand: UInt64, wasRefused: Bool, now: UInt64) -> Bool {
        let grain = item.ceiling / 256
        // What the store holds in our name and we no longer use: others wait for it.
        let held = max(item.limit, used)
        if held < item.recorded, held == item.limit || now >= item.toldAt + 2 * Self.lookTime && item.recorded - held > grain { return true }
        if item.limit < item.ceiling, wasRefused || demand > 0 && demand >= item.limit {
            if now >= item.askAt { return true }
            if demand > item.told + max(item.told / 16, grain), now >= item.toldAt + Self.lookTime / 2 { return true }
        }
        // A demand that the store knows wrong makes it share badly; how soon that matters depends on how many there are.
        guard now >= item.toldAt + patience else { return false }
        return demand + grain < item.told || demand > item.told + max(grain, demand < item.limit ? item.ceiling / 16 : 0)
    }

    private func prolong(_ index: Int, now: UInt64) {
        guard let contact, items[index].registration == registration, items[index].registration != 0 else { return }
        let end = contact + Self.lease
        if items[index].until < end - 400_000_000, end > now { setLimit(index, to: items[index].limit, until: end) }
    }

    /// Mode `local`: after long enough without contact the limit is the fair part, of which the store keeps account.
    private func useFairPart(now: UInt64) {
        guard isLocal, !isRaised, let contact, now >= contact + Self.raise else { return }
        isRaised = true
        for index in items.indices where items[index].isPresent {
            // Until the store has confirmed it, it does not count on the lease, nor does the store hear that we have its replies.
            items[index].registration = 0
            setLimit(index, to: fair(items[index].ceiling), until: Self.unlimited)
        }
    }

    /// Another node will use its fair part soon: comes down to our own where the store has not said how much more it can be.
    private func comeDown(now: UInt64) {
        guard let deadline = squeezeDeadline, now >= deadline else { return }
        squeezeDeadline = nil
        for index in items.indices where items[index].squeeze != squeeze && items[index].limit > fair(items[index].ceiling) {
            setLimit(index, to: fair(items[index].ceiling), until: items[index].until)
            enqueue(index)
        }
    }

    // MARK: Batches

    /// The projects of the next batch, most urgent first. `apply` or `failed` must follow before the next call.
    package func plan(now: UInt64) -> [AllowanceBatch.CeilingRequest] {
        plannedAt = now
        inFlight.removeAll(keepingCapacity: true)
        let count = min(queue.count, Self.batchMax)
        for index in queue[..<count] {
            items[index].isQueued = false
            if items[index].isPresent { inFlight.append(index) }
        }
        queue.removeFirst(count)
        planRegistering()
        farewellsInFlight = Array(farewells.prefix(Self.batchMax - inFlight.count))
        farewells.subtract(farewellsInFlight)
        return inFlight.map { request($0, now: now) } + farewellsInFlight.map { .init(project: $0, ceiling: 0, held: 0, demand: 0) }
    }

    /// Projects that the store was not asked about in this round: first those of which something is held, since others may be granted
    /// it once the store has settled, then the rest, which would get nothing before.
    private func planRegistering() {
        var looks = 20_000
        while inFlight.count < Self.batchMax, looks > 0, !isRegistered {
            guard roundCursor < items.count else {
                if isFirstPass {
                    isFirstPass = false
                    roundCursor = 0
                    continue
                }
                return
            }
            if !isFirstPass, isSettling { return }
            let index = roundCursor
            roundCursor += 1
            looks -= 1
            let item = items[index]
            guard item.isPresent, item.round != round, !item.isQueued, !isFirstPass || item.limit > 0 || item.recorded > 0 else { continue }
            items[index].round = round
            inFlight.append(index)
        }
    }

    private func request(_ index: Int, now: UInt64) -> AllowanceBatch.CeilingRequest {
        let words = items[index].words
        CeilingMeter.takeAttention(words)
        // First the limit, then what is in use: that can only rise to the limit in between.
        let limit = CeilingMeter.limit(of: words, now: now)
        let used = CeilingMeter.usage(of: words, now: now)
        _ = items[index].demand.measure(used: used, refusals: CeilingMeter.refusals(of: words), now: now)
        items[index].round = round
        items[index].told = items[index].demand.value
        items[index].toldAt = now
        return AllowanceBatch.CeilingRequest(
            project: items[index].project, ceiling: items[index].ceiling, held: max(limit, used), demand: items[index].told)
    }
}
