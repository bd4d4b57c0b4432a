import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// One resolved address of an origin, as one worker sees it: its idle connections and how it has behaved.
struct UpstreamAddress {
    let address: SocketAddress
    let ip: IPAddress
    /// The origin that it belongs to, by its place in the worker's table.
    let origin: Int
    /// What its connections may speak.
    var versions = UpstreamURL.Versions.http1
    /// It was offered HTTP/2 lately, and did not choose it: nobody waits for its next connection to be one that is shared.
    var prefersHTTP1 = false
    /// The oldest connection that exchanges may share.
    var firstShared: UpstreamRef?
    /// Exchanges under way, connects included: the measure of least outstanding.
    var outstanding = 0
    /// Open connections, idle ones included.
    var connections = 0
    /// The idle connection used last: taken first, so that the others can age.
    var firstIdle: UpstreamRef?
    /// Connections that nobody uses, shared ones included.
    var idleCount = 0
    /// Failures in a row: refused, timed out or broken connections, and answers that were no HTTP.
    var failures = 0
    /// Milliseconds of the monotonic clock until which it gets no requests while there are others; 0 if it is in use.
    var ejectedUntil: UInt64 = 0
    /// The same for the case that there are no others: its circuit is open. 0 if it is closed.
    var circuitOpenUntil: UInt64 = 0
    /// Which idle connections a request may go to that must not be sent twice.
    var idleLifetime = IdleLifetime()
    /// Whether resolution no longer gives it: its connections end with their exchanges.
    var isRetired = false
}

extension UpstreamAddress {
    /// Whether it may be chosen among others.
    func isUsable(at now: UInt64) -> Bool { ejectedUntil <= now }

    /// It was chosen among others. If it had been spared, this exchange finds out whether it has recovered; the others wait for
    /// that, or for another such time.
    @inline(__always)
    mutating func noteChoice(at now: UInt64, sparedFor milliseconds: UInt64) {
        if ejectedUntil > 0 { ejectedUntil = now + milliseconds }
    }

    /// Whether it may be used although there is no other: its circuit is closed, or half open and this the exchange that finds out.
    mutating func isAdmitted(at now: UInt64, openFor milliseconds: UInt64) -> Bool {
        guard circuitOpenUntil > 0 else { return true }
        guard circuitOpenUntil <= now else { return false }
        circuitOpenUntil = now + milliseconds
        return true
    }

    /// Counts a failure: after some in a row it is spared, after more its circuit opens.
    mutating func noteFailure(at now: UInt64, _ limits: WorkerLimits) {
        failures += 1
        if limits.failuresUntilEjection > 0, failures >= limits.failuresUntilEjection {
            ejectedUntil = now + limits.ejectionMilliseconds
        }
        if limits.failuresUntilCircuit > 0, failures >= limits.failuresUntilCircuit {
            circuitOpenUntil = now + limits.circuitMilliseconds
        }
    }

    /// It has answered: it is healthy.
    @inline(__always)
    mutating func noteSuccess() {
        failures = 0
        ejectedUntil = 0
        circuitOpenUntil = 0
    }
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
    var retryBudget = RetryBudget()
}
