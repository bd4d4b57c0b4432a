import SluiceCrypto
import SluiceEvent
import SluiceHTTP

private let listenerCallback: SocketCallback = { _, _, owner in
    guard let owner else { return }
    let listener = Unmanaged<Listener>.fromOpaque(owner).takeUnretainedValue()
    listener.accept(listener)
}

/// The listening sockets of one worker, and how connections come from them: accepted within the bounds of the process, of a listener and of a client.
/// What they speak is none of its business. A handle, as all owners of a worker are: see `WorkerOwners`.
struct Listeners: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let loop: EventLoop
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let clients: ClientConnections
        let bounds: ConnectionBounds
        let handshakes: ClientHandshakes
        let transport: ClientTransport
        let course: RequestCourse
        /// By their numbers, those that are gone until another takes the place.
        var all: [Listener] = []
    }

    private let state: UnsafeMutablePointer<State>
    private var loop: EventLoop { state.pointee.loop }
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var clients: ClientConnections { state.pointee.clients }
    private var bounds: ConnectionBounds { state.pointee.bounds }
    private var handshakes: ClientHandshakes { state.pointee.handshakes }
    private var transport: ClientTransport { state.pointee.transport }
    private var course: RequestCourse { state.pointee.course }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            loop: parts.loop, turn: parts.turn, limits: parts.limits, traffic: parts.traffic, clients: parts.clients,
            bounds: parts.bounds, handshakes: owners.clientHandshakes, transport: owners.clientTransport, course: owners.requestCourse))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// By their numbers; a place may be that of one that is closed.
    private(set) var all: [Listener] {
        get { state.pointee.all }
        nonmutating set { state.pointee.all = newValue }
    }

    /// The listener that accepted the connection.
    func listener(of connection: ClientRef) -> Listener { state.pointee.all[Int(connection.pointee.listener)] }

    // MARK: What the configuration wants

    /// Makes the worker's listeners those of the snapshot. On the worker's thread.
    func set(_ wanted: [OpenedListener], snapshot: Snapshot) {
        for opened in wanted {
            for known in all where !known.isClosed && known.address == opened.plan.address {
                known.update(opened.plan, snapshot: snapshot)
            }
            for socket in opened.sockets {
                let number = all.firstIndex(where: \.isGone) ?? all.count
                let listener = Listener(opened.plan, socket: socket, number: UInt16(clamping: number), snapshot: snapshot) { accept($0) }
                if number < all.count { all[number] = listener } else { all.append(listener) }
                let isArmed = listener.event.armForReading(
                    loop, descriptor: socket.descriptor, owner: Unmanaged.passUnretained(listener).toOpaque(),
                    callback: listenerCallback)
                // Without memory or watches for now: a tick tries again.
                if !isArmed { pauseUntilLater(listener) }
            }
        }
        for listener in all where !wanted.contains(where: { $0.plan.address == listener.address }) { close(listener) }
        for listener in all where listener.isClosed { listener.outlive(snapshot) }
        reviewTrust()
        reviewCertificates()
    }

    /// Clients that an earlier configuration has let in are judged by the new one before their next request, on the connections that they have: what was
    /// revoked must not go on, and who is still let in must not notice.
    private func reviewCertificates() {
        clients.forEachPlace { connection in
            guard connection.pointee.state != .free, Int(connection.pointee.listener) < all.count, let tls = connection.pointee.socket.tls else { return }
            let listener = listener(of: connection)
            let server = listener.tls?.clients == nil ? nil : listener.tls?.handle
            if let certificate = connection.pointee.certificate, listener.isClosed {
                certificate.pointee.forget()
            } else if let certificate = connection.pointee.certificate {
                if listener.hasChangedClients { certificate.pointee.reconsider(by: server) } else { certificate.pointee.move(to: server) }
            } else if listener.hasChangedClients, server != nil, connection.pointee.state != .handshaking, connection.pointee.state != .proxyHeader,
                let certificate = ClientCertificate.make(serverName: tls.serverName, nil, session: tls)
            {
                // It was not asked.
                certificate.pointee.reconsider(by: server)
                connection.pointee.certificate = certificate
            }
            if !listener.isClosed { connection.pointee.certificate?.pointee.isRequired = listener.tls?.clients?.mode == .required }
            for block in [connection.pointee.block, connection.pointee.http2?.pointee.next] {
                if let block, block.pointee.snapshot == nil { block.pointee.exchange.certificate = connection.pointee.certificate }
            }
        }
    }

    /// Proxies that the configuration trusts no longer are not believed on the connections that they have either. One that is trusted only from
    /// now on is believed on new ones: those that are there were accepted without it.
    private func reviewTrust() {
        clients.forEachPlace { connection in
            guard connection.pointee.state != .free, Int(connection.pointee.listener) < all.count else { return }
            let trusted = listener(of: connection).trusted
            if !trusted.contains(connection.pointee.acceptedFrom) {
                connection.pointee.peer = connection.pointee.acceptedFrom
                connection.pointee.peerIsTrusted = false
            } else if connection.pointee.peerIsTrusted, !trusted.contains(connection.pointee.peer) {
                connection.pointee.peerIsTrusted = false
            }
            // A request whose head is not whole yet begins on the new snapshot.
            guard let block = connection.pointee.block, block.pointee.snapshot == nil else { return }
            block.pointee.exchange.peer = connection.pointee.peer
            block.pointee.exchange.client = connection.pointee.peer
            block.pointee.exchange.peerIsTrusted = connection.pointee.peerIsTrusted
        }
    }

    /// Accepts no more.
    ///
    /// - Parameter left: identities of sockets that another process serves from now on, their queues included.
    func closeAll(leaving left: Set<UInt64>) {
        for listener in all {
            if left.isEmpty || !left.contains(listener.socket.identity) { close(listener) } else { listener.close() }
        }
    }

    /// Closes the socket. Connections in the kernel's queue are taken first: they were promised a server, and would be reset.
    private func close(_ listener: Listener) {
        if !listener.isClosed, listener.pausedUntil == 0 { acceptAll(listener) }
        listener.close()
    }

    /// Copies of the descriptors that this worker listens with.
    func duplicate() -> [ListeningSocket] {
        all.filter { !$0.isClosed }.compactMap { listener in
            guard case .success(let copy) = Socket.duplicate(listener.descriptor) else { return nil }
            return ListeningSocket(descriptor: copy, isHeldElsewhere: listener.socket.isHeldElsewhere)
        }
    }

    // MARK: Accepting

    private func accept(_ listener: Listener) {
        accept(listener, atMost: Limits.acceptsPerTurn)
    }

    private func accept(_ listener: Listener, atMost limit: Int) {
        turn.freshenClock()
        var accepted = 0
        defer { if accepted > 0 { turn.noteLongWork() } }
        while accepted < limit, !listener.isClosed {
            guard enter(listener) else { return pause(listener) }
            var address = SocketAddress()
            switch Socket.accept(listener.descriptor, from: &address) {
            case .bytes(let descriptor):
                accepted += 1
                guard bounds.admits(address.ip) else {
                    traffic.pointee.connectionsRefused &+= 1
                    leave(listener)
                    Socket.resetOnClose(Int32(descriptor))
                    Socket.close(Int32(descriptor))
                    continue
                }
                open(Int32(descriptor), from: address, listener)
                if descriptor >= limits.clientDescriptorsMax { return pauseForDescriptors(listener) }
            case .wouldBlock, .ended: return leave(listener)
            case .failed:
                leave(listener)
                // Out of descriptors or memory: the readiness would be reported again at once, and the loop would spin.
                return pauseForDescriptors(listener)
            }
        }
    }

    /// Empties the queue, which holds no more than the backlog: what comes while this runs is not waited for.
    private func acceptAll(_ listener: Listener) {
        accept(listener, atMost: limits.listenBacklog)
    }

    /// Counts a connection in before it is accepted, of the process and of the listener.
    private func enter(_ listener: Listener) -> Bool {
        guard bounds.enter() else { return false }
        if listener.open.enter(limit: listener.connectionsMax) { return true }
        bounds.leave()
        return false
    }

    /// Counts it out.
    private func leave(_ listener: Listener) {
        listener.open.leave()
        bounds.leave()
    }

    /// Counts out a connection that was accepted.
    func forget(_ connection: ClientRef) {
        bounds.forget(connection.pointee.acceptedFrom)
        let listener = listener(of: connection)
        leave(listener)
        listener.connectionClosed()
    }

    private func open(_ descriptor: Int32, from address: SocketAddress, _ listener: Listener) {
        // Other connections have it from their listening socket; these may have come before it was ours.
        if listener.socket.isHeldElsewhere { Socket.disableNagle(descriptor) }
        let connection = clients.begin(
            owner: transport.opaque, socket: PeerSocket(descriptor: descriptor, mayRead: true))
        // From here on the place is in use, so that whatever fails below gives everything back.
        connection.pointee.state = .idle
        connection.pointee.listener = listener.number
        listener.connectionOpened()
        connection.pointee.isSecure = listener.tls != nil
        connection.pointee.peer = address.ip
        connection.pointee.acceptedFrom = address.ip
        connection.pointee.peerIsTrusted = listener.trusted.contains(address.ip)
        traffic.pointee.downstreamAccepted &+= 1
        guard connection.event.arm(loop, descriptor: descriptor, owner: connection, callback: clientCallback) else {
            return transport.close(connection)
        }
        if listener.expectsProxyHeader {
            connection.pointee.state = .proxyHeader
            turn.limit(connection, to: limits.headTimeout)
        } else {
            handshakes.begin(connection, listener)
        }
        // What came with the connection is read in the turn that its event reports.
    }

    // MARK: Pauses

    private func pause(_ listener: Listener) {
        guard listener.pausedUntil == 0 else { return }
        listener.event.disarm()
        pauseUntilLater(listener)
    }

    private func pauseUntilLater(_ listener: Listener) {
        listener.pausedUntil = turn.now + Limits.acceptPauseMilliseconds
        turn.noteDue(turn.now)
    }

    /// Whether one waits for its pause to end.
    var arePaused: Bool { all.contains { $0.pausedUntil != 0 } }

    /// Descriptors are short: what is left of them is for connections to services, for files and for the admin listener, without which
    /// the clients that are here already could not be served.
    private func pauseForDescriptors(_ listener: Listener) {
        traffic.pointee.acceptFailures &+= 1
        // For the next time: what nobody uses is worth less than a client that waits.
        course.spareDescriptors()
        pause(listener)
    }

    /// Looks at every tick whether a paused listener may go on.
    func resumeAccepting() {
        for listener in all where listener.pausedUntil != 0 && listener.pausedUntil <= turn.now && !listener.isClosed {
            guard let free = Descriptors.lowestFree(listener.descriptor), Int(free) < limits.clientDescriptorsMax else {
                course.spareDescriptors()
                listener.pausedUntil = turn.now + Limits.acceptPauseMilliseconds
                continue
            }
            listener.pausedUntil = listener.event.rearm() ? 0 : turn.now + Limits.acceptPauseMilliseconds
        }
    }
}
