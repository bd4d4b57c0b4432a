import SluiceEvent
import SluiceHTTP

/// The memory of one exchange, taken when its first bytes arrive and returned when its response has ended.
///
/// In one block: this header, what the exchange has on a connection that it shares, the field slots, the input (head, then the first of the body) and the storage of the
/// chain. An idle connection holds none of it. The head stays untouched until the exchange ends, which is what makes a
/// retry and a log line possible.
struct ExchangeBlock {
    var exchange: Exchange
    var run: ExchangeRun

    /// The snapshot that the exchange began with and stays on; nil before it has begun.
    fileprivate(set) var snapshot: UnsafeMutablePointer<WorkerSnapshot>?
    /// How many bytes the input has room for.
    var inputCapacity: Int
    /// Bytes of input received.
    var inputCount: Int
    /// Bytes of input that belong to this exchange so far; what stands behind them belongs to the body or to the next request.
    var inputUsed: Int
    /// Bytes of input in which no parse has to look again: an incomplete head is parsed anew only when a line has ended.
    var inputSearched: Int

    /// Where the parts of a block lie, from the process settings.
    struct Layout: BitwiseCopyable {
        let slotCapacity: Int
        let headBytesMax: Int
        let slotsOffset: Int
        let inputOffset: Int
        let inputCapacity: Int
        /// The same for a request over HTTP/2, whose client may have sent as much of its body as the stream's window says, or, before it knew
        /// that, as any stream begins with.
        let streamInputCapacity: Int
        let storageOffset: Int
        let storageCapacity: Int
        let blockBytes: Int

        /// Where the exchange's `ServiceStream` stands: the same for all, so that it is found without the layout.
        static let serviceStreamOffset = (StreamRun.offset + MemoryLayout<StreamRun>.size).roundedUp(to: 64)

        init(fieldsMax: Int, headBytesMax: Int, streamWindow: Int) {
            slotCapacity = fieldsMax
            self.headBytesMax = headBytesMax
            slotsOffset = (Self.serviceStreamOffset + MemoryLayout<ServiceStream>.size).roundedUp(to: 64)
            inputOffset = (slotsOffset + MemoryLayout<FieldSlot>.stride * fieldsMax).roundedUp(to: 64)
            inputCapacity = headBytesMax + Limits.chunkLineBytes + Limits.bodyAreaBytes
            streamInputCapacity = headBytesMax + Limits.chunkLineBytes + max(streamWindow, Limits.firstStreamWindow) + Limits.requestTrailerBytes
            storageOffset = (inputOffset + streamInputCapacity + Limits.receiveTailroom).roundedUp(to: 64)
            // A normalised path and everything decoded from the head are never larger than the head.
            storageCapacity = headBytesMax + Limits.storageBytes
            blockBytes = storageOffset + storageCapacity
        }
    }
}

extension Int {
    /// The next multiple of a power of two.
    func roundedUp(to alignment: Int) -> Int { (self + alignment - 1) & ~(alignment - 1) }
}

/// One exchange, by the place of its block. Good until its block is given back; whoever may come later holds a `WaitingExchange`.
typealias ExchangeRef = UnsafeMutablePointer<ExchangeBlock>

extension ExchangeRef {
    /// The exchange begins: it is on this snapshot, in which it was counted, until it ends.
    @inline(__always)
    func enter(_ snapshot: UnsafeMutablePointer<WorkerSnapshot>) {
        pointee.snapshot = snapshot
        pointee.exchange.begin(with: snapshot.pointee.resources)
    }

    /// Copies a body into the exchange's own memory, where it lasts until the exchange ends. Nil if there is no room.
    func keep(_ body: ByteView) -> UnsafePointer<StoredResponse>? {
        let (size, alignment) = (MemoryLayout<StoredResponse>.size, MemoryLayout<StoredResponse>.alignment)
        guard let memory = pointee.exchange.allocate(size + alignment + body.count) else { return nil }
        let place = UnsafeMutableRawPointer(memory).alignedUp(toMultipleOf: alignment).bindMemory(to: StoredResponse.self, capacity: 1)
        let bytes = memory + size + alignment
        bytes.update(from: body.base, count: body.count)
        place.initialize(to: StoredResponse(status: 0, head: .empty, body: ByteView(base: bytes, count: body.count), isAmended: true))
        return UnsafePointer(place)
    }

    /// Where a request id stands that is made here: `RequestIDSource.byteCount` bytes.
    var madeRequestID: UnsafeMutablePointer<UInt8> {
        let offset = MemoryLayout<ExchangeRun>.offset(of: \.madeRequestID).unsafelyUnwrapped
        return (UnsafeMutableRawPointer(run) + offset).assumingMemoryBound(to: UInt8.self)
    }

    /// Has the processor fetch what the response will ask of the exchange, which was last touched when its request was sent: with
    /// a thousand under way it is no longer in the cache. Measured with the request id's place: 0.93 of the CPU at 5,000 connections.
    @inline(__always)
    func fetchAhead() {
        Cache.fetch(self, byteCount: MemoryLayout<Exchange>.offset(of: \.upstreamPath).unsafelyUnwrapped)
        Cache.fetch(run, byteCount: MemoryLayout<ExchangeRun>.size)
    }

    /// Where the exchange itself stands: at the beginning of its block.
    @inline(__always)
    var exchange: UnsafePointer<Exchange> { UnsafePointer(UnsafeMutableRawPointer(self).assumingMemoryBound(to: Exchange.self)) }

    /// Where the exchange's run stands.
    @inline(__always)
    var run: UnsafeMutablePointer<ExchangeRun> {
        let offset = MemoryLayout<ExchangeBlock>.offset(of: \.run).unsafelyUnwrapped
        return (UnsafeMutableRawPointer(self) + offset).assumingMemoryBound(to: ExchangeRun.self)
    }
}
