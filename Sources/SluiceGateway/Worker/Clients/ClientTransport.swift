import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// The event callback of every client connection.
let clientCallback: SocketCallback = { _, what, owner in
    guard let owner else { return }
    let connection = owner.assumingMemoryBound(to: ClientConnection.self)
    ClientTransport(connection.pointee.owner).ready(connection, Readiness(rawValue: what))
}

/// A client's connection as a source and sink of bytes: readiness, sending what waits, closing. What the bytes mean is decided by the protocol that the
/// connection speaks: `HTTP1Exchanges`, `HTTP2Connections`.
struct ClientTransport: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let clients: ClientConnections
        let exchangeBlocks: ExchangeBlocks
        let listeners: Listeners
        let handshakes: ClientHandshakes
        let http1: HTTP1Exchanges
        let connections: HTTP2Connections
        let clientEnd: ClientEnd
        let course: RequestCourse
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var clients: ClientConnections { state.pointee.clients }
    private var exchangeBlocks: ExchangeBlocks { state.pointee.exchangeBlocks }
    private var listeners: Listeners { state.pointee.listeners }
    private var handshakes: ClientHandshakes { state.pointee.handshakes }
    private var http1: HTTP1Exchanges { state.pointee.http1 }
    private var connections: HTTP2Connections { state.pointee.connections }
    private var clientEnd: ClientEnd { state.pointee.clientEnd }
    private var course: RequestCourse { state.pointee.course }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, limits: parts.limits, traffic: parts.traffic, work: parts.work, clients: parts.clients,
            exchangeBlocks: parts.exchangeBlocks, listeners: owners.listeners, handshakes: owners.clientHandshakes, http1: owners.http1Exchanges,
            connections: owners.http2Connections, clientEnd: owners.clientEnd, course: owners.requestCourse))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// What connections hold of it, for the callback of their event.
    var opaque: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }

    /// - Parameter opaque: of the owner that is meant.
    fileprivate init(_ opaque: UnsafeMutableRawPointer) { state = opaque.assumingMemoryBound(to: State.self) }

    @inline(__always)
    fileprivate func ready(_ connection: ClientRef, _ what: Readiness) {
        turn.freshenClock()
        connection.pointee.socket.note(what)
        if what.has(.writable), !connection.pointee.output.isEmpty {
            let generation = connection.pointee.generation
            if connection.pointee.state == .multiplexing { connections.sendFrames(connection) } else { flush(connection) }
            guard connection.pointee.generation == generation else { return }
        }
        resume(connection)
    }

    /// Does what the connection's state allows with what may be read.
    func resume(_ connection: ClientRef) {
        switch connection.pointee.state {
        case .free, .flushing: break
        case .handshaking: handshakes.continueHandshake(connection)
        case .proxyHeader: handshakes.readProxyHeader(connection)
        case .idle, .readingHead: http1.readRequest(connection)
        case .preface: handshakes.readPreface(connection)
        case .multiplexing: connections.goOn(connection)
        case .exchanging: http1.receiveBody(connection)
        case .dropping: http1.dropBody(connection)
        case .tunnelling: http1.tunnel(connection)
        case .lingering: linger(connection)
        }
    }

    // MARK: Sending

    /// Sends what is queued, as far as the socket takes it; with the last byte the exchange goes on.
    private func flush(_ connection: ClientRef) {
        switch clients.flush(connection) {
        case .all: outputDrained(connection)
        case .some: break
        case .broken: abort(connection)
        }
    }

    private func outputDrained(_ connection: ClientRef) {
        switch connection.pointee.state {
        case .flushing where connection.pointee.http2 != nil: closeInOrder(connection)
        case .flushing: http1.end(connection)
        case .exchanging:
            turn.limit(connection, to: 0)
            if connection.pointee.block?.pointee.run.isReceivingRequest ?? false { turn.limit(connection, to: limits.bodyTimeout) }
            // The response was held back while the client did not read.
            if let block = connection.pointee.block { course.clientHasTakenAll(block) }
        case .tunnelling:
            turn.limit(connection, to: limits.tunnelTimeout)
            if let block = connection.pointee.block { course.resume(block) }
        default: break
        }
    }

    // MARK: Ending

    /// Ends the connection after its last response: in order, so that the client reads the response even if it is still
    /// sending (RFC 9112, 9.6).
    func closeInOrder(_ connection: ClientRef) {
        releaseBlock(connection)
        connection.pointee.socket.endSending()
        guard !connection.pointee.socket.isAtEnd else { return close(connection) }
        connection.pointee.state = .lingering
        turn.limit(connection, to: Limits.lingerMilliseconds)
        linger(connection)
    }

    /// Throws away what the client still sends, until it closes, the time is up or it has sent too much.
    private func linger(_ connection: ClientRef) {
        var reads = 0
        while connection.pointee.socket.mayRead, connection.pointee.lingered < Limits.lingerBytes {
            guard reads < Limits.readsPerTurn else { return turn.enqueue(connection) }
            reads += 1
            let result = Socket.receive(
                connection.pointee.socket.descriptor, into: work.received, capacity: Limits.receiveBytes)
            switch result {
            case .bytes(let count): connection.pointee.lingered &+= UInt32(truncatingIfNeeded: count)
            case .wouldBlock: connection.pointee.socket.mayRead = false
            case .ended, .failed: return close(connection)
            }
        }
    }

    /// Ends the exchange and the connection at once, with a reset if a response was under way: the client must not take
    /// what it has for the whole.
    func abort(_ connection: ClientRef) {
        switch connection.pointee.state {
        case .exchanging, .flushing:
            if let block = connection.pointee.block {
                if block.pointee.run.isHeadSent { Socket.resetOnClose(connection.pointee.socket.descriptor) }
                course.record(block, aborted: true)
            }
            close(connection)
        case .tunnelling: if let block = connection.pointee.block { clientEnd.endTunnel(block) }
        default: close(connection)
        }
    }

    /// Gives everything back and closes the descriptor.
    func close(_ connection: ClientRef) {
        guard connection.pointee.state != .free else { return }
        if let block = connection.pointee.block { course.dropService(block) }
        releaseBlock(connection)
        if connection.pointee.http2 != nil { connections.end(connection) }
        listeners.forget(connection)
        clients.end(connection)
    }

    /// Returns the exchange's block; the snapshot that it used may be retired with it.
    func releaseBlock(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return }
        connection.pointee.block = nil
        course.leave(block)
        exchangeBlocks.giveBack(block)
    }

    // MARK: Deadlines

    func expired(_ connection: ClientRef) {
        if connection.pointee.state == .multiplexing { return connections.expired(connection) }
        let isTotal = connection.pointee.totalUntil <= turn.now
        if isTotal {
            traffic.pointee.totalTimeouts &+= 1
        } else if !connection.pointee.output.isEmpty, clients.hasTaken(connection) {
            return
        }
        switch connection.pointee.state {
        case .free: break
        case .handshaking:
            traffic.pointee.handshakeFailures &+= 1
            abort(connection)
        case .proxyHeader, .preface, .multiplexing, .idle, .dropping, .lingering, .tunnelling, .flushing: abort(connection)
        case .readingHead: http1.refuse(connection, .requestTimeout)
        case .exchanging:
            guard let block = connection.pointee.block else { return close(connection) }
            let isReceiving = block.pointee.run.isReceivingRequest
            // Either the client does not read its response, or it does not send its body, or the service takes its time.
            if !connection.pointee.output.isEmpty {
                abort(connection)
            } else if isReceiving, isTotal || course.takesBody(block) {
                course.fail(block, .requestTimeout)
            } else if isTotal {
                course.fail(block, .upstreamTimeout("total time exceeded"))
            } else {
                turn.limit(connection, to: 0)
                connection.pointee.socket.mayRead = true
                http1.noticeEnd(connection)
            }
        }
    }
}
