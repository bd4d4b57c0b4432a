/// Holds a project to its ceiling: requests in any interval of one second, over all workers.
///
/// Every request that resolved to a domain counts, whatever becomes of it later. Refuses with `.ceilingExceeded`
/// (429). Never suspends. The counting itself is `CeilingMeter`.
enum ProjectCeiling {
    /// Range of `ceiling` in the configuration: requests per second.
    static let range: ClosedRange<Int64> = 1...10_000_000

    struct Compiled: BitwiseCopyable {
        let words: CeilingMeter.Words
        /// The project's place in the worker's leases.
        let slot: Int

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            let context = exchange.context
            let admitted = CeilingMeter.admit(
                words, context.pointee.leases + slot, now: context.pointee.monotonicNanoseconds,
                workers: context.pointee.workerCount)
            return admitted ? .proceed : .refuse(.ceilingExceeded)
        }
    }
}
