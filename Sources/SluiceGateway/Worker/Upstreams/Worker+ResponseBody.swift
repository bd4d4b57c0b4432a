import SluiceEvent
import SluiceHTTP

// A response's body and trailers, taken out of the service's framing. `passContent` puts them into the client's.

extension Worker {
    /// Passes body bytes on, behind the head if one was composed: until what came with it is found to be well framed nothing of it is
    /// sent, so that the client can still get an error. True if the exchange wants more.
    func passBody(
        _ upstream: UpstreamRef, _ block: ExchangeRef,
        _ start: UnsafeMutablePointer<UInt8>, _ count: Int, head: HeadWriter
    ) -> Bool {
        let piece = responseBodies.take(upstream, block, start, count)
        guard piece.state != .malformed else { return reject(upstream, block, "malformed chunk") }
        guard passContent(block, start, piece, head: head) else {
            resetClient(block)
            return false
        }
        guard piece.state == .ended else { return true }
        responseReceived(upstream, block, hasLeftover: piece.consumed < count)
        return false
    }
}
