import SluiceConfiguration
import SluiceCounting
import SluiceHTTP

/// Holds a project to its ceiling: requests in any interval of one second, over all workers.
///
/// Every request that resolved to a domain counts, whatever becomes of it later. Refuses with `.ceilingExceeded`
/// (429). Suspends where a fleet shares the ceiling and this node's share may still grow. The counting itself is `CeilingMeter`.
enum ProjectCeiling: BuiltInPolicy {
    static let key = "ceiling"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .project, meaning: "The most requests that pass in any interval of one second, over all domains of the project.")],
        form: .integer(range, unit: "requests per second"), presence: .otherwise("`SLUICE_PROJECT_CEILING`"),
        refusals: [.ceilingExceeded], waitsFor: [.allowance], remembers: "the admissions of the last second", keepsOut: true)

    /// Range of `ceiling` in the configuration: requests per second.
    static let range: ClosedRange<Int64> = 1...10_000_000

    struct Compiled: CompiledPolicy {
        let words: CeilingMeter.Words
        /// The project's number: its place in the worker's leases.
        let number: Int
        /// What each worker may admit in a second without charging the project.
        let pocket: UInt32
        /// The project's name as a structured field's string.
        let name: ByteView
        /// Its item of the field RateLimit-Policy.
        let policy: ByteView

        /// Part of every chain, so that it stands where the chain is run.
        @inline(__always)
        func evaluate(_ exchange: inout Exchange) -> Verdict {
            let context = exchange.context
            let now = context.pointee.monotonicNanoseconds
            let lease = context.pointee.leases + number
            let workers = context.pointee.workerCount
            if CeilingMeter.admit(words, lease, charge: &exchange.charge, now: now, workers: workers, pocket: pocket) { return .proceed }
            exchange.charge = .none
            guard KeeperState.isShared(context.pointee.keeper), CeilingMeter.isShort(words, now: now), !exchange.hasAwaitedAllowance, !KeeperState.isAway(context.pointee.keeper)
            else { return .refuse(.ceilingExceeded) }
            if CeilingMeter.demandAttention(words) { AttentionQueue.put(Attention.ceiling(number).word, context.pointee.attention) }
            return .suspend(.allowance)
        }

        /// Charges the exchange to the present because it leaves later than it was charged for. False if it may not leave.
        func moveCharge(_ exchange: inout Exchange) -> Bool {
            let context = exchange.context
            return CeilingMeter.move(
                words, context.pointee.leases + number, charge: &exchange.charge, now: context.pointee.monotonicNanoseconds,
                workers: context.pointee.workerCount, pocket: pocket)
        }
    }

    /// Every chain of a domain has the same, which its project's other domains charge too.
    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? {
        if let domain = site.domain { return compiled(at: domain) }
        return site.once(key) {
            let arena = site.snapshot.arena
            let project = site.project
            let count = site.counts.ceiling(project: project.name, limit: project.limit)
            let name = RateLimitFields.name(project.name)
            return arena.store(Compiled(
                words: count.words, number: count.number, pocket: count.pocket, name: arena.bytes(name),
                policy: arena.bytes("\(name);q=\(project.limit);w=1")))
        }
    }
}

// MARK: - What callers are told

extension ProjectCeiling.Compiled {
    @inline(__always)
    var limitPolicy: ByteView? { policy }

    func writeLimit(_ writer: inout HeadWriter, _ exchange: borrowing Exchange, isRefusing: Bool) {
        // The policy begins with the name.
        writer.write(name)
        writer.write(";r=")
        writer.write(decimal: remaining(exchange))
        guard let wait = isRefusing ? secondsToWait(exchange) : 1 else { return }
        writer.write(";t=")
        writer.write(decimal: wait)
    }

    /// What of the ceiling is not used in the second that ends now, as far as this node may use it.
    private func remaining(_ exchange: borrowing Exchange) -> UInt64 {
        let now = exchange.context.pointee.monotonicNanoseconds
        let limit = CeilingMeter.limit(of: words, now: now)
        return limit - min(limit, CeilingMeter.usage(of: words, now: now))
    }

    /// Seconds until a request passes; nil if that cannot be said.
    func secondsToWait(_ exchange: borrowing Exchange) -> UInt64? {
        if let wait = CeilingMeter.wait(words, now: exchange.context.pointee.monotonicNanoseconds) { return max(1, (wait + 999_999_999) / 1_000_000_000) }
        // Other nodes use what this one has no share of: what they spend returns after a second, and shares move within another.
        return KeeperState.isAway(exchange.context.pointee.keeper) ? nil : 2
    }
}
