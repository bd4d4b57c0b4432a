import SluiceCounting
import SluiceEvent
import SluiceHTTP

// What becomes of a pre-call API's answer that lets a request pass: the chain goes on, and the rest of the response is read for the connection's sake.

extension Worker {
    /// The pre-call API lets the request pass: its body is of no interest, and the chain goes on.
    func preCallPassed(
        _ upstream: UpstreamRef, _ block: ExchangeRef, _ head: ResponseHead, _ bytes: ByteView
    ) {
        if let call = block.pointee.run.call {
            call.pointee.remember(block.pointee.exchange)
        }
        endFlight(block, .passed)
        // Interim responses may stand before it in the receive area.
        let start = work.received + (bytes.base - UnsafePointer(work.received)) + head.length
        upstreams.detach(upstream)
        upstream.pointee.discard = DiscardedBody(framing: head.framing)
        if case .length(let length) = head.framing { upstream.pointee.discard.remaining = length }
        upstream.pointee.state = .discarding
        if !head.keepAlive || head.framing == .untilClose {
            upstreams.close(upstream)
        } else {
            turn.limit(upstream, to: min(Limits.preCallBodyMilliseconds, limits.upstreamIdleTimeout))
            discard(upstream, start, bytes.count - head.length)
        }
        goOn(block, at: .nextStep)
    }

    /// Reads the rest of a response that nobody waits for.
    func discardResponse(_ upstream: UpstreamRef) {
        while upstream.pointee.socket.mayRead, upstream.pointee.state == .discarding {
            switch upstream.pointee.socket.receive(into: work.received, capacity: Limits.receiveBytes) {
            case .bytes(let count):
                upstream.pointee.socket.mayRead = true
                discard(upstream, work.received, count)
            case .wouldBlock: return
            case .ended, .failed: return upstreams.close(upstream)
            }
        }
    }

    private func discard(_ upstream: UpstreamRef, _ start: UnsafeMutablePointer<UInt8>, _ count: Int) {
        upstream.pointee.discard.total += UInt64(count)
        guard upstream.pointee.discard.total <= Limits.preCallBodyBytes else { return upstreams.close(upstream) }
        switch upstream.pointee.discard.framing {
        case .none:
            upstreams.release(upstream, isReusable: count == 0)
        case .length:
            let remaining = upstream.pointee.discard.remaining
            guard UInt64(count) <= remaining else { return upstreams.close(upstream) }
            upstream.pointee.discard.remaining = remaining - UInt64(count)
            if upstream.pointee.discard.remaining == 0 { upstreams.release(upstream, isReusable: true) }
        case .chunked:
            let outcome = upstream.pointee.discard.decoder.decode(start, count: count)
            switch outcome.state {
            case .more: break
            case .malformed: upstreams.close(upstream)
            case .trailers:
                // Only an empty trailer section that is there already keeps the connection.
                let rest = ByteView(base: start + outcome.consumed, count: count - outcome.consumed)
                upstreams.release(upstream, isReusable: rest == "\r\n")
            }
        case .untilClose: upstreams.close(upstream)
        }
    }
}
