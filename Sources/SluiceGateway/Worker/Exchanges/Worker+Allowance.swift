import SluiceCounting
import SluiceEvent

// Exchanges that wait for the keeper of counts to reserve what they need.

extension Worker {
    /// The step that suspended is evaluated again when the keeper has been to the store, or when the exchange has waited long enough.
    func awaitAllowance(_ block: ExchangeRef) {
        KeeperState.countWait(context.pointee.keeper)
        // One exchange waits once, however many of its steps and of the keeper's rounds that takes.
        if block.pointee.exchange.allowanceDeadline == 0 {
            block.pointee.exchange.allowanceDeadline = turn.now + limits.countWait
        }
        let deadline = block.pointee.exchange.allowanceDeadline
        guard allowanceWaiters.count < Limits.allowanceWaiters, deadline > turn.now else {
            block.pointee.exchange.hasAwaitedAllowance = true
            return goOn(block, at: .sameStep)
        }
        allowanceWaiters.append(.init(suspension: Suspension(block), deadline: deadline))
        turn.noteDue(turn.now)
        AttentionQueue.awaitReply(context.pointee.attention)
        counts.signal.raise()
    }

    /// The keeper has been to the store, or knows that it cannot be reached.
    func allowanceChanged() {
        turn.freshenClock()
        for waiter in allowanceWaiters.takeAll() {
            guard let block = waiter.suspension.block else { continue }
            block.pointee.exchange.hasAwaitedAllowance = turn.now >= waiter.deadline
            goOn(block, at: .sameStep)
        }
    }

    /// Decides what has waited long enough.
    func expireAllowanceWaiters() {
        for waiter in allowanceWaiters.takeExpired(at: turn.now) {
            guard let block = waiter.suspension.block else { continue }
            block.pointee.exchange.hasAwaitedAllowance = true
            goOn(block, at: .sameStep)
        }
    }
}
