import SluiceCrypto
import SluiceEvent

/// The clients' connections of one worker, as sinks of bytes and places in memory. What the bytes mean is none of its business. A handle: copies
/// of it are the same connections. On the worker's thread only.
struct ClientConnections: BitwiseCopyable {
    private struct State {
        var places = Slab<ClientConnection>()
        let turn: Turn
        let outputs: UnsafeMutablePointer<BlockPool>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let writeTimeout: UInt64
        let rateMin: UInt64
        let totalTimeout: UInt64
        let idleTimeout: UInt64
        /// Requests that a connection may have begun for it to be kept after the response to the latest; 0 while draining.
        var requestsMax: UInt32
        /// While draining: when unused connections are closed, in milliseconds of the monotonic clock.
        var idleUntil: UInt64 = 0
    }

    // One pointer: a handle is passed with every call.
    private let state: UnsafeMutablePointer<State>

    init(turn: Turn, outputs: UnsafeMutablePointer<BlockPool>, traffic: UnsafeMutablePointer<TrafficCounts>, limits: WorkerLimits) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(
            turn: turn, outputs: outputs, traffic: traffic, writeTimeout: limits.writeTimeout, rateMin: limits.rateMin,
            totalTimeout: limits.totalTimeout, idleTimeout: limits.idleTimeout,
            requestsMax: limits.requestsPerConnectionMax == 0 ? .max : limits.requestsPerConnectionMax))
    }

    /// Frees the places. No connection may be open.
    func deallocate() {
        state.pointee.places.deallocate()
        state.deinitialize(count: 1).deallocate()
    }

    /// Gives back places that a burst has left behind. Nothing may hold one of them. True if any went.
    func trim() -> Bool { state.pointee.places.trim() }

    /// Places in use.
    var live: Int { state.pointee.places.live }

    /// Calls `body` for every place, in use or not.
    func forEachPlace(_ body: (ClientRef) -> Void) { state.pointee.places.forEachPlace(body) }

    private var turn: Turn { state.pointee.turn }

    // MARK: How long they are kept

    /// Set when draining has begun: no connection is kept after its response.
    @inline(__always)
    var isDraining: Bool { state.pointee.requestsMax == 0 }

    /// Whether the connection may have a request behind the one that it has begun.
    @inline(__always)
    func mayKeep(_ connection: ClientRef) -> Bool { connection.pointee.requests < state.pointee.requestsMax }

    /// Milliseconds for which a connection may wait for its next request. Never 0, which would mean for ever.
    @inline(__always)
    var idleTimeout: UInt64 {
        guard isDraining else { return state.pointee.idleTimeout }
        return state.pointee.idleUntil > turn.now ? state.pointee.idleUntil - turn.now : 1
    }

    /// No connection is kept after its response from here on; unused ones for so many milliseconds more.
    func stopKeeping(after milliseconds: UInt64) {
        state.pointee.requestsMax = 0
        state.pointee.idleUntil = turn.now + milliseconds
    }

    // MARK: From the first to the last

    /// A place for a connection that was accepted, which is counted as open from here on.
    ///
    /// - Parameter owner: whom the callback of its event calls.
    func begin(owner: UnsafeMutableRawPointer, socket: PeerSocket) -> ClientRef {
        let connection = state.pointee.places.take(ClientConnection(owner: owner))
        connection.pointee.renew()
        connection.pointee.deadline = Deadline(owner: connection, kind: .client)
        connection.pointee.socket = socket
        state.pointee.traffic.pointee.downstreamOpen += 1
        return connection
    }

    /// The first byte of a request has come: its time in all begins, where that has a bound.
    @inline(__always)
    func beginTotal(_ connection: ClientRef) {
        if state.pointee.totalTimeout > 0 { connection.pointee.totalUntil = turn.now + state.pointee.totalTimeout }
    }

    /// Closes the descriptor and gives the place back. No exchange may be under way on it.
    func end(_ connection: ClientRef) {
        turn.remove(connection.deadline)
        connection.event.disarm()
        connection.pointee.output.clear(to: &state.pointee.outputs.pointee)
        switch connection.pointee.state {
        case .idle, .readingHead, .dropping: connection.pointee.socket.tls?.closeNotify()
        // An end in order would pass off for whole what was cut short (RFC 8446, 6.1).
        default: break
        }
        connection.pointee.socket.close()
        if let certificate = connection.pointee.certificate { ClientCertificate.free(certificate) }
        connection.pointee.certificate = nil
        connection.pointee.state = .free
        connection.pointee.isQueued = false
        connection.pointee.generation &+= 1
        state.pointee.traffic.pointee.downstreamOpen -= 1
        state.pointee.places.give(back: connection)
    }

    // MARK: Sending

    /// Sends, or queues what the socket does not take. False if the connection is broken; the caller then aborts it.
    @inline(__always)
    func send(_ connection: ClientRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var sent = 0
        if connection.pointee.output.isEmpty {
            switch connection.pointee.socket.send(bytes, count) {
            case .bytes(let taken): sent = taken
            case .wouldBlock: break
            case .ended, .failed: return false
            }
            if sent == count { return true }
            awaitTaking(connection)
        }
        return connection.pointee.output.append(bytes + sent, count - sent, from: &state.pointee.outputs.pointee)
    }

    /// What became of what was queued.
    enum Flushed {
        /// All of it has gone.
        case all
        /// Some of it waits on.
        case some
        /// The connection is broken.
        case broken
    }

    /// Sends what is queued, as far as the socket takes it.
    func flush(_ connection: ClientRef) -> Flushed {
        while let front = connection.pointee.output.front, !connection.pointee.output.isEmpty {
            switch connection.pointee.socket.send(front, connection.pointee.output.count) {
            case .bytes(let count):
                connection.pointee.output.remove(count, to: &state.pointee.outputs.pointee)
                awaitTaking(connection)
            case .wouldBlock: return .some
            case .ended, .failed: return .broken
            }
        }
        return .all
    }

    /// The client has its time to take some of what waits for it.
    func awaitTaking(_ connection: ClientRef) {
        connection.pointee.output.owed = UInt32(clamping: Socket.unacknowledged(connection.pointee.socket.descriptor))
        turn.limit(connection, to: state.pointee.writeTimeout)
    }

    /// Whether the client took something in its time, and not less than it must; it has the same time again then. A large buffer of
    /// the kernel's reports room only when a third of it is free, which slow clients that read all the time may not reach.
    func hasTaken(_ connection: ClientRef) -> Bool {
        let owed = Int(connection.pointee.output.owed)
        let taken = owed - Socket.unacknowledged(connection.pointee.socket.descriptor)
        guard taken > 0, UInt64(taken) * 1000 >= state.pointee.rateMin * state.pointee.writeTimeout else { return false }
        awaitTaking(connection)
        return true
    }
}
