import Glibc
import SluiceEvent

/// Opens the sockets of listeners, and shares out those that were inherited. For the controlling thread.
///
/// A listener that nobody has opened before gets one socket per worker (SO_REUSEPORT). An inherited one keeps every socket that it
/// came with, whatever the number of workers: to close one would reset the connections in its queue. With more sockets than
/// workers, a worker takes several. With fewer, further ones are opened beside them; but those of a service manager are shared by
/// the workers: what waits in them survives this process, what would wait beside them would not.
struct ListeningSockets {
    /// A listener's address cannot be listened on.
    struct OpenError: Error, CustomStringConvertible {
        let address: String
        let port: UInt16
        let error: SocketError

        /// With what helps, where that can be told.
        var description: String {
            let hint = switch error.code {
            case EADDRINUSE: "; stop the other program, or change `address` or SLUICE_LISTEN"
            case EACCES where port < 1024: "; a port below 1024 needs root or CAP_NET_BIND_SERVICE"
            case EADDRNOTAVAIL: "; this machine has no such address"
            default: ""
            }
            return "cannot listen on \(address): \(error)\(hint)"
        }
    }

    let workers: Int
    let backlog: Int32
    /// What was inherited and is not closed: all until `releaseUnused`, after that what a service manager holds.
    private(set) var inherited: [ListeningSocket] = []

    /// Takes over sockets, of which several descriptors may lead to the same.
    mutating func inherit(_ sockets: [ListeningSocket]) {
        var known: Set<UInt64> = []
        for socket in sockets {
            let identity = socket.identity
            if identity != 0, !known.insert(identity).inserted {
                Socket.close(socket.descriptor)
            } else {
                Socket.adopt(socket.descriptor)
                Socket.limitUnsent(socket.descriptor, bytes: Limits.unsentBytes)
                inherited.append(socket)
            }
        }
    }

    /// The sockets of each plan by its address, as one list for each worker. Nothing stays open after an error.
    ///
    /// What can fail comes first: a socket beside inherited ones gets connections from its first moment, and must not be closed again.
    func open(_ plans: [ListenerPlan]) throws(OpenError) -> [String: [[ListeningSocket]]] {
        var opened: [String: [[ListeningSocket]]] = [:]
        for plan in plans {
            do throws(SocketError) {
                let known = inherited.filter { $0.serves(plan.socketAddress) }
                opened[plan.address] = known.isEmpty ? try openFresh(plan) : try duplicate(known)
            } catch {
                for socket in opened.values.joined().joined() { Socket.close(socket.descriptor) }
                throw OpenError(address: plan.address, port: plan.socketAddress.port, error: error)
            }
        }
        for plan in plans { openMissing(plan, &opened[plan.address, default: []]) }
        return opened
    }

    /// One socket per worker. Where the system chooses the port, it does so once for all of them.
    private func openFresh(_ plan: ListenerPlan) throws(SocketError) -> [[ListeningSocket]] {
        var sockets: [[ListeningSocket]] = []
        var address = plan.socketAddress
        for worker in 0..<workers {
            switch Socket.listen(on: address, backlog: backlog, isFirst: worker == 0, unsentBytes: Limits.unsentBytes) {
            case .success(let descriptor):
                let socket = ListeningSocket(descriptor: descriptor, isHeldElsewhere: false)
                sockets.append([socket])
                if address.port == 0, let chosen = socket.address { address = chosen }
            case .failure(let error):
                for socket in sockets.joined() { Socket.close(socket.descriptor) }
                throw error
            }
        }
        return sockets
    }

    /// Descriptors of their own for the workers: those inherited stay for another attempt.
    private func duplicate(_ known: [ListeningSocket]) throws(SocketError) -> [[ListeningSocket]] {
        var sockets: [[ListeningSocket]] = []
        for share in Self.shares(of: known.count, workers: workers, isShared: known[0].isHeldElsewhere) {
            var own: [ListeningSocket] = []
            for index in share {
                switch Socket.duplicate(known[index].descriptor) {
                case .success(let descriptor):
                    own.append(ListeningSocket(descriptor: descriptor, isHeldElsewhere: known[index].isHeldElsewhere))
                case .failure(let error):
                    for socket in sockets.joined() + own { Socket.close(socket.descriptor) }
                    throw error
                }
            }
            sockets.append(own)
        }
        return sockets
    }

    /// Which of `count` sockets each worker takes. Where there are fewer than workers, the others get none, or, shared, one that
    /// others have too.
    static func shares(of count: Int, workers: Int, isShared: Bool) -> [[Int]] {
        (0..<workers).map { worker in
            if worker < count { return Array(stride(from: worker, to: count, by: workers)) }
            return isShared ? [worker % count] : []
        }
    }

    /// Opens a socket for each worker that got none; where that cannot be, it shares another worker's.
    private func openMissing(_ plan: ListenerPlan, _ sockets: inout [[ListeningSocket]]) {
        guard let first = sockets.first?.first else { return }
        for worker in sockets.indices where sockets[worker].isEmpty {
            if Socket.mayHaveSiblings(first.descriptor),
                case .success(let descriptor) = Socket.listen(on: plan.socketAddress, backlog: backlog, isFirst: false, unsentBytes: Limits.unsentBytes)
            {
                sockets[worker] = [ListeningSocket(descriptor: descriptor, isHeldElsewhere: false)]
            } else if case .success(let descriptor) = Socket.duplicate(first.descriptor) {
                sockets[worker] = [ListeningSocket(descriptor: descriptor, isHeldElsewhere: first.isHeldElsewhere)]
            }
        }
    }

    /// Closes what no listener has taken, and the spare descriptors of those that were. A service manager's stay, for a reload that
    /// names them again. Returns those that nobody listens with and that stay open all the same: their clients wait in vain.
    mutating func releaseUnused(_ plans: [ListenerPlan]) -> [ListeningSocket] {
        for socket in inherited where !socket.isHeldElsewhere { Socket.close(socket.descriptor) }
        inherited.removeAll { !$0.isHeldElsewhere }
        return inherited.filter { socket in !plans.contains { socket.serves($0.socketAddress) } }
    }
}
