import SluiceCrypto
import SluiceEvent
import SluiceHTTP

// From a listening socket to a connection that reads its first request: accepting, the PROXY header, TLS.

private let listenerCallback: SocketCallback = { _, _, owner in
    guard let owner else { return }
    let listener = Unmanaged<Listener>.fromOpaque(owner).takeUnretainedValue()
    listener.accept(listener)
}

extension Worker {
    // MARK: Listeners

    /// Makes the worker's listeners those of the snapshot. On the worker's thread.
    func setListeners(_ wanted: [OpenedListener], snapshot: Snapshot) {
        for opened in wanted {
            for known in listeners where !known.isClosed && known.address == opened.plan.address {
                known.update(opened.plan, snapshot: snapshot)
            }
            for socket in opened.sockets {
                let number = listeners.firstIndex(where: \.isGone) ?? listeners.count
                let listener = Listener(opened.plan, socket: socket, number: UInt16(clamping: number), snapshot: snapshot) { [unowned self] in accept($0) }
                if number < listeners.count { listeners[number] = listener } else { listeners.append(listener) }
                let isArmed = listener.event.armForReading(
                    loop, descriptor: socket.descriptor, owner: Unmanaged.passUnretained(listener).toOpaque(),
                    callback: listenerCallback)
                // Without memory or watches for now: a tick tries again.
                if !isArmed { pauseUntilLater(listener) }
            }
        }
        for listener in listeners where !wanted.contains(where: { $0.plan.address == listener.address }) { close(listener) }
        for listener in listeners where listener.isClosed { listener.outlive(snapshot) }
        reviewTrust()
    }

    /// Proxies that the configuration trusts no longer are not believed on the connections that they have either. One that is trusted only from
    /// now on is believed on new ones: those that are there were accepted without it.
    private func reviewTrust() {
        clients.forEachPlace { connection in
            guard connection.pointee.state != .free, Int(connection.pointee.listener) < listeners.count else { return }
            let trusted = listeners[Int(connection.pointee.listener)].trusted
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
    func closeListeners(leaving left: Set<UInt64>) {
        for listener in listeners {
            if left.isEmpty || !left.contains(listener.socket.identity) { close(listener) } else { listener.close() }
        }
    }

    /// Closes the socket. Connections in the kernel's queue are taken first: they were promised a server, and would be reset.
    private func close(_ listener: Listener) {
        if !listener.isClosed, listener.pausedUntil == 0 { acceptAll(listener) }
        listener.close()
    }

    /// Copies of the descriptors that this worker listens with.
    func duplicateListeners() -> [ListeningSocket] {
        listeners.filter { !$0.isClosed }.compactMap { listener in
            guard case .success(let copy) = Socket.duplicate(listener.descriptor) else { return nil }
            return ListeningSocket(descriptor: copy, isHeldElsewhere: listener.socket.isHeldElsewhere)
        }
    }

    // MARK: Accepting

    fileprivate func accept(_ listener: Listener) {
        accept(listener, atMost: Limits.acceptsPerTurn)
    }

    /// Empties the queue, which holds no more than the backlog: what comes while this runs is not waited for.
    private func acceptAll(_ listener: Listener) {
        accept(listener, atMost: limits.listenBacklog)
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
        let listener = listeners[Int(connection.pointee.listener)]
        leave(listener)
        listener.connectionClosed()
    }

    private func pause(_ listener: Listener) {
        guard listener.pausedUntil == 0 else { return }
        listener.event.disarm()
        pauseUntilLater(listener)
    }

    private func pauseUntilLater(_ listener: Listener) {
        listener.pausedUntil = turn.now + Limits.acceptPauseMilliseconds
        turn.noteDue(turn.now)
    }

    /// Descriptors are short: what is left of them is for connections to services, for files and for the admin listener, without which
    /// the clients that are here already could not be served.
    private func pauseForDescriptors(_ listener: Listener) {
        traffic.pointee.acceptFailures &+= 1
        // For the next time: what nobody uses is worth less than a client that waits.
        _ = upstreams.closeSomeIdle()
        pause(listener)
    }

    /// Looks at every tick whether a paused listener may go on.
    func resumeAccepting() {
        for listener in listeners where listener.pausedUntil != 0 && listener.pausedUntil <= turn.now && !listener.isClosed {
            guard let free = Descriptors.lowestFree(listener.descriptor), Int(free) < limits.clientDescriptorsMax else {
                _ = upstreams.closeSomeIdle()
                listener.pausedUntil = turn.now + Limits.acceptPauseMilliseconds
                continue
            }
            listener.pausedUntil = listener.event.rearm() ? 0 : turn.now + Limits.acceptPauseMilliseconds
        }
    }

    private func open(_ descriptor: Int32, from address: SocketAddress, _ listener: Listener) {
        // Other connections have it from their listening socket; these may have come before it was ours.
        if listener.socket.isHeldElsewhere { Socket.disableNagle(descriptor) }
        let connection = clients.begin(
            worker: Unmanaged.passUnretained(self).toOpaque(), socket: PeerSocket(descriptor: descriptor, mayRead: true))
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
            return close(connection)
        }
        if listener.expectsProxyHeader {
            connection.pointee.state = .proxyHeader
            turn.limit(connection, to: limits.headTimeout)
        } else {
            beginSession(connection, listener)
        }
        // What came with the connection is read in the turn that its event reports.
    }

    /// The transport is known: TLS if the listener has a certificate, else requests.
    private func beginSession(_ connection: ClientRef, _ listener: Listener) {
        guard let tls = listener.tls else {
            connection.pointee.state = listener.acceptsPreface ? .preface : .idle
            return turn.limit(connection, to: clients.idleTimeout)
        }
        guard let session = TLSSession(tls.handle, descriptor: connection.pointee.socket.descriptor) else { return close(connection) }
        connection.pointee.socket.tls = session
        connection.pointee.state = .handshaking
        turn.limit(connection, to: limits.handshakeTimeout)
    }

    // MARK: PROXY header

    /// Reads the PROXY header byte-exactly: what follows it belongs to TLS or to HTTP.
    func readProxyHeader(_ connection: ClientRef) {
        guard connection.pointee.socket.mayRead else { return }
        let listener = listeners[Int(connection.pointee.listener)]
        switch Socket.peek(connection.pointee.socket.descriptor, into: work.received, capacity: ProxyHeader.bytesMax) {
        case .bytes(let count):
            switch ProxyHeader.parse(ByteView(base: work.received, count: count)) {
            case .incomplete:
                // A reset comes behind the bytes that are still there, and does not count as the peer's end.
                guard count < ProxyHeader.bytesMax, !connection.pointee.socket.isPeerClosed,
                    Socket.pendingError(connection.pointee.socket.descriptor) == 0
                else { return abort(connection) }
                // The bytes stay in the socket; the next ones are reported.
                connection.pointee.socket.mayRead = false
            case .malformed: abort(connection)
            case .complete(let header):
                _ = Socket.receive(connection.pointee.socket.descriptor, into: work.received, capacity: header.length)
                // Only a trusted proxy's word about where the connection comes from is taken. One that does not say it (UNKNOWN, LOCAL)
                // stays the peer, but has not written what the requests say of others: its unnamed client may have.
                if connection.pointee.peerIsTrusted {
                    connection.pointee.peerIsTrusted = header.source.map { listener.trusted.contains($0) } ?? false
                    if let source = header.source { connection.pointee.peer = source }
                }
                beginSession(connection, listener)
                if connection.pointee.state != .free { resume(connection) }
            }
        case .wouldBlock: connection.pointee.socket.mayRead = false
        case .ended, .failed: abort(connection)
        }
    }

    // MARK: TLS

    func continueHandshake(_ connection: ClientRef) {
        guard let tls = connection.pointee.socket.tls else { return close(connection) }
        let outcome = tls.handshake()
        turn.noteLongWork()
        switch outcome {
        case .bytes:
            traffic.pointee.handshakes &+= 1
            if tls.isHTTP2 { return beginMultiplexing(connection) }
            connection.pointee.state = .idle
            // Requests may have come with the handshake's last message.
            connection.pointee.socket.mayRead = true
            turn.limit(connection, to: clients.idleTimeout)
            readRequest(connection)
        case .wantRead, .wantWrite: connection.pointee.socket.mayRead = false
        case .closed, .failed:
            traffic.pointee.handshakeFailures &+= 1
            abort(connection)
        }
    }
}
