import SluiceCrypto
import SluiceHTTP2

/// Counts of connections and bytes: one worker's, or summed over all.
struct TrafficCounts: BitwiseCopyable, Sendable {
    /// Open at this moment.
    var downstreamOpen = 0
    var downstreamAccepted: UInt64 = 0
    var acceptFailures: UInt64 = 0
    /// Closed at once, because their address had too many.
    var connectionsRefused: UInt64 = 0
    var handshakes: UInt64 = 0
    var handshakeFailures: UInt64 = 0
    /// Those of them that failed for the client's certificate, by `ClientCertificateFault`: as many as there are, or more.
    var certificateFaults = InlineArray<16, UInt64>(repeating: 0)
    var downstreamBytesReceived: UInt64 = 0
    var downstreamBytesSent: UInt64 = 0
    /// Open at this moment.
    var upstreamOpen = 0
    var upstreamOpened: UInt64 = 0
    var upstreamBytesReceived: UInt64 = 0
    /// Requests sent on connections that exchanges share.
    var upstreamStreams: UInt64 = 0
    /// Of those that the service has ended without a whole response, or that broke its protocol.
    var upstreamResets: UInt64 = 0
    var upstreamFailures: UInt64 = 0
    var upstreamRetries: UInt64 = 0
    /// Attempts that were not repeated, because the budget was spent.
    var retriesRefused: UInt64 = 0
    /// Requests refused at once, because the circuit of the only address was open.
    var circuitRefusals: UInt64 = 0
    /// Exchanges that took longer than they may in all.
    var totalTimeouts: UInt64 = 0
    /// Exchanges that ended with a broken connection.
    var aborted: UInt64 = 0
    /// Clients' connections that speak HTTP/2, ever.
    var http2Connections: UInt64 = 0
    /// Streams of such connections that were reset before their response ended, and connections that were ended, by `HTTP2Reason`.
    var http2Resets = InlineArray<64, UInt64>(repeating: 0)
    var http2Failures = InlineArray<64, UInt64>(repeating: 0)

    mutating func http2Reset(_ reason: HTTP2Reason) { http2Resets[Int(reason.rawValue)] &+= 1 }
    mutating func http2Failure(_ reason: HTTP2Reason) { http2Failures[Int(reason.rawValue)] &+= 1 }

    mutating func handshakeFailed(_ fault: ClientCertificateFault) { certificateFaults[Int(fault.rawValue)] &+= 1 }

    /// Adds another worker's.
    mutating func add(_ other: TrafficCounts) {
        downstreamOpen += other.downstreamOpen
        downstreamAccepted += other.downstreamAccepted
        acceptFailures += other.acceptFailures
        connectionsRefused += other.connectionsRefused
        handshakes += other.handshakes
        handshakeFailures += other.handshakeFailures
        for fault in ClientCertificateFault.allCases { certificateFaults[Int(fault.rawValue)] += other.certificateFaults[Int(fault.rawValue)] }
        downstreamBytesReceived += other.downstreamBytesReceived
        downstreamBytesSent += other.downstreamBytesSent
        upstreamOpen += other.upstreamOpen
        upstreamOpened += other.upstreamOpened
        upstreamBytesReceived += other.upstreamBytesReceived
        upstreamStreams += other.upstreamStreams
        upstreamResets += other.upstreamResets
        upstreamFailures += other.upstreamFailures
        upstreamRetries += other.upstreamRetries
        retriesRefused += other.retriesRefused
        circuitRefusals += other.circuitRefusals
        totalTimeouts += other.totalTimeouts
        aborted += other.aborted
        http2Connections += other.http2Connections
        for reason in HTTP2Reason.allCases {
            http2Resets[Int(reason.rawValue)] += other.http2Resets[Int(reason.rawValue)]
            http2Failures[Int(reason.rawValue)] += other.http2Failures[Int(reason.rawValue)]
        }
    }
}
