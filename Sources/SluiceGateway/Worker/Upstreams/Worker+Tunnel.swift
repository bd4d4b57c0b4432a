import SluiceEvent
import SluiceHTTP

// After 101 both connections are one tunnel: bytes pass both ways unread, each side held back by the other's reader.

extension Worker {
    /// The upstream accepts the client's upgrade.
    func switchProtocols(_ upstream: UpstreamRef, _ block: ExchangeRef, _ head: ResponseHead, _ bytes: ByteView) {
        guard block.pointee.exchange.head.upgrade, !block.pointee.run.isPreCall, block.pointee.run.requestBody == .complete
        else { return fail(block, .upstreamFailed("unexpected upgrade")) }
        guard requestHeads.accepts(head, bytes, block) else { return fail(block, .upstreamFailed("upgrade not confirmed")) }
        var writer = work.writer
        responseHeads.write(&writer, block, .upgrade, head, bytes)
        guard writer.isComplete else { return fail(block, .upstreamFailed("response head too large")) }
        block.pointee.run.status = 101
        block.pointee.run.upstreamHeadAt = context.pointee.monotonicNanoseconds
        block.pointee.run.isHeadSent = true
        let rest = bytes[head.length...]
        block.pointee.run.responseBodyBytes += UInt64(rest.count)
        guard sendHead(block, writer), rest.isEmpty || sendTunnelled(block, rest.base, rest.count) else { return resetClient(block) }
        upstream.pointee.state = .tunnelling
        turn.set(upstream.deadline, at: Deadline.never)
        beginClientTunnel(block)
        if upstream.pointee.socket.mayRead { turn.enqueue(upstream) }
        // What the client sent behind its request belongs to the tunnel.
        continueClientTunnel(block)
    }

    /// Passes on what the service has sent, as long as the client takes it.
    func tunnelFromUpstream(_ upstream: UpstreamRef) {
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        var reads = 0
        while upstream.pointee.socket.mayRead, clientHasRoom(block) {
            let room = min(Limits.receiveBytes, clientRoom(block))
            guard reads < Limits.readsPerTurn else { return turn.enqueue(upstream) }
            reads += 1
            switch upstream.pointee.socket.receive(into: work.received, capacity: room) {
            case .bytes(let count):
                traffic.pointee.upstreamBytesReceived &+= UInt64(count)
                upstream.pointee.socket.mayRead = true
                block.pointee.run.responseBodyBytes += UInt64(count)
                noteTunnelled(block)
                guard sendTunnelled(block, work.received, count) else { return endTunnel(block) }
            case .wouldBlock: return
            case .ended:
                upstream.pointee.socket.mayRead = false
                return endClientStream(block)
            case .failed: return endTunnel(block)
            }
        }
    }
}
