/// Allowance that is kept in memory: for `sluice explain`, for a gateway without a state directory, and for tests. It is lost with
/// the process, together with the purses.
package final class MemoryStore: AllowanceStore {
    private struct Row: Hashable {
        let key: QuotaKey
        let window: UInt64
    }

    private var reserved: [Row: UInt64] = [:]
    /// Rows at which windows that are over are looked for.
    private var pruneAt = 1024

    package init() {}

    package func exchange(_ batch: AllowanceBatch) throws(AllowanceStoreError) -> AllowanceReplies {
        let ceilings = batch.ceilings.map {
            AllowanceReplies.CeilingReply(project: $0.project, share: $0.ceiling, target: $0.ceiling, fair: $0.ceiling)
        }
        // Windows that come again: see `StoreClock`.
        if batch.setBackSeconds > 0 { reserved = reserved.filter { $0.key.key.perSeconds > batch.setBackSeconds } }
        var quotas: [AllowanceReplies.QuotaReply] = []
        quotas.reserveCapacity(batch.quotas.count)
        for request in batch.quotas {
            let row = Row(key: request.key, window: request.window)
            let present = batch.seconds > 0 ? request.key.window(at: batch.seconds) : request.window
            if request.window < present || request.window > present + 1 {
                // Nothing of a window that is over, or of one that a clock showed which has been set back since.
                quotas.append(.init(granted: request.granted, total: max(request.limit, request.granted)))
                continue
            }
            if reserved[row] == nil, request.window == present, request.wanted > 0, let other = request.key.other { takeOver(other, into: row, at: batch.seconds) }
            guard reserved[row] != nil || !request.beginsNothing else {
                quotas.append(.init(granted: request.granted, total: request.granted))
                continue
            }
            let former = reserved[row] ?? 0
            var total = max(former - min(former, request.givenBack), request.granted)
            let granted = min(request.wanted, request.limit - min(request.limit, total))
            total += granted
            reserved[row] = total
            quotas.append(.init(granted: request.granted + granted, total: total))
        }
        if reserved.count > pruneAt { prune() }
        return AllowanceReplies(ceilings: ceilings, quotas: quotas)
    }

    package func usage(wallSeconds: UInt64) throws(AllowanceStoreError) -> [(key: QuotaKey, window: UInt64, reserved: UInt64)] {
        reserved.filter { $0.key.window == $0.key.key.window(at: wallSeconds) && $0.value > 0 }
            .map { (key: $0.key.key, window: $0.key.window, reserved: $0.value) }
    }

    /// What is reserved of one window.
    func reserved(_ key: QuotaKey, window: UInt64) -> UInt64 { reserved[Row(key: key, window: window)] ?? 0 }

    package func reset(_ key: QuotaKey?) throws(AllowanceStoreError) {
        guard let key else { return reserved.removeAll() }
        reserved = reserved.filter { $0.key.key != key }
    }

    /// A caller's plan has another calendar than before: what was used in the present window goes over. See `QuotaKey.other`.
    private func takeOver(_ other: QuotaKey, into row: Row, at seconds: UInt64) {
        let windows = reserved.keys.filter { $0.key == other }.map(\.window)
        guard !windows.isEmpty else { return }
        // Where nobody knows the time, the present window of the other is the one in which the new one's begins, or the other way round.
        let present = seconds > 0 ? windows.first { $0 == other.window(at: seconds) } : windows.filter { window in
            let (first, end) = (other.start(of: window), other.end(of: window))
            let (ownFirst, ownEnd) = (row.key.start(of: row.window), row.key.end(of: row.window))
            return first < ownEnd && ownFirst < end
        }.max()
        if let present { reserved[row] = reserved[Row(key: other, window: present)] }
        for window in windows { reserved[Row(key: other, window: window)] = nil }
    }

    package func close() {}

    /// Forgets all but the last three windows of every condition.
    private func prune() {
        var newest: [QuotaKey: UInt64] = [:]
        for row in reserved.keys { newest[row.key] = max(newest[row.key] ?? 0, row.window) }
        reserved = reserved.filter { ($0.key.window + 2) >= newest[$0.key.key] ?? 0 }
        pruneAt = max(1024, reserved.count * 2)
    }
}
