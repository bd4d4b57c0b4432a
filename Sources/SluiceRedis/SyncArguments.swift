internal import SluiceCounting

/// A batch as the arguments of `SyncScript`, and its answer as replies.
enum SyncArguments {
    static func words(of batch: AllowanceBatch, node: String, run: String, isLeaving: Bool = false) -> [String] {
        let standing = batch.standing
        var words = [
            node, number(batch.sequence), number(standing.acknowledged), standing.isLocal ? "1" : "0", number(standing.fairParts), run,
            isLeaving ? "1" : "0", String(batch.ceilings.count),
        ]
        words.reserveCapacity(words.count + 1 + 4 * batch.ceilings.count + 8 * batch.quotas.count)
        for request in batch.ceilings {
            words += [request.project, number(request.ceiling), number(request.held), number(request.demand)]
        }
        words.append(String(batch.quotas.count))
        for request in batch.quotas {
            words += [
                request.key.owner, number(request.key.perSeconds), number(request.window), number(request.limit),
                number(request.granted), number(request.wanted), number(request.generation), number(request.begun),
            ]
        }
        return words
    }

    /// Scripts count in doubles: beyond 2^52 a number would lose its last digits, and nothing that is counted comes near.
    private static func number(_ number: UInt64) -> String { String(min(number, RedisReply.amountMax)) }

    /// Nil if the answer is not what the script gives.
    static func replies(in reply: RedisReply, to batch: AllowanceBatch) -> AllowanceReplies? {
        guard let parts = reply.elements, parts.count == 11, let clock = parts[0].amount, let nodes = parts[1].amount,
            let registration = parts[2].amount, let settles = parts[3].amount, let fairParts = parts[4].amount, let fairTarget = parts[5].amount,
            let squeeze = parts[6].amount, let ceilings = parts[7].elements, let extras = parts[8].elements,
            let quotas = parts[9].elements, let notices = parts[10].elements,
            ceilings.count == 3 * batch.ceilings.count, extras.count % 4 == 0, quotas.count == 6 * batch.quotas.count, notices.count % 4 == 0
        else { return nil }
        var replies = AllowanceReplies(nodes: Int(clamping: nodes), clockMicroseconds: clock)
        replies.registration = registration
        replies.settlesInMilliseconds = settles
        replies.fairParts = fairParts
        replies.fairTarget = fairTarget
        replies.squeeze = squeeze
        for (index, request) in batch.ceilings.enumerated() {
            guard let reply = ceiling(request.project, ceilings[(3 * index)..<(3 * index + 3)]) else { return nil }
            replies.ceilings.append(reply)
        }
        for row in stride(from: 0, to: extras.count, by: 4) {
            guard let project = extras[row].text, let reply = ceiling(project, extras[(row + 1)..<(row + 4)]) else { return nil }
            replies.ceilings.append(reply)
        }
        for row in stride(from: 0, to: quotas.count, by: 6) {
            guard let granted = quotas[row].amount, let total = quotas[row + 1].amount, quotas[row + 2].number != nil,
                let generation = quotas[row + 3].amount, let begun = quotas[row + 4].amount, let added = quotas[row + 5].amount
            else { return nil }
            // Below 0: nothing is asked back.
            let keep = quotas[row + 2].amount
            replies.quotas.append(AllowanceReplies.QuotaReply(granted: granted, total: total, keep: keep, generation: generation, begun: begun, added: added))
        }
        for row in stride(from: 0, to: notices.count, by: 4) {
            guard let seconds = notices[row].amount, let window = notices[row + 1].amount, let owner = notices[row + 2].text,
                let keep = notices[row + 3].amount
            else { return nil }
            replies.quotaNotices.append(
                AllowanceReplies.QuotaNotice(key: QuotaKey(owner: owner, perSeconds: seconds), window: window, keep: keep))
        }
        return replies
    }

    private static func ceiling(_ project: String, _ words: ArraySlice<RedisReply>) -> AllowanceReplies.CeilingReply? {
        let numbers = words.compactMap(\.amount)
        guard numbers.count == 3 else { return nil }
        return AllowanceReplies.CeilingReply(project: project, share: numbers[0], target: numbers[1], fair: numbers[2])
    }
}
