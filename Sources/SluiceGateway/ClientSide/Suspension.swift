/// One wait of one exchange: names both without holding either. By the time that what was waited for has come, the exchange may be over, its
/// place may serve another one, or it may have gone on for another reason and wait for something else.
struct Suspension: BitwiseCopyable {
    private let exchange: WaitingExchange
    private let number: UInt32

    /// To be made after the exchange was suspended.
    init(_ block: ExchangeRef) {
        exchange = WaitingExchange(block)
        number = block.pointee.run.suspensions
    }

    /// The exchange's block; nil if it does not wait any more, or not for this.
    var block: ExchangeRef? {
        guard let block = exchange.block, block.pointee.run.isSuspended, block.pointee.run.suspensions == number else { return nil }
        return block
    }
}
