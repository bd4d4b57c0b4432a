/// An exchange that goes on later: names it without holding it. By then its connection may be gone, its place in the slab may serve another
/// one, or another request may be under way on it.
struct WaitingExchange: BitwiseCopyable {
    private let connection: ClientRef
    private let generation: UInt32
    /// Number of the request on its connection.
    private let request: UInt32

    init(_ block: ExchangeRef) {
        connection = block.pointee.run.client
        generation = connection.pointee.generation
        request = connection.pointee.requests
    }

    /// The exchange's block; nil if the exchange is over or has begun to be answered.
    var block: ExchangeRef? {
        guard connection.pointee.generation == generation, connection.pointee.requests == request,
            connection.pointee.state == .exchanging, let block = connection.pointee.block, !block.pointee.run.isHeadSent
        else { return nil }
        return block
    }
}
