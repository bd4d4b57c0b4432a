import SluiceConfiguration
import SluiceHTTP

/// How many connections clients may have open with this process, over all workers: in all (`SLUICE_MAX_CONNECTIONS`), and each of
/// them (`SLUICE_MAX_CONNECTIONS_PER_CLIENT`). What has no bound is not counted. Any thread.
final class ConnectionBounds: Sendable {
    private let most: Int
    private let mostPerClient: Int
    private let all = ConnectionCount()
    /// Nil where clients are not bounded.
    private let clients: ConnectionsPerClient?

    /// - Parameter descriptors: how many the process may have.
    init(_ settings: ProcessSettings, descriptors: Int) {
        most = settings.maxConnections
        mostPerClient = settings.maxConnectionsPerClient
        clients = mostPerClient > 0 ? ConnectionsPerClient(connections: most > 0 ? min(most, descriptors) : descriptors) : nil
    }

    /// Counts one more in. False, and nothing is counted, where as many as may be are open.
    func enter() -> Bool { most == 0 || all.enter(limit: most) }

    /// Counts out what `enter` counted in.
    func leave() { if most > 0 { all.leave() } }

    /// Counts a connection in by its socket's peer. The peer of a PROXY header is not meant: all connections of a load balancer come from
    /// one address. Of IPv6 a network of 64 bits is one client. False, and nothing is counted, where the client has as many as it may have.
    func admits(_ peer: IPAddress) -> Bool { clients?.enter(peer.allotment, limit: mostPerClient) ?? true }

    /// Counts out what `admits` counted in.
    func forget(_ peer: IPAddress) { clients?.leave(peer.allotment) }
}
