import SluiceCounting
import SluiceHTTP

/// Holds a project to its ceiling: requests in any interval of one second, over all workers.
///
/// Every request that resolved to a domain counts, whatever becomes of it later. Refuses with `.ceilingExceeded`
/// (429). Suspends where a fleet shares the ceiling and this node's share may still grow. The counting itself is `CeilingMeter`.
enum ProjectCeiling {
    /// Range of `ceiling` in the configuration: requests per second.
    static let range: ClosedRange<Int64> = 1...10_000_000

    struct Compiled: BitwiseCopyable {
        let words: CeilingMeter.Words
        /// The project's number: its place in the worker's leases.
        let number: Int
        /// What each worker may admit in a second without charging the project.
        let pocket: UInt32
        /// The project's name as a structured field's string.
        let name: ByteView
        /// Its item of the field RateLimit-Policy.
        let policy: ByteView

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

    static func compile(
        _ count: CountRegistry.CountedCeiling, project: String, limit: UInt64, into snapshot: SnapshotBuilder
    ) -> Compiled {
        let name = RateLimitFields.name(project)
        return Compiled(
            words: count.words, number: count.number, pocket: count.pocket, name: snapshot.arena.bytes(name),
            policy: snapshot.arena.bytes("\(name);q=\(limit);w=1"))
    }
}
