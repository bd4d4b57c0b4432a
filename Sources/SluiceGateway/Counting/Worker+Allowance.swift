import SluiceCounting
import SluiceEvent

// Exchanges that wait for the keeper of counts to reserve what they need.

extension Worker {
    /// The step that suspended is evaluated again when the keeper has been to the store, or when the exchange has waited long enough.
    func awaitAllowance(_ connection: Downstream, _ block: UnsafeMutablePointer<ExchangeBlock>) {
        KeeperState.countWait(context.pointee.keeper)
        // One exchange waits once, however many of its steps and of the keeper's rounds that takes.
        if block.pointee.exchange.allowanceDeadline == 0 {
            block.pointee.exchange.allowanceDeadline = nowMilliseconds + limits.countWait
        }
        let deadline = block.pointee.exchange.allowanceDeadline
        guard allowanceWaiters.count < Limits.allowanceWaiters, deadline > nowMilliseconds else {
            return decideLate(connection, block)
        }
        allowanceWaiters.append(.init(exchange: WaitingExchange(connection), deadline: deadline))
        AttentionQueue.awaitReply(context.pointee.attention)
        counts.signal.raise()
    }

    /// The keeper has been to the store, or knows that it cannot be reached.
    func allowanceChanged() {
        freshenClock()
        for waiter in allowanceWaiters.takeAll() {
            guard let block = waiter.exchange.block else { continue }
            block.pointee.exchange.hasAwaitedAllowance = nowMilliseconds >= waiter.deadline
            block.pointee.exchange.step -= 1
            runChain(waiter.exchange.connection, block)
        }
    }

    /// Decides what has waited long enough.
    func expireAllowanceWaiters() {
        for waiter in allowanceWaiters.takeExpired(at: nowMilliseconds) {
            guard let block = waiter.exchange.block else { continue }
            decideLate(waiter.exchange.connection, block)
        }
    }

    private func decideLate(_ connection: Downstream, _ block: UnsafeMutablePointer<ExchangeBlock>) {
        block.pointee.exchange.hasAwaitedAllowance = true
        block.pointee.exchange.step -= 1
        runChain(connection, block)
    }
}
