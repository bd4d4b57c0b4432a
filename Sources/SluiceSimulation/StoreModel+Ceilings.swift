internal import SluiceCounting

extension StoreModel {
    /// One project, for a request or, without one, for a notice.
    mutating func weigh(
        _ project: String, _ request: AllowanceBatch.CeilingRequest?, own: Int, fair: Int
    ) -> AllowanceReplies.CeilingReply? {
        var row = rows[project] ?? Row(ceiling: Int(request?.ceiling ?? 0))
        let stood = row.entries.reduce(0) { $0 + $1.held }
        row.entries.removeAll { entry in !members.contains { $0.name == entry.name } }
        if self.held[project] ?? 0 > stood { lose(now: clock.time.last ?? 0) }
        if let request, request.ceiling == 0 {
            row.entries.removeAll { $0.name == members[own].name }
            rows[project] = row.entries.isEmpty ? nil : row
            self.held[project] = row.entries.isEmpty ? nil : row.entries.reduce(0) { $0 + $1.held }
            return AllowanceReplies.CeilingReply(project: project, share: 0, target: 0, fair: 0)
        }
        self.held[project] = row.entries.reduce(0) { $0 + $1.held }
        if let request { row.ceiling = Int(request.ceiling) }
        let ceiling = row.ceiling
        var held = [Int](repeating: 0, count: members.count)
        var demand = held
        var isKnown = false
        for entry in row.entries {
            guard let place = members.firstIndex(where: { $0.name == entry.name }) else { continue }
            held[place] = entry.held
            demand[place] = min(entry.demand, ceiling)
            if place == own { isKnown = true }
        }
        if let request {
            held[own] = Int(request.held)
            demand[own] = min(Int(clamping: request.demand), ceiling)
        } else if !isKnown {
            return nil
        }
        var rest = ceiling
        var others = 0
        var sum = 0
        var listening: [Int] = []
        for (index, member) in members.enumerated() {
            let counted = index != own && member.isSilent ? max(held[index], ceiling * member.fair / Self.unit) : held[index]
            if index != own { others += counted }
            if index != own, member.isDeaf {
                rest -= counted
            } else {
                listening.append(index)
                sum += demand[index]
            }
        }
        rest = max(rest, 0)
        let (target, spare) = divide(rest, listening, demand, sum)
        var share = held[own]
        let want = demand[own]
        if request != nil, !isSettling {
            let wish = sum <= rest ? max(target[own], want + 1) : target[own]
            share += max(0, min(wish - share, ceiling - others - share))
        }
        let needed = listening.reduce(0) { $1 == own ? $0 : $0 + max(0, min(target[$1], demand[$1]) - held[$1]) }
        let free = ceiling - others - share
        var aim = share
        if free < 0 || needed > free || (sum <= rest && share > want + 2 * spare + 1) { aim = min(share, target[own]) }
        let isNeedy = min(target[own], want) > share
        if isNeedy { aim = target[own] }
        if request != nil {
            if share < target[own], !isSettling {
                for index in listening where index != own {
                    if held[index] > demand[index] + 2 * spare + 1 || (isNeedy && held[index] > target[index]) { members[index].notices.insert(project) }
                }
            }
            let entry = Entry(name: members[own].name, held: share, demand: want)
            if let place = row.entries.firstIndex(where: { $0.name == entry.name }) {
                row.entries[place] = entry
            } else {
                row.entries.append(entry)
            }
            self.held[project] = row.entries.reduce(0) { $0 + $1.held }
        }
        rows[project] = row
        return AllowanceReplies.CeilingReply(
            project: project, share: UInt64(share), target: UInt64(aim), fair: UInt64(ceiling * fair / Self.unit))
    }

    /// Max-min fairness in whole requests; what does not divide goes round.
    private func divide(_ rest: Int, _ listening: [Int], _ demand: [Int], _ sum: Int) -> (target: [Int], spare: Int) {
        var target = [Int](repeating: 0, count: members.count)
        if sum <= rest {
            let spare = (rest - sum) / (2 * listening.count)
            for index in listening { target[index] = demand[index] + spare }
            return (target, spare)
        }
        let order = listening.sorted { (demand[$0], $0) < (demand[$1], $1) }
        var first = 0
        var left = rest
        while first < order.count, demand[order[first]] <= left / (order.count - first) {
            target[order[first]] = demand[order[first]]
            left -= demand[order[first]]
            first += 1
        }
        let wanting = order[first...].sorted()
        guard !wanting.isEmpty else { return (target, 0) }
        let level = left / wanting.count
        let over = left - level * wanting.count
        let turn = clock.logical / Self.turn % wanting.count
        for (place, index) in wanting.enumerated() {
            target[index] = level + ((place + wanting.count - turn) % wanting.count < over ? 1 : 0)
        }
        return (target, 0)
    }
}
