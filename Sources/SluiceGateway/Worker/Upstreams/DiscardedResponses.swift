import SluiceEvent
import SluiceHTTP

/// The rest of responses that nobody waits for, because a pre-call API has let its request pass with the head: read for the connection's sake.
struct DiscardedResponses: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let work: WorkArea
        let upstreams: UpstreamConnections
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var work: WorkArea { state.pointee.work }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts) {
        state.initialize(to: State(turn: parts.turn, limits: parts.limits, work: parts.work, upstreams: parts.upstreams))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// The exchange has gone on: what follows the head is read and forgotten. What of it has come already stands at `start`.
    func begin(_ upstream: UpstreamRef, _ head: ResponseHead, _ start: UnsafeMutablePointer<UInt8>, _ count: Int) {
        upstreams.detach(upstream)
        upstream.pointee.discard = DiscardedBody(framing: head.framing)
        if case .length(let length) = head.framing { upstream.pointee.discard.remaining = length }
        upstream.pointee.state = .discarding
        if !head.keepAlive || head.framing == .untilClose {
            upstreams.close(upstream)
        } else {
            turn.limit(upstream, to: min(Limits.preCallBodyMilliseconds, limits.upstreamIdleTimeout))
            discard(upstream, start, count)
        }
    }

    /// Reads the rest of a response that nobody waits for.
    func receive(_ upstream: UpstreamRef) {
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
            upstreams.idle.release(upstream, isReusable: count == 0)
        case .length:
            let remaining = upstream.pointee.discard.remaining
            guard UInt64(count) <= remaining else { return upstreams.close(upstream) }
            upstream.pointee.discard.remaining = remaining - UInt64(count)
            if upstream.pointee.discard.remaining == 0 { upstreams.idle.release(upstream, isReusable: true) }
        case .chunked:
            let outcome = upstream.pointee.discard.decoder.decode(start, count: count)
            switch outcome.state {
            case .more: break
            case .malformed: upstreams.close(upstream)
            case .trailers:
                // Only an empty trailer section that is there already keeps the connection.
                let rest = ByteView(base: start + outcome.consumed, count: count - outcome.consumed)
                upstreams.idle.release(upstream, isReusable: rest == "\r\n")
            }
        case .untilClose: upstreams.close(upstream)
        }
    }
}
