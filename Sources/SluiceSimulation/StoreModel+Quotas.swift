internal import SluiceCounting

extension StoreModel {
    /// One window of one condition.
    struct Window {
        var generation: UInt64 = 0
        /// `StoreClock.lead` when it was begun; nil if it has not been.
        var lead: Int?
        var grants: [String: Grant] = [:]
    }

    struct Grant {
        var granted = 0
        var wish = 0
        var unmet = 0
        var time = 0
    }

    /// What was granted of one window altogether.
    struct WindowSum {
        var number: UInt64
        var total: Int
        var generation: UInt64
        var lead: Int
    }

    mutating func grant(_ request: AllowanceBatch.QuotaRequest, own: Int, now: Int) -> AllowanceReplies.QuotaReply {
        let condition = "\(request.key.perSeconds):\(request.key.owner)"
        var held = Int(clamping: request.granted)
        let all = generations["*"] ?? 0
        var generation = all + (generations[condition] ?? 0)
        let name = "\(request.key.perSeconds):\(request.window):\(request.key.owner)"
        let said = max(request.generation, windows[name]?.generation ?? 0, sums[condition]?[request.window & 1]?.generation ?? 0)
        if said > generation {
            generations[condition] = said - all
            generation = said
        }
        if request.generation < generation { held = 0 }
        let perSeconds = request.key.perSeconds
        var window = currentWindow(name, generation, perSeconds)
        let node = members[own].name
        let (total, unmet) = others(window, than: node)
        let current = now / 1_000_000 / Int(request.key.perSeconds)
        let number = Int(clamping: request.window)
        let wanted = Int(clamping: request.wanted)
        var grant = 0
        var lost = 0
        var begun = window.lead
        let known = window.grants[node]?.granted
        if let sum = sums[condition]?[request.window & 1], sum.number == request.window, sum.generation >= generation,
            !isOver(sum.lead, perSeconds), defect != .ignoresLostKeys
        {
            begun = begun ?? sum.lead
            lost = max(0, sum.total - total - (known ?? 0))
        }
        var pass = Int(clamping: request.begun)
        if pass > 0, isOver(pass, perSeconds) { (held, pass) = (0, 0) }
        let lead = begun ?? (held > 0 && pass > 0 ? pass : clock.time.lead)
        let isSame = pass > 0 && !StoreClock.isOver(begunAt: pass, now: lead, perSeconds: perSeconds)
        let base = isSame ? held : (known ?? 0) + (pass == 0 ? held : 0)
        if known == nil { lost = max(0, lost - base) }
        let isPresent = number == current || number == current + 1
        if !isSettling, isPresent { grant = max(0, min(wanted, Int(clamping: request.limit) - total - lost - base)) }
        var mine = window.grants[node] ?? Grant()
        mine.granted = base + grant
        mine.unmet = isSettling ? 0 : wanted - grant
        if wanted > 0 { (mine.wish, mine.time) = (wanted, clock.logical) }
        if mine.unmet > 0 {
            for index in members.indices where index != own {
                guard let other = window.grants[members[index].name], other.granted > 0 else { continue }
                if other.unmet == 0 || clock.logical - other.time > Self.need { members[index].quotaNotices.insert(name) }
            }
        }
        window.grants[node] = mine
        window.lead = window.lead ?? lead
        windows[name] = window
        let sum = total + lost + mine.granted
        if isPresent {
            sums[condition, default: [:]][request.window & 1] = WindowSum(number: request.window, total: sum, generation: generation, lead: lead)
        }
        return AllowanceReplies.QuotaReply(
            granted: UInt64(mine.granted), total: UInt64(sum), keep: keep(unmet, mine), generation: generation,
            begun: UInt64(lead), added: UInt64(grant))
    }

    mutating func takeQuotaNotices(own: Int) -> [AllowanceReplies.QuotaNotice] {
        let names = members[own].quotaNotices.sorted()
        members[own].quotaNotices = []
        return names.compactMap { name in
            let parts = name.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, let seconds = UInt64(parts[0]), let number = UInt64(parts[1]) else { return nil }
            let generation = (generations["*"] ?? 0) + (generations["\(seconds):\(parts[2])"] ?? 0)
            let window = currentWindow(name, generation, seconds)
            let node = members[own].name
            guard let kept = keep(others(window, than: node).unmet, window.grants[node] ?? Grant()) else { return nil }
            return AllowanceReplies.QuotaNotice(key: QuotaKey(owner: String(parts[2]), perSeconds: seconds), window: number, keep: kept)
        }
    }

    /// Makes a condition (`SECONDS:OWNER`) or all (`*`) begin anew.
    package mutating func reset(_ condition: String) { generations[condition, default: 0] += 1 }

    private func isOver(_ lead: Int, _ perSeconds: UInt64) -> Bool {
        defect != .neverBeginsAnew && clock.time.isOver(begunAt: lead, perSeconds: perSeconds)
    }

    private mutating func currentWindow(_ name: String, _ generation: UInt64, _ perSeconds: UInt64) -> Window {
        guard let window = windows[name], window.generation >= generation, !(window.lead.map { isOver($0, perSeconds) } ?? false)
        else { return Window(generation: generation) }
        windows[name] = gathered(window)
        return gathered(window)
    }

    /// What was granted to nodes that were forgotten an hour ago stands under one name.
    private func gathered(_ window: Window) -> Window {
        var window = window
        for (name, grant) in window.grants where name != "gone" && clock.logical - grant.time > Self.gone && !members.contains(where: { $0.name == name }) {
            window.grants[name] = nil
            window.grants["gone", default: Grant()].granted += grant.granted
        }
        return window
    }

    private func others(_ window: Window, than node: String) -> (total: Int, unmet: Int) {
        var result = (total: 0, unmet: 0)
        for (name, grant) in window.grants where name != node {
            result.total += grant.granted
            if clock.logical - grant.time <= Self.need { result.unmet += grant.unmet }
        }
        return result
    }

    private func keep(_ unmet: Int, _ mine: Grant) -> UInt64? {
        if unmet == 0 { return nil }
        return clock.logical - mine.time <= Self.need ? UInt64(mine.wish / 2) : 0
    }
}
