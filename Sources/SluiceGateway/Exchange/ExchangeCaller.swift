import SluiceCallers
import SluiceHTTP

/// Who calls, by the API key of the request: for the access log, the metrics, the headers that bear it, and the limits of each caller.
struct ExchangeCaller: BitwiseCopyable {
    /// 1 to 50 letters, digits and `-._@+`, in the exchange's own memory; empty for nobody that is known.
    var name = ByteView.empty
    /// Stays a caller's own for as long as it is known; 0 for callers of the configuration, whom their names tell apart.
    var id: UInt32 = 0
    /// Its row in the metrics: see `CallerRows`.
    var row: UInt8 = 0
    /// Whether the exchange is charged to the requests per second of its plan. It is so once, however often it waits.
    var isCharged = false
    /// Number of the plan that holds for it here; 0 for none.
    var plan: UInt32 = 0
    /// SHA-256 of its key, in the exchange's own memory: by it the caller is found again. Nil for nobody that is known.
    var digest: UnsafePointer<UInt8>?
    /// Where its use of the plan is counted. Valid until the exchange waits: another thread may replace the table that this is in.
    var grant: CallerView.Held?
}
