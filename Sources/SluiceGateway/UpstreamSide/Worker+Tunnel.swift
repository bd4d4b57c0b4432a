import SluiceCrypto
import SluiceEvent
import SluiceHTTP

// After 101 both connections are one tunnel: bytes pass both ways unread, each side held back by the other's reader.

extension Worker {
    /// The upstream accepts the client's upgrade.
    func switchProtocols(
        _ upstream: UpstreamRef, _ connection: ClientRef, _ block: ExchangeRef,
        _ head: ResponseHead, _ bytes: ByteView
    ) {
        guard block.pointee.exchange.head.upgrade, !block.pointee.run.isPreCall,
            block.pointee.run.requestBody == .complete
        else { return fail(connection, .upstreamFailed("unexpected upgrade")) }
        var writer = HeadWriter(compose, capacity: composeCapacity)
        writeHead(&writer, block, .upgrade, head, bytes)
        guard writer.isComplete else { return fail(connection, .upstreamFailed("response head too large")) }
        block.pointee.run.status = 101
        block.pointee.run.upstreamHeadAt = context.pointee.monotonicNanoseconds
        block.pointee.run.isHeadSent = true
        let rest = bytes[head.length...]
        counters.traffic.downstreamBytesSent &+= UInt64(writer.count + rest.count)
        block.pointee.run.responseBodyBytes += UInt64(rest.count)
        guard send(connection, writer.start, writer.count),
            rest.isEmpty || send(connection, rest.base, rest.count)
        else { return abort(connection) }
        connection.pointee.state = .tunnelling
        connection.pointee.totalUntil = Deadline.never
        upstream.pointee.state = .tunnelling
        wheel.set(upstream.deadline, at: Deadline.never)
        // What the client sent behind its request belongs to the tunnel.
        let early = block.pointee.inputCount - block.pointee.inputUsed
        let input = block.pointee.exchange.bytes + block.pointee.inputUsed
        block.pointee.run.requestBodyBytes += UInt64(early)
        if early > 0, !send(upstream, input, early) { return abort(connection) }
        limit(connection, to: limits.tunnelTimeout)
        if connection.pointee.socket.mayRead { enqueue(connection) }
        if upstream.pointee.socket.mayRead { enqueue(upstream) }
    }

    func tunnelFromClient(_ connection: ClientRef) {
        guard let upstream = connection.pointee.upstream else { return abort(connection) }
        var reads = 0
        while connection.pointee.socket.mayRead, upstream.pointee.output.isEmpty {
            guard reads < Limits.readsPerTurn else { return enqueue(connection) }
            reads += 1
            switch connection.pointee.socket.receive(into: receiveArea, capacity: Limits.receiveBytes) {
            case .bytes(let count):
                counters.traffic.downstreamBytesReceived &+= UInt64(count)
                // A reset that came with these bytes shows only when it is read for.
                connection.pointee.socket.mayRead = true
                limit(connection, to: limits.tunnelTimeout)
                connection.pointee.block?.pointee.run.requestBodyBytes += UInt64(count)
                guard send(upstream, receiveArea, count) else { return endTunnel(connection) }
            case .wouldBlock: return
            case .ended:
                connection.pointee.socket.mayRead = false
                upstream.pointee.socket.endSending()
                // What the upstream sent before it ended is still to be delivered.
                if upstream.pointee.socket.isAtEnd { endTunnel(connection) }
                return
            case .failed: return endTunnel(connection)
            }
        }
    }

    func tunnelFromUpstream(_ upstream: UpstreamRef) {
        guard let connection = upstream.pointee.downstream else { return close(upstream) }
        var reads = 0
        while upstream.pointee.socket.mayRead, connection.pointee.output.isEmpty {
            guard reads < Limits.readsPerTurn else { return enqueue(upstream) }
            reads += 1
            switch upstream.pointee.socket.receive(into: receiveArea, capacity: Limits.receiveBytes) {
            case .bytes(let count):
                counters.traffic.upstreamBytesReceived &+= UInt64(count)
                upstream.pointee.socket.mayRead = true
                counters.traffic.downstreamBytesSent &+= UInt64(count)
                limit(connection, to: limits.tunnelTimeout)
                connection.pointee.block?.pointee.run.responseBodyBytes += UInt64(count)
                guard send(connection, receiveArea, count) else { return endTunnel(connection) }
            case .wouldBlock: return
            case .ended:
                upstream.pointee.socket.mayRead = false
                connection.pointee.socket.endSending()
                if connection.pointee.socket.isAtEnd { endTunnel(connection) }
                return
            case .failed: return endTunnel(connection)
            }
        }
    }

    /// Both connections end, whatever the reason. What is the whole of a tunnel only its ends can say: it is not called aborted.
    func endTunnel(_ connection: ClientRef) {
        if let block = connection.pointee.block { record(connection, block, aborted: false) }
        close(connection)
    }
}
