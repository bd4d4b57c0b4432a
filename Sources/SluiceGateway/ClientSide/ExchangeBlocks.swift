import SluiceHTTP

/// The blocks of one worker's exchanges: taken with the first bytes of a request, given back with the last of its response. A handle: copies of it
/// are the same blocks. On the worker's thread only.
struct ExchangeBlocks: BitwiseCopyable {
    let pool: UnsafeMutablePointer<BlockPool>
    let layout: ExchangeBlock.Layout
    let context: UnsafeMutablePointer<EvaluationContext>

    /// A block in which nothing means anything yet; nil without memory.
    @inline(__always)
    func take() -> ExchangeRef? { pool.pointee.take()?.assumingMemoryBound(to: ExchangeBlock.self) }

    /// Makes the block ready for a request of which nothing has come. Its input is left as it is.
    ///
    /// - Parameter stream: of the connection, if that speaks HTTP/2; else 0.
    @inline(__always)
    func prepare(_ block: ExchangeRef, for connection: ClientRef, stream: UInt32 = 0) {
        let memory = UnsafeMutableRawPointer(block)
        let slots = (memory + layout.slotsOffset).assumingMemoryBound(to: FieldSlot.self)
        block.initialize(to: ExchangeBlock(
            exchange: Exchange(
                context: context, bytes: input(of: block), head: RequestHead(slots: slots, capacity: layout.slotCapacity),
                peer: connection.pointee.peer, peerIsTrusted: connection.pointee.peerIsTrusted, isSecure: connection.pointee.isSecure,
                certificate: connection.pointee.certificate,
                storage: (memory + layout.storageOffset).assumingMemoryBound(to: UInt8.self),
                storageCapacity: layout.storageCapacity),
            run: ExchangeRun(clientPlace: connection, stream: stream),
            snapshot: nil, inputCapacity: stream == 0 ? layout.inputCapacity : layout.streamInputCapacity, inputCount: 0, inputUsed: 0, inputSearched: 0))
    }

    /// Where the block's input stands: a request's head, and what follows of its body.
    @inline(__always)
    func input(of block: ExchangeRef) -> UnsafeMutablePointer<UInt8> {
        (UnsafeMutableRawPointer(block) + layout.inputOffset).assumingMemoryBound(to: UInt8.self)
    }

    /// The exchange is over: nothing may refer to the block any more.
    @inline(__always)
    func giveBack(_ block: ExchangeRef) { pool.pointee.give(back: UnsafeMutableRawPointer(block)) }
}
