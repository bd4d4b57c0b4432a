// What comes of a batch.

extension CeilingLedger {
    /// Takes in the replies to the batch that `plan` made, whose number was `sequence` and which was sent at `sentAt`, not before it was planned.
    package func apply(_ replies: AllowanceReplies, to sequence: UInt64, sentAt: UInt64, now: UInt64) {
        let until = sentAt + Self.lease
        contact = sentAt
        // All of a ceiling is the most that a part can be: a store that says more is not believed.
        fairParts = min(replies.fairParts, replies.fairTarget, AllowanceReplies.fairUnit)
        let isSettling = replies.settlesInMilliseconds > 0
        if replies.registration != registration || self.isSettling && !isSettling || isRaised { beginRound() }
        isRaised = false
        registration = replies.registration
        self.isSettling = isSettling
        noteSqueeze(replies.squeeze, now: now)

        for (index, reply) in zip(inFlight, replies.ceilings) { confirm(index, reply, until: until, now: now) }
        for index in inFlight.dropFirst(replies.ceilings.count) { forget(index) }
        for reply in replies.ceilings.dropFirst(inFlight.count + farewellsInFlight.count) {
            if let index = places[reply.project] { comply(index, reply) }
        }
        if replies.ceilings.count < inFlight.count + farewellsInFlight.count { sayFarewellAgain() }
        inFlight.removeAll(keepingCapacity: true)
        farewellsInFlight.removeAll(keepingCapacity: true)
        if roundCursor >= items.count, !isFirstPass, !isSettling { isRegistered = true }
        // As long as the store does not know every fair part that is in use, it must count on all of them: to it, this node is without contact.
        if raisedCount == 0 { acknowledged = sequence }
    }

    /// The batch was not answered: nobody knows what the store has written down. What it said is said again; what is held remains, for no
    /// longer than the lease that it has.
    package func failed(now: UInt64) {
        for index in inFlight { forget(index) }
        inFlight.removeAll(keepingCapacity: true)
        sayFarewellAgain()
        farewellsInFlight.removeAll(keepingCapacity: true)
    }

    /// What was said may not have been heard. Who has come back in the meantime stays.
    private func sayFarewellAgain() {
        for project in farewellsInFlight where places[project] == nil { farewells.insert(project) }
    }

    private func forget(_ index: Int) {
        items[index].registration = 0
        enqueue(index)
    }

    /// The store must be told of every project.
    private func beginRound() {
        round &+= 1
        roundCursor = 0
        isFirstPass = true
        isRegistered = false
        for index in inFlight { items[index].round = round }
    }

    private func noteSqueeze(_ squeeze: UInt64, now: UInt64) {
        guard squeeze != self.squeeze else { return }
        self.squeeze = squeeze
        squeezeDeadline = now + Self.squeezeTime
        for index in items.indices where items[index].limit > fair(items[index].ceiling) { enqueue(index) }
    }

    /// A reply about a project that the batch has told of.
    private func confirm(_ index: Int, _ reply: AllowanceReplies.CeilingReply, until: UInt64, now: UInt64) {
        items[index].registration = registration
        items[index].recorded = reply.share
        items[index].squeeze = squeeze
        setLimit(index, to: min(reply.share, reply.target, items[index].ceiling), until: until)
        // More is to come as soon as others have let go of it, or not before somebody's demand changes.
        let demand = items[index].told
        let pause: UInt64 = reply.target > reply.share ? 20_000_000 : reply.share > demand ? 0 : max(Self.heartbeat, patience / 2)
        items[index].askAt = now + pause
        // Until then a worker need not wait for more, unless others are about to let go of it.
        CeilingMeter.settle(items[index].words, until: reply.target > reply.share ? now : items[index].askAt)
        if reply.share > items[index].limit || demand > 0 { activate(index) }
    }

    /// Others need some of what this node holds.
    private func comply(_ index: Int, _ reply: AllowanceReplies.CeilingReply) {
        guard reply.target < items[index].limit else { return }
        setLimit(index, to: reply.target, until: items[index].until)
        enqueue(index)
    }
}
