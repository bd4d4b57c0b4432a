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
    static func writeRefusal(_ writer: inout HeadWriter, _ step: Step, _ exchange: borrowing Exchange) {
        // What a plan allows is known of each caller alone.
        let plan = step.compiled(of: CallerPlan.self)
        let policy = PolicyTable.rows.limitPolicy(step)
        guard plan != nil || policy != nil else { return }
        writer.write("RateLimit-Policy: ")
        if let policy { writer.write(policy) }
        plan?.pointee.writePolicy(&writer, exchange, isFirst: true)
        writer.write("\r\n")
        let start = writer.count
        writer.write("RateLimit: ")
        let end = writer.count
        PolicyTable.rows.writeLimit(step, &writer, exchange, isRefusing: true)
        plan?.pointee.writeRest(&writer, exchange, isFirst: true)
        // A caller that bears none of the keys is held to nothing.
        if writer.count == end { writer.takeBack(to: start) } else { writer.write("\r\n") }
        guard let seconds = PolicyTable.rows.secondsToWait(step, exchange) else { return }
        writer.write("Retry-After: ")
        writer.write(decimal: seconds)
        writer.write("\r\n")
    }

    /// What every other response says: all limits of the chain, which begins with the ceiling.
    ///
    /// - Parameters:
    ///   - changes: of the endpoint; a field that they set or remove is not written.
    ///   - stored: the configured response that says it; nor is a field of its own.
    static func writeAll(
        _ writer: inout HeadWriter, _ steps: ArenaSlice<Step>, _ exchange: borrowing Exchange, changes: FieldChanges? = nil,
        stored: UnsafePointer<StoredResponse>? = nil
    ) {
        let (saysPolicy, saysLimit) = (stored?.pointee.saysRateLimitPolicy ?? false, stored?.pointee.saysRateLimit ?? false)
        if !saysPolicy, changes?.drops(ByteView("ratelimit-policy" as StaticString)) != true { writePolicies(&writer, steps, exchange) }
        if !saysLimit, changes?.drops(ByteView("ratelimit" as StaticString)) != true { writeLimits(&writer, steps, exchange) }
    }

    /// What callers of the second version's gateways read: how much is left of the limits by a header or by a part of the path.
    @inline(never)
    static func writeRemaining(_ writer: inout HeadWriter, _ steps: ArenaSlice<Step>, _ exchange: borrowing Exchange, changes: FieldChanges? = nil) {
        guard changes?.drops(ByteView("x-nhn-ratelimit-remaining" as StaticString)) != true else { return }
        var least: UInt64?
        for index in 0..<steps.count {
            guard let list = steps[index].compiled(of: RateLimit.self) ?? steps[index].compiled(of: LateRateLimit.self),
                let remaining = list.pointee.remaining(exchange)
            else { continue }
            least = min(least ?? .max, remaining)
        }
        guard let least else { return }
        writer.write("X-NHN-RateLimit-Remaining: ")
        writer.write(decimal: least)
        writer.write("\r\n")
    }

    private static func writePolicies(_ writer: inout HeadWriter, _ steps: ArenaSlice<Step>, _ exchange: borrowing Exchange) {
        writer.write("RateLimit-Policy: ")
        for index in 0..<steps.count {
            guard let policy = PolicyTable.rows.limitPolicy(steps[index]) else { continue }
            if index > 0 { writer.write(", ") }
            writer.write(policy)
        }
        // The ceiling comes first.
        plan(of: exchange, in: steps)?.pointee.writePolicy(&writer, exchange, isFirst: false)
        writer.write("\r\n")
    }

    /// Where the exchange's caller is held to a plan; nil if it is not.
    private static func plan(of exchange: borrowing Exchange, in steps: ArenaSlice<Step>) -> UnsafePointer<CallerPlan.Compiled>? {
        guard exchange.caller.plan != 0 else { return nil }
        for index in 0..<steps.count {
            if let plan = steps[index].compiled(of: CallerPlan.self) { return plan }
        }
        return nil
    }

    private static func writeLimits(_ writer: inout HeadWriter, _ steps: ArenaSlice<Step>, _ exchange: borrowing Exchange) {
        writer.write("RateLimit: ")
        for index in 0..<steps.count {
            guard PolicyTable.rows.limitPolicy(steps[index]) != nil else { continue }
            let start = writer.count
            if index > 0 { writer.write(", ") }
            let end = writer.count
            PolicyTable.rows.writeLimit(steps[index], &writer, exchange, isRefusing: false)
            // The ceiling, which comes first, always says something.
            if writer.count == end { writer.takeBack(to: start) }
        }
        plan(of: exchange, in: steps)?.pointee.writeRest(&writer, exchange, isFirst: false)
        writer.write("\r\n")
    }
}
