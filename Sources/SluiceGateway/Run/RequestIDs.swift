import SluiceHTTP

/// The request ids of one worker's exchanges. On its thread only.
struct RequestIDs: BitwiseCopyable {
    private let random: UnsafeMutablePointer<RequestIDSource>

    init() {
        random = .allocate(capacity: 1)
        random.initialize(to: RequestIDSource())
    }

    func deallocate() { random.deallocate() }

    /// A random number, for whatever has to be distinct.
    func next() -> UInt64 { random.pointee.next() }

    /// The client's request id if it can go into a log and a field as it is, else a new one, made once per exchange.
    func id(of block: ExchangeRef) -> ByteView {
        if let known = block.pointee.run.requestID { return known }
        let made = choose(block)
        block.pointee.run.requestID = made
        return made
    }

    private func choose(_ block: ExchangeRef) -> ByteView {
        if let given = block.pointee.exchange.value(of: .xRequestID), RequestIDSource.isAcceptable(given) { return given }
        return made(for: block)
    }

    /// An id of 32 hexadecimal digits that is the exchange's own, made when it is first asked for.
    func made(for block: ExchangeRef) -> ByteView {
        if !block.pointee.run.hasMadeRequestID {
            random.pointee.write(into: block.madeRequestID)
            block.pointee.run.hasMadeRequestID = true
        }
        return ByteView(base: block.madeRequestID, count: RequestIDSource.byteCount)
    }
}
