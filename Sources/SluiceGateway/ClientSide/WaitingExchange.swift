/// An exchange that goes on later: names it without holding it. By then its connection may be gone, its place in the slab may serve another
/// one, or another request may be under way on it.
struct WaitingExchange: BitwiseCopyable {
    private let connection: ClientRef
    private let generation: UInt32
    /// Number of the request on its connection; of its stream where the connection speaks HTTP/2.
    private let request: UInt32

    init(_ block: ExchangeRef) {
        connection = block.pointee.run.client
        generation = connection.pointee.generation
        request = block.pointee.run.isHTTP2 ? block.pointee.run.stream : connection.pointee.requests
    }

    /// The exchange's block; nil if the exchange is over or has begun to be answered.
    var block: ExchangeRef? {
        guard connection.pointee.generation == generation else { return nil }
        if connection.pointee.state == .multiplexing { return block(on: connection.http2) }
        guard connection.pointee.requests == request, connection.pointee.state == .exchanging, let block = connection.pointee.block, !block.pointee.run.isHeadSent
        else { return nil }
        return block
    }

    private func block(on http2: UnsafeMutablePointer<HTTP2Connection>) -> ExchangeRef? {
        guard let block = HTTP2Clients.exchange(request, on: http2), !block.pointee.run.isHeadSent else { return nil }
        return block
    }
}
