import SluiceCounting
import SluiceHTTP

/// Tells the caller of limits: `RateLimit-Policy`, `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers, structured
/// fields of RFC 9651) and, on a refusal, `Retry-After` (RFC 9110, 10.2.3).
///
/// A policy's item is its name with `q`, the limit, and `w`, the seconds of its window; a limit's has `r`, what remains, and
/// `t`, the seconds until there is more. Seconds are rounded up: after that time one request passes, unless others took it.
enum RateLimitFields {
    /// A name as a structured field's string.
    static func name(_ text: String) -> String {
        let characters = text.unicodeScalars.map { scalar -> String in
            switch scalar {
            case "\"", "\\": "\\\(scalar)"
            case " "..."~": "\(scalar)"
            default: "?"
            }
        }
        return "\"\(characters.joined())\""
    }

    /// What a refusal for a limit says. `step` is the one that refused.
    static func writeRefusal(_ writer: inout HeadWriter, _ step: Step, _ context: borrowing EvaluationContext) {
        switch step {
        case .ceiling(let ceiling):
            writePolicy(&writer, ceiling.policy)
            let wait = ceiling.secondsToWait(context)
            writer.write("RateLimit: ")
            write(&writer, ceiling, context, wait: wait)
            writer.write("\r\n")
            writeRetryAfter(&writer, wait)
        case .usageQuota(let quota):
            writePolicy(&writer, quota.pointee.policy)
            writer.write("RateLimit: ")
            write(&writer, quota.pointee, context)
            writer.write("\r\n")
            writeRetryAfter(&writer, quota.pointee.secondsToWait(context))
        default: break
        }
    }

    /// What every other response says: all limits of the chain, which begins with the ceiling.
    ///
    /// - Parameters:
    ///   - changes: of the endpoint; a field that they set or remove is not written.
    ///   - stored: the configured response that says it; nor is a field of its own.
    static func writeAll(
        _ writer: inout HeadWriter, _ steps: ArenaSlice<Step>, _ context: borrowing EvaluationContext, changes: FieldChanges? = nil,
        stored: UnsafePointer<StoredResponse>? = nil
    ) {
        let (saysPolicy, saysLimit) = (stored?.pointee.saysRateLimitPolicy ?? false, stored?.pointee.saysRateLimit ?? false)
        if !saysPolicy, changes?.drops(ByteView("ratelimit-policy" as StaticString)) != true { writePolicies(&writer, steps) }
        if !saysLimit, changes?.drops(ByteView("ratelimit" as StaticString)) != true { writeLimits(&writer, steps, context) }
    }

    private static func writePolicies(_ writer: inout HeadWriter, _ steps: ArenaSlice<Step>) {
        writer.write("RateLimit-Policy: ")
        for index in 0..<steps.count {
            switch steps[index] {
            case .ceiling(let ceiling): writer.write(ceiling.policy)
            case .usageQuota(let quota):
                writer.write(", ")
                writer.write(quota.pointee.policy)
            default: break
            }
        }
        writer.write("\r\n")
    }

    private static func writeLimits(_ writer: inout HeadWriter, _ steps: ArenaSlice<Step>, _ context: borrowing EvaluationContext) {
        writer.write("RateLimit: ")
        for index in 0..<steps.count {
            switch steps[index] {
            case .ceiling(let ceiling): write(&writer, ceiling, context, wait: 1)
            case .usageQuota(let quota):
                writer.write(", ")
                write(&writer, quota.pointee, context)
            default: break
            }
        }
        writer.write("\r\n")
    }

    private static func writePolicy(_ writer: inout HeadWriter, _ policy: ByteView) {
        writer.write("RateLimit-Policy: ")
        writer.write(policy)
        writer.write("\r\n")
    }

    private static func writeRetryAfter(_ writer: inout HeadWriter, _ seconds: UInt64?) {
        guard let seconds else { return }
        writer.write("Retry-After: ")
        writer.write(decimal: seconds)
        writer.write("\r\n")
    }

    private static func write(
        _ writer: inout HeadWriter, _ ceiling: ProjectCeiling.Compiled, _ context: borrowing EvaluationContext, wait: UInt64?
    ) {
        // The policy begins with the name.
        writer.write(ceiling.name)
        writer.write(";r=")
        writer.write(decimal: ceiling.remaining(context))
        if let wait {
            writer.write(";t=")
            writer.write(decimal: wait)
        }
    }

    private static func write(_ writer: inout HeadWriter, _ quota: UsageQuota.Compiled, _ context: borrowing EvaluationContext) {
        write(&writer, quota.domain, "\"domain-", isFirst: true, context)
        write(&writer, quota.endpoint, "\"endpoint-", isFirst: quota.domain.count == 0, context)
    }

    private static func write(
        _ writer: inout HeadWriter, _ list: ArenaSlice<UsageQuota.Compiled.Condition>, _ prefix: StaticString, isFirst: Bool,
        _ context: borrowing EvaluationContext
    ) {
        for index in 0..<list.count {
            let condition = list[index]
            if index > 0 || !isFirst { writer.write(", ") }
            writer.write(prefix)
            writer.write(decimal: condition.perSeconds)
            writer.write("\";r=")
            writer.write(decimal: condition.remaining(at: context.countSeconds))
            writer.write(";t=")
            writer.write(decimal: condition.secondsLeft(at: context.countSeconds))
        }
    }
}

extension ProjectCeiling.Compiled {
    /// What of the ceiling is not used in the second that ends now, as far as this node may use it.
    fileprivate func remaining(_ context: borrowing EvaluationContext) -> UInt64 {
        let limit = CeilingMeter.limit(of: words, now: context.monotonicNanoseconds)
        return limit - min(limit, CeilingMeter.usage(of: words, now: context.monotonicNanoseconds))
    }

    /// Seconds until a request passes; nil if that cannot be said.
    fileprivate func secondsToWait(_ context: borrowing EvaluationContext) -> UInt64? {
        if let wait = CeilingMeter.wait(words, now: context.monotonicNanoseconds) { return max(1, (wait + 999_999_999) / 1_000_000_000) }
        // Other nodes use what this one has no share of: what they spend returns after a second, and shares move within another.
        return KeeperState.isAway(context.keeper) ? nil : 2
    }
}

extension UsageQuota.Compiled {
    /// Seconds until every condition that is used up begins a new window; nil if one admits nothing ever, or if none is used up
    /// and the request was refused because nothing could be reserved.
    fileprivate func secondsToWait(_ context: borrowing EvaluationContext) -> UInt64? {
        var wait: UInt64 = 0
        guard Self.extend(&wait, domain, at: context.countSeconds), Self.extend(&wait, endpoint, at: context.countSeconds) else { return nil }
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
