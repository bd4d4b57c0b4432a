import SluiceCrypto
import SluiceEvent
import SluiceHTTP2

/// The connections of one worker to services, as sources and sinks of bytes: opening, sending, keeping for the next exchange, closing. What the
/// bytes mean is none of its business. A handle: copies of it are the same connections. On the worker's thread only.
struct UpstreamConnections: BitwiseCopyable {
    private struct State {
        var places = Slab<UpstreamConnection>()
        /// Whether a connection that an exchange has done with is kept: until the worker drains.
        var keepsIdle = true
        /// Whom the callback calls.
        var owner: UnsafeMutableRawPointer?
        let loop: EventLoop
        let callback: SocketCallback
        let turn: Turn
        let outputs: UnsafeMutablePointer<BlockPool>
        let origins: UnsafeMutablePointer<OriginTable>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let idlePerAddressMax: Int
        let idleTimeout: UInt64
        let pingTimeout: UInt64
        let http2Limits: UnsafeMutablePointer<HTTP2Limits>
        /// Taken with the first connection that exchanges share.
        var http2Memory: UnsafeMutablePointer<UInt8>?
    }

    // One pointer: a handle is passed with every call.
    private let state: UnsafeMutablePointer<State>

    @inline(__always)
    var turn: Turn { state.pointee.turn }
    @inline(__always)
    var outputs: UnsafeMutablePointer<BlockPool> { state.pointee.outputs }
    var origins: UnsafeMutablePointer<OriginTable> { state.pointee.origins }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    var idlePerAddressMax: Int { state.pointee.idlePerAddressMax }
    /// Milliseconds for which one may stay idle.
    var idleTimeout: UInt64 { state.pointee.idleTimeout }
    /// Milliseconds in which a service has to answer whether it is there.
    var pingTimeout: UInt64 { state.pointee.pingTimeout }
    /// The bounds of all connections over HTTP/2.
    var http2Limits: UnsafePointer<HTTP2Limits> { UnsafePointer(state.pointee.http2Limits) }

    /// Where heads are decoded that come whole: `HTTP2Limits.headBytes`. Means nothing beyond a turn.
    var http2HeadArea: UnsafeMutablePointer<UInt8> {
        if let memory = state.pointee.http2Memory { return memory }
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: Limits.responseHeadBytes + Limits.receiveBytes)
        state.pointee.http2Memory = memory
        return memory
    }

    /// Where the bytes of such connections arrive: `Limits.receiveBytes`. Means nothing beyond a turn.
    var http2InputArea: UnsafeMutablePointer<UInt8> { http2HeadArea + Limits.responseHeadBytes }

    /// - Parameter callback: called by the loop when a connection is ready, with its place.
    init(
        loop: EventLoop, callback: @escaping SocketCallback, turn: Turn, outputs: UnsafeMutablePointer<BlockPool>,
        origins: UnsafeMutablePointer<OriginTable>, traffic: UnsafeMutablePointer<TrafficCounts>, limits: WorkerLimits
    ) {
        var bounds = HTTP2Limits()
        bounds.headBytes = Limits.responseHeadBytes
        bounds.fields = Limits.responseFields
        bounds.blockBytes = 2 * Limits.responseHeadBytes
        bounds.decodedBytes = 3 * Limits.responseHeadBytes
        // Services credit content in whatever pieces they read it. What is abuse from strangers is a matter of taste with them.
        bounds.glitchBurst = Limits.serviceGlitches
        bounds.glitchesPerSecond = Limits.serviceGlitches
        // So that clients who read slowly hold up their own streams, and never the connection's other ones.
        bounds.connectionWindow = Limits.serviceStreams * bounds.streamWindow
        let http2Limits = UnsafeMutablePointer<HTTP2Limits>.allocate(capacity: 1)
        http2Limits.initialize(to: bounds.clamped)
        state = .allocate(capacity: 1)
        state.initialize(to: State(
            loop: loop, callback: callback, turn: turn, outputs: outputs, origins: origins, traffic: traffic,
            idlePerAddressMax: limits.idlePerAddressMax, idleTimeout: limits.upstreamIdleTimeout,
            pingTimeout: limits.connectTimeout, http2Limits: http2Limits))
    }

    /// Says whose they are, before the first is opened: `UpstreamConnection.owner`.
    func belong(to owner: UnsafeMutableRawPointer) { state.pointee.owner = owner }

    /// Frees the places. No connection may be open.
    func deallocate() {
        state.pointee.places.deallocate()
        state.pointee.http2Limits.deallocate()
        state.pointee.http2Memory?.deallocate()
        state.deinitialize(count: 1).deallocate()
    }

    /// Gives back places that a burst has left behind. Nothing may hold one of them. True if any went.
    func trim() -> Bool { state.pointee.places.trim() }

    /// Calls `body` for every connection that exchanges share.
    func forEachShared(_ body: (UpstreamRef, HTTP2ClientRef) -> Void) {
        state.pointee.places.forEachPlace { connection in
            if connection.pointee.state == .multiplexed, let client = connection.pointee.http2 { body(connection, client) }
        }
    }

    /// Whether a connection that an exchange has done with is kept.
    var keepsIdle: Bool { state.pointee.keepsIdle }

    /// From here on no connection is kept, and the idle ones are closed.
    func stopKeeping() {
        state.pointee.keepsIdle = false
        closeAll { $0.pointee.state == .idle || $0.pointee.http2?.pointee.isIdle == true }
    }

    /// Closes every connection that is meant.
    func closeAll(_ isMeant: (UpstreamRef) -> Bool) {
        var meant: [UpstreamRef] = []
        state.pointee.places.forEachPlace { if $0.pointee.state != .free, isMeant($0) { meant.append($0) } }
        for connection in meant { close(connection) }
    }

    // MARK: Opening

    /// Starts a connection to the address for the exchange, which has to stand within that time. The errno if the kernel refuses at once.
    ///
    /// - Parameter shares: others may join it when it stands, if it speaks HTTP/2 then.
    func connect(_ address: UpstreamAddressRef, for block: ExchangeRef, within milliseconds: UInt64, shares: Bool) -> SocketError? {
        switch Socket.startConnecting(to: address.pointee.address) {
        case .failure(let error): return error
        case .success(let descriptor):
            let connection = takePlace()
            connection.pointee.socket = PeerSocket(descriptor: descriptor)
            connection.pointee.state = .connecting
            connection.pointee.address = address
            if shares {
                sharing.share(connection, address)
                sharing.join(connection, block)
            } else {
                attach(connection, block)
            }
            address.pointee.connections += 1
            traffic.pointee.upstreamOpen += 1
            traffic.pointee.upstreamOpened &+= 1
            let isArmed = connection.event.arm(state.pointee.loop, descriptor: descriptor, owner: connection, callback: state.pointee.callback)
            guard isArmed else {
                if shares { sharing.letGo(block) } else { detach(connection) }
                close(connection)
                return .outOfMemory
            }
            turn.limit(connection, to: milliseconds)
            return nil
        }
    }

    private func takePlace() -> UpstreamRef {
        guard let owner = state.pointee.owner else { preconditionFailure("a connection was opened before it had an owner") }
        let connection = state.pointee.places.take(UpstreamConnection(owner: owner))
        connection.pointee.renew()
        connection.pointee.deadline = Deadline(owner: connection, kind: .upstream)
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
            if let client = connection.pointee.http2 {
                // Its exchanges are counted one by one.
                sharing.endInOrder(connection, client)
                sharing.endSharing(connection, client)
            } else if connection.pointee.state == .idle {
                connection.pointee.socket.tls?.closeNotify()
                idle.unlinkIdle(connection, address)
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
