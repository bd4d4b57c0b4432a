// What callers sent, each by itself.

extension Ledger {
    /// The limits of a caller that may have been in force in this time; nil: none, or of another interval.
    private func limits(_ caller: Caller, _ from: UInt64, _ to: UInt64, _ run: Simulation) -> [Int?] {
        run.versions.enumerated().compactMap { index, version in
            let end = index + 1 < run.versions.count ? run.versions[index + 1].from : UInt64.max
            guard version.from <= to, end >= from else { return nil }
            let limit = version.plan.domains.first { $0.key == caller.domain }?.callers
            return .some(limit?.seconds == caller.seconds ? limit?.limit : nil)
        }
    }

    /// No interval holds more of a caller's requests than its limit, whenever between its being read and its first effect each was counted; and
    /// whoever was refused had had most of its limit.
    func callers(_ run: Simulation) -> [String] {
        var found: [String] = []
        let slack = 20_000_000 + 4 * run.conditions.lag.most
        var passed: [Caller: [Judge.Account]] = [:]
        for account in accounts { if let caller = account.passedAs { passed[caller, default: []].append(account) } }
        for (caller, all) in passed.sorted(by: { "\($0.key)" < "\($1.key)" }) {
            let length = UInt64(caller.seconds) * 1_000_000_000
            func earliest(_ account: Judge.Account) -> UInt64 { account.hasLeft || run.conditions.lag.most == 0 ? account.from : account.from - slack }
            func most(_ start: UInt64) -> Int {
                let all = limits(caller, start > length ? start - length : 0, start + length, run)
                return all.contains { $0 == nil } ? Int.max : all.compactMap { $0 }.max() ?? Int.max
            }
            let sorted = all.sorted { earliest($0) < earliest($1) }
            for (index, first) in sorted.enumerated() {
                let inside = sorted[index...].filter { $0.to < earliest(first) + length }
                guard inside.count > most(earliest(first)) else { continue }
                found.append("\(inside.count) requests of a caller of \(caller.domain) pass within \(caller.seconds) s, of \(most(earliest(first))): \(inside.map { "\($0.request) at \(Self.shown($0.from))-\(Self.shown($0.to))" })")
                break
            }
            // What services see. With time that passes at every call a send is late by as much.
            let arrivals = all.flatMap(\.arrivals).sorted()
            for (index, first) in arrivals.enumerated() where run.conditions.lag.most == 0 {
                let inside = arrivals[index...].prefix { $0 < first + length }
                guard inside.count > most(first) else { continue }
                found.append("services get \(inside.count) requests of a caller of \(caller.domain) within \(caller.seconds) s, of \(most(first)): at \(inside.map(Self.shown))")
                break
            }
        }
        for refused in accounts where !isUnsure {
            guard let caller = refused.heldBackAs else { continue }
            let length = UInt64(caller.seconds) * 1_000_000_000
            let until = max(refused.to, refused.refusedAt)
            let all = limits(caller, refused.from > length ? refused.from - length : 0, until, run)
            // Over a reload another limit goes on with the slots of the one before.
            guard let limit = all.first ?? nil, all.allSatisfy({ $0 == limit }) else { continue }
            let before = accounts.filter { $0.request != refused.request && ($0.passedAs == caller || $0.perhapsPassedAs.contains(caller)) }
                .filter { $0.from <= until && max($0.to, $0.lastAt) + length + slack >= refused.from }
            let wanted = limit - (limit - 1) / 14 - (refused.mayHaveLeftUnseen ? 1 : 0)
            // What was lost with a kept connection that broke no service has seen, and it counted.
            if before.reduce(0, { $0 + 1 + max($1.repetitions, $1.hasLeft ? 1 : 0) }) < wanted {
                found.append("request \(refused.request) is refused as one too many of its caller's \(limit) in \(caller.seconds) s, after \(before.map { "\($0.request) at \(Self.shown($0.from))-\(Self.shown($0.to))" }); at \(Self.shown(refused.from))-\(Self.shown(refused.to))")
            }
        }
        return found
    }
}
