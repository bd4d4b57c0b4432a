// What a round asks of the store: the conditions that workers demand, and those whose time has come.

extension QuotaLedger {
    /// What the store has to be told and asked, possibly nothing. A batch holds at most `requestsMax` and a few more; what does not fit is due in the
    /// next round.
    ///
    /// - Parameters:
    ///   - attention: conditions that workers have marked (`QuotaPurse.demandAttention`); their marks are taken away.
    ///   - countingNanoseconds: the clock that numbers windows, since the Unix epoch. It may be set.
    ///   - monotonicNanoseconds: any clock that never goes back.
    package func plan(
        attention: some Sequence<Int>, countingNanoseconds: UInt64, monotonicNanoseconds: UInt64
    ) -> [AllowanceBatch.QuotaRequest] {
        let now = Moment(counting: countingNanoseconds, monotonic: monotonicNanoseconds)
        followClock(now)
        answer(attention)
        collectDue(now)
        var requests = Array(orphans.prefix(Self.requestsMax))
        orphans.removeFirst(requests.count)
        // Many of them go by themselves: what is said of the same windows from here on must not come before them.
        guard requests.count < Self.requestsMax / 4 else { return requests }
        for index in due { visit(index, now, &requests) }
        return requests
    }

    /// Takes workers' marks away, before anything of the condition is looked at.
    func answer(_ attention: some Sequence<Int>) {
        for index in attention where conditions.indices.contains(index) {
            QuotaPurse.takeAttention(conditions[index].words)
            activate(index, isDemanded: true)
        }
    }

    /// Which of the active conditions are due: at most half as many as a batch holds, since each may ask for two windows.
    func collectDue(_ now: Moment) {
        due.removeAll(keepingCapacity: true)
        if cursor >= active.count { cursor = 0 }
        var place = cursor
        for _ in 0..<active.count {
            if active[place].due <= now.monotonic {
                if due.count == Self.requestsMax / 2 { break }
                due.append(active[place].index)
            }
            place += 1
            if place == active.count { place = 0 }
        }
        cursor = place
    }

    /// Looks at one condition: asks for what it needs, says what it gives back, and decides when to look again.
    private func visit(_ index: Int, _ now: Moment, _ requests: inout [AllowanceBatch.QuotaRequest]) {
        let length = Self.nanoseconds(conditions[index].key.perSeconds)
        let key = conditions[index].key
        let number = key.window(at: now.counting / 1_000_000_000)
        let end = key.end(of: number).multipliedReportingOverflow(by: 1_000_000_000)
        let untilNext = end.overflow ? length : max(1, end.partialValue - min(end.partialValue, now.counting))
        begin(number, index)
        measure(index, number, now)

        let isIdle = now.monotonic &- conditions[index].usedAt >= Self.idleNanoseconds
        var wait = Self.waitMax
        if isIdle {
            if sizing.parts > 1 { withdraw(allBut: 1, conditions[index].words, &conditions[index][number]) }
        } else {
            let wanted = wanted(index, number, now)
            wait = timeUntilLow(index, number, expecting: wanted)
            ask(index, number, wanted, now, &requests)

            // A first block of the next window, so that nobody waits at its beginning.
            let lead = max(50_000_000, min(1_000_000_000, length / 4))
            if untilNext > lead {
                wait = min(wait, untilNext - lead)
            } else {
                if conditions[index].usedWindow == number {
                    begin(number + 1, index)
                    let isAgreed = conditions[index][number + 1].isAgreed
                    ask(index, number + 1, isAgreed ? 0 : self.wanted(index, number + 1, now), now, &requests)
                }
                wait = min(wait, untilNext)
            }
        }
        // Whatever has not been said yet: given back, or taken while the store was away.
        ask(index, number, 0, now, &requests)
        ask(index, number + 1, 0, now, &requests)

        conditions[index].isDemanded = false
        if isIdle {
            deactivate(index)
        } else {
            active[conditions[index].activePlace].due = now.monotonic &+ max(wait, Self.waitMin)
        }
    }

    private func ask(_ index: Int, _ number: UInt64, _ wanted: UInt64, _ now: Moment, _ requests: inout [AllowanceBatch.QuotaRequest]) {
        var window = conditions[index][number]
        guard window.number == number, let request = request(index, &window, wanted: wanted) else { return }
        conditions[index][number] = window
        if wanted > 0 { conditions[index].askedAt = now.monotonic }
        requests.append(request)
    }

    /// How much more of a window is needed now.
    private func wanted(_ index: Int, _ number: UInt64, _ now: Moment) -> UInt64 {
        let limit = conditions[index].limit
        let window = conditions[index][number]
        if limit == 0 {
            if !window.isExhausted { exhaust(conditions[index].words, &conditions[index][number]) }
            return 0
        }
        let block = block(index)
        if window.isExhausted {
            let mayHaveMore = (isShared || nodes > 1) && conditions[index].isDemanded
            return mayHaveMore && now.monotonic &- conditions[index].askedAt >= Self.askAgainNanoseconds ? block : 0
        }
        if window.isContended, !conditions[index].isDemanded { return 0 }
        let held = QuotaPurse.available(conditions[index].words, window: number)
        return held <= lowMark(index, block: block) ? block - held : 0
    }

    private func block(_ index: Int) -> UInt64 {
        sizing.block(rate: conditions[index].rate, limit: conditions[index].limit, perSeconds: conditions[index].key.perSeconds)
    }

    /// A purse that holds no more than this is filled: what will be spent in 100 ms, but at most half a block. Less than a block, which is 1 at least.
    private func lowMark(_ index: Int, block: UInt64) -> UInt64 {
        UInt64(min(conditions[index].rate * 0.1, Double(block / 2)))
    }

    /// When to look again, in nanoseconds: when the purse will have run low at the present rate. Half a block is left then, for a rate that has
    /// risen since.
    private func timeUntilLow(_ index: Int, _ number: UInt64, expecting wanted: UInt64) -> UInt64 {
        let window = conditions[index][number]
        let rate = conditions[index].rate
        guard !window.isExhausted, rate > 0 else { return Self.waitMax }
        let held = QuotaPurse.available(conditions[index].words, window: number) + wanted
        let low = lowMark(index, block: block(index))
        return UInt64(min(Double(held - min(held, low)) / rate * 1e9, Double(Self.waitMax)))
    }

    /// Follows how fast a condition is spent: a mean over about 100 ms.
    private func measure(_ index: Int, _ number: UInt64, _ now: Moment) {
        let window = conditions[index][number]
        let held = QuotaPurse.available(conditions[index].words, window: number)
        let spent = window.granted - min(window.granted, held)
        let isSame = conditions[index].measuredWindow == number
        let before = isSame ? min(conditions[index].measuredSpent, spent) : 0
        if conditions[index].isDemanded || spent > before {
            conditions[index].usedAt = now.monotonic
            conditions[index].usedWindow = number
        }
        let elapsed = Double(now.monotonic &- conditions[index].measuredAt) / 1e9
        if isSame, elapsed > 0 {
            let former = conditions[index].rate
            let rate = former + (Double(spent - before) / elapsed - former) * (elapsed / (elapsed + 0.1))
            // With an empty purse more might have been spent: such a look can only raise the rate.
            conditions[index].rate = held == 0 ? max(former, rate) : rate
        }
        conditions[index].measuredWindow = number
        conditions[index].measuredSpent = spent
        conditions[index].measuredAt = now.monotonic
    }

    static func nanoseconds(_ seconds: UInt64) -> UInt64 { min(max(seconds, 1), 9_000_000_000) * 1_000_000_000 }

    /// An active condition is looked at no more often than this, unless it is demanded, and no less often.
    private static let waitMin: UInt64 = 2_000_000
    private static let waitMax: UInt64 = 100_000_000
}
