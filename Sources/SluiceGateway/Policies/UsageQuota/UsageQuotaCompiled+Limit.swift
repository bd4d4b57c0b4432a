import SluiceCounting
import SluiceHTTP

// What callers are told of quotas.

extension UsageQuota.Compiled {
    @inline(__always)
    var limitPolicy: ByteView? { policy }

    func writeLimit(_ writer: inout HeadWriter, _ exchange: borrowing Exchange, isRefusing: Bool) {
        Self.write(&writer, domain, "\"domain-", isFirst: true, exchange)
        Self.write(&writer, endpoint, "\"endpoint-", isFirst: domain.count == 0, exchange)
    }

    private static func write(
        _ writer: inout HeadWriter, _ list: ArenaSlice<Condition>, _ prefix: StaticString, isFirst: Bool, _ exchange: borrowing Exchange
    ) {
        for index in 0..<list.count {
            let condition = list[index]
            if index > 0 || !isFirst { writer.write(", ") }
            writer.write(prefix)
            writer.write(decimal: condition.perSeconds)
            writer.write("\";r=")
            writer.write(decimal: condition.remaining(at: exchange.context.pointee.countSeconds))
            writer.write(";t=")
            writer.write(decimal: condition.secondsLeft(at: exchange.context.pointee.countSeconds))
        }
    }

    /// Seconds until every condition that is used up begins a new window; nil if one admits nothing ever, or if none is used up
    /// and the request was refused because nothing could be reserved.
    func secondsToWait(_ exchange: borrowing Exchange) -> UInt64? {
        var wait: UInt64 = 0
        guard Self.extend(&wait, domain, at: exchange.context.pointee.countSeconds), Self.extend(&wait, endpoint, at: exchange.context.pointee.countSeconds) else { return nil }
        return wait > 0 ? wait : nil
    }

    /// Makes `wait` last until all conditions of the list that are used up begin a new window. False if one admits nothing ever.
    private static func extend(_ wait: inout UInt64, _ list: ArenaSlice<Condition>, at seconds: UInt64) -> Bool {
        for index in 0..<list.count {
            let condition = list[index]
            if condition.limit == 0 { return false }
            if condition.remaining(at: seconds) == 0 { wait = max(wait, condition.secondsLeft(at: seconds)) }
        }
        return true
    }
}

extension UsageQuota.Compiled.Condition {
    /// What is left of the window.
    fileprivate func remaining(at seconds: UInt64) -> UInt64 {
        limit - min(limit, QuotaPurse.usage(purse, window: seconds / perSeconds))
    }

    /// Seconds until the window ends, at least 1.
    fileprivate func secondsLeft(at seconds: UInt64) -> UInt64 { perSeconds - seconds % perSeconds }
}
