import SluiceCrypto
import SluiceEvent

/// The connections of one worker to services, as sources and sinks of bytes: opening, sending, keeping for the next exchange, closing. What the
/// bytes mean is none of its business. A handle: copies of it are the same connections. On the worker's thread only.
struct UpstreamConnections: BitwiseCopyable {
    private struct State {
        var places = Slab<UpstreamConnection>()
        /// Whether a connection that an exchange has done with is kept: until the worker drains.
        var keepsIdle = true
        /// What the callback finds the worker by.
        var worker: UnsafeMutableRawPointer?
        let loop: EventLoop
        let callback: SocketCallback
        let turn: Turn
        let outputs: UnsafeMutablePointer<BlockPool>
        let origins: UnsafeMutablePointer<OriginTable>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let idlePerAddressMax: Int
        let idleTimeout: UInt64
    }

    // One pointer: a handle is passed with every call.
    private let state: UnsafeMutablePointer<State>

    @inline(__always)
    var turn: Turn { state.pointee.turn }
    @inline(__always)
    var outputs: UnsafeMutablePointer<BlockPool> { state.pointee.outputs }
    private var origins: UnsafeMutablePointer<OriginTable> { state.pointee.origins }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    var idlePerAddressMax: Int { state.pointee.idlePerAddressMax }
    /// Milliseconds for which one may stay idle.
    var idleTimeout: UInt64 { state.pointee.idleTimeout }

    /// - Parameter callback: called by the loop when a connection is ready, with its place.
    init(
        loop: EventLoop, callback: @escaping SocketCallback, turn: Turn, outputs: UnsafeMutablePointer<BlockPool>,
        origins: UnsafeMutablePointer<OriginTable>, traffic: UnsafeMutablePointer<TrafficCounts>, limits: WorkerLimits
    ) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(
            loop: loop, callback: callback, turn: turn, outputs: outputs, origins: origins, traffic: traffic,
            idlePerAddressMax: limits.idlePerAddressMax, idleTimeout: limits.upstreamIdleTimeout))
    }

    /// Says whose they are, before the first is opened: `UpstreamConnection.worker`.
    func belong(to worker: UnsafeMutableRawPointer) { state.pointee.worker = worker }

    /// Frees the places. No connection may be open.
    func deallocate() {
        state.pointee.places.deallocate()
        state.deinitialize(count: 1).deallocate()
    }

    /// Gives back places that a burst has left behind. Nothing may hold one of them. True if any went.
    func trim() -> Bool { state.pointee.places.trim() }

    /// Whether a connection that an exchange has done with is kept.
    var keepsIdle: Bool { state.pointee.keepsIdle }

    /// From here on no connection is kept, and the idle ones are closed.
    func stopKeeping() {
        state.pointee.keepsIdle = false
        closeAll { $0 == .idle }
    }

    /// Closes every connection whose state is one of these.
    func closeAll(_ isMeant: (UpstreamState) -> Bool) {
        var meant: [UpstreamRef] = []
        state.pointee.places.forEachPlace { if $0.pointee.state != .free, isMeant($0.pointee.state) { meant.append($0) } }
        for connection in meant { close(connection) }
    }

    // MARK: Opening

    /// Starts a connection to the address for the exchange, which has to stand within that time. The errno if the kernel refuses at once.
    func connect(_ address: UpstreamAddressRef, for block: ExchangeRef, within milliseconds: UInt64) -> SocketError? {
        switch Socket.startConnecting(to: address.pointee.address) {
        case .failure(let error): return error
        case .success(let descriptor):
            let connection = takePlace()
            connection.pointee.socket = PeerSocket(descriptor: descriptor)
            connection.pointee.state = .connecting
            connection.pointee.isReused = false
            connection.pointee.address = address
            attach(connection, block)
            address.pointee.connections += 1
            traffic.pointee.upstreamOpen += 1
            traffic.pointee.upstreamOpened &+= 1
            let isArmed = connection.event.arm(state.pointee.loop, descriptor: descriptor, owner: connection, callback: state.pointee.callback)
            guard isArmed else {
                detach(connection)
                close(connection)
                return .outOfMemory
            }
            turn.limit(connection, to: milliseconds)
            return nil
        }
    }

    private func takePlace() -> UpstreamRef {
        guard let worker = state.pointee.worker else { preconditionFailure("a connection was opened before it had a worker") }
        let connection = state.pointee.places.take(UpstreamConnection(worker: worker))
        connection.pointee.deadline = Deadline(owner: connection, kind: .upstream)
        connection.pointee.output.owed = 0
        return connection
    }

    /// Binds the connection and the exchange to each other.
    func attach(_ connection: UpstreamRef, _ block: ExchangeRef) {
        connection.pointee.exchange = block
        connection.pointee.isHeldBack = false
        block.pointee.run.upstream = connection
        connection.pointee.address?.pointee.outstanding += 1
    }

    /// Lets the exchange go on without the connection.
    func detach(_ connection: UpstreamRef) {
        guard let block = connection.pointee.exchange else { return }
        connection.pointee.exchange = nil
        block.pointee.run.upstream = nil
    }

    // MARK: Closing

    /// Gives everything back and closes the descriptor. The exchange, if one is attached, must have been taken care of.
    func close(_ connection: UpstreamRef) {
        guard connection.pointee.state != .free else { return }
        detach(connection)
        turn.remove(connection.deadline)
        connection.event.disarm()
        connection.pointee.output.clear(to: &outputs.pointee)
        dropCarry(connection)
        if let address = connection.pointee.address {
            if connection.pointee.state == .idle {
                connection.pointee.socket.tls?.closeNotify()
                unlinkIdle(connection, address)
            } else {
                address.pointee.outstanding -= 1
            }
            address.pointee.connections -= 1
            origins.pointee.releaseIfUnused(address)
        }
        connection.pointee.socket.close()
        connection.pointee.address = nil
        connection.pointee.state = .free
        connection.pointee.isQueued = false
        connection.pointee.generation &+= 1
        traffic.pointee.upstreamOpen -= 1
        state.pointee.places.give(back: connection)
    }

    /// Keeps the beginning of something that has not come whole. False without memory.
    func carry(_ connection: UpstreamRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        if connection.pointee.carry == nil { connection.pointee.carry = outputs.pointee.take() }
        guard let memory = connection.pointee.carry, count <= outputs.pointee.blockBytes else { return false }
        memory.copyMemory(from: bytes, byteCount: count)
        connection.pointee.carryCount = count
        return true
    }

    func dropCarry(_ connection: UpstreamRef) {
        if let memory = connection.pointee.carry { outputs.pointee.give(back: memory) }
        connection.pointee.carry = nil
        connection.pointee.carryCount = 0
    }
}
