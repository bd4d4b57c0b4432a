import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// One resolved address of an origin, as one worker sees it: its idle connections and how it has behaved.
struct UpstreamAddress {
    let address: SocketAddress
    let ip: IPAddress
    /// The origin that it belongs to, by its place in the worker's table.
    let origin: Int
    /// Exchanges under way, connects included: the measure of least outstanding.
    var outstanding = 0
    /// Open connections, idle ones included.
    var connections = 0
    /// The idle connection used last: taken first, so that the others can age.
    var firstIdle: UpstreamLink?
    var idleCount = 0
    /// Failures in a row: refused, timed out or broken connections, and answers that were no HTTP.
    var failures = 0
    /// Milliseconds of the monotonic clock until which it gets no requests; 0 if it is in use.
    var ejectedUntil: UInt64 = 0
    /// Whether resolution no longer gives it: its connections end with their exchanges.
    var isRetired = false
}

typealias UpstreamAddressRef = UnsafeMutablePointer<UpstreamAddress>

/// One origin (scheme, host, port and the way its certificate is checked) as one worker sees it.
struct WorkerOrigin {
    /// `Limits.addressesPerName` places.
    let addresses: UnsafeMutablePointer<UpstreamAddressRef>
    var count = 0
    /// The TLS client settings with the name that is asked for and verified, and the last session; nil for plain HTTP. Owned by
    /// the worker's table.
    let tls: TLSPeer.Handle?
    /// Where the next search for the least outstanding begins, so that equals take turns.
    var rotation = 0
}
