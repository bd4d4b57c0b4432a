import SluiceCounting
import SluiceHTTP
import SluicePattern

/// What one evaluating thread owns and policies use. One per worker; `explain` and tests have their own.
///
/// Nothing in it belongs to one exchange or one snapshot: exchanges take turns on the thread, each may go on after others of other
/// snapshots have run, and would find what those left here. What depends on the snapshot stands in the `Exchange`.
struct EvaluationContext {
    /// Seconds since the Unix epoch. May step. All three times are of one reading, made in this turn of the loop (`Turn.freshenClock`).
    var wallSeconds: Int64 = 0
    /// Nanoseconds of the monotonic clock. Never steps.
    var monotonicNanoseconds: UInt64 = 0
    /// How errors are told of requests that are none of any domain's.
    var errorsElsewhere = ErrorFamily.v1
    /// Seconds since the Unix epoch as the windows of quotas count them: see `CountingClock`.
    var countSeconds: UInt64 = 0
    /// For expressions: match data and limits.
    var matchScratch: MatchScratch.Handle
    /// This worker's number, from 0: its shard of every counter.
    var worker: Int = 0
    /// How many workers there are.
    var workerCount: UInt64 = 1
    /// This worker's lease of every project's ceiling, by the project's slot.
    var leases: UnsafeMutablePointer<CeilingMeter.Lease>
    /// Where this worker tells the keeper of counts what needs it.
    var attention: AttentionQueue.Words
    /// What the keeper tells all workers.
    var keeper: KeeperState.Words
    /// Scratch whose content nobody expects to find again after one policy's evaluation.
    var scratch: UnsafeMutablePointer<UInt8>
    var scratchCapacity: Int
    /// The bit of `KnownField.unusual` unless SLUICE_UNUSUAL_FIELDS has such fields pass; then 0.
    var withheldKinds: UInt64 = KnownField.unusual.bit
}
