import Glibc
import SluiceHTTP

/// Bodies of requests that are held until a step of the chain has seen them whole.
///
/// A body that fits into its exchange's block stays there, as bodies do that have come before their service is chosen. Any other moves, with the head, to a
/// larger input, in which everything is as in the block: whoever sends the body on need not know. Chunks are taken apart as they come, so that what was looked
/// at and what is sent on are the same bytes; the body goes on with the length that it turned out to have. Trailers are dropped, as anybody may who forwards
/// (RFC 9110, 6.5.1).
///
/// Larger inputs are counted by what has come, in units of `Limits.heldUnitBytes`, and have a bound for each worker. A handle: copies of it are the same. On
/// the worker's thread only.
struct HeldBodies: BitwiseCopyable {
    /// What has become of a body.
    enum Collected {
        case more
        /// All of it stands behind the head: `Exchange.body`.
        case whole
        case refused(Refusal)
    }

    private struct State {
        var pool: BlockPool
        /// Bytes that may be held.
        let room: Int
        /// Of these, what may still be held.
        var left: Int
        var refused: UInt64 = 0
    }

    private let state: UnsafeMutablePointer<State>
    private let layout: ExchangeBlock.Layout
    /// Longest body that is held.
    private let bytesMax: Int
    private let bodies: RequestBodies
    private let wideCapacity: Int

    /// - Parameters:
    ///   - share: bytes that this worker may hold in larger inputs.
    ///   - bodies: what takes bodies apart.
    init(_ layout: ExchangeBlock.Layout, bytesMax: Int, share: Int, bodies: RequestBodies) {
        self.layout = layout
        self.bytesMax = bytesMax
        self.bodies = bodies
        // Behind the longest body there is room for what one read brings besides.
        wideCapacity = layout.streamInputCapacity + bytesMax + Limits.frameBytes
        state = .allocate(capacity: 1)
        // One body always has room, whatever the share is.
        let room = max(share, wideCapacity + Limits.heldUnitBytes)
        state.initialize(to: State(pool: BlockPool(blockBytes: wideCapacity + Limits.receiveTailroom, retained: 0), room: room, left: room))
    }

    func deallocate() {
        state.pointee.pool.releaseAll()
        state.deinitialize(count: 1).deallocate()
    }

    /// Bytes that are held in larger inputs now, and that may be; requests that were refused because there was no room.
    var use: (bytes: Int, room: Int, refused: UInt64) { (state.pointee.room - state.pointee.left, state.pointee.room, state.pointee.refused) }

    /// Gives back what a burst has left behind. True if any memory went.
    func trim() -> Bool { state.pointee.pool.trim() }

    // MARK: Collecting

    /// Looks at what has come of the body.
    func collect(_ block: ExchangeRef) -> Collected {
        let run = block.run
        if run.pointee.requestBody == .complete { return whole(block, 0) }
        switch run.pointee.requestFraming {
        case .none: return whole(block, 0)
        case .length(let length):
            guard length <= UInt64(bytesMax) else { return .refused(.bodyTooLarge) }
            let standing = UInt64(block.pointee.inputCount - block.pointee.inputUsed)
            run.pointee.requestBodyBytes = min(standing, length)
            if standing >= length { return whole(block, Int(length)) }
            return goOn(block, needing: Int(length) + Limits.chunkLineBytes)
        case .untilClose: return collectStream(block)
        case .chunked: return collectChunks(block)
        }
    }

    private func collectStream(_ block: ExchangeRef) -> Collected {
        let stream = block.streamRun
        let count = (stream.pointee.trailersAt ?? block.pointee.inputCount) - block.pointee.inputUsed
        guard count <= bytesMax else { return .refused(.bodyTooLarge) }
        block.pointee.run.requestBodyBytes = UInt64(count)
        guard stream.pointee.hasRequestEnded else { return goOn(block, needing: nil) }
        block.pointee.inputCount = block.pointee.inputUsed + count
        stream.pointee.trailersAt = nil
        return whole(block, count)
    }

    /// The content that came before stands at the front, `requestBodyBytes` of it; behind it what is not taken apart.
    private func collectChunks(_ block: ExchangeRef) -> Collected {
        let run = block.run
        let content = block.pointee.exchange.bytes + block.pointee.inputUsed
        if run.pointee.requestBody == .receiving {
            let held = Int(run.pointee.requestBodyBytes)
            let count = block.pointee.inputCount - block.pointee.inputUsed - held
            let outcome = run.pointee.requestDecoder.decode(content + held, count: count)
            remove(block, from: held + outcome.content, count: outcome.consumed - outcome.content)
            run.pointee.requestBodyBytes += UInt64(outcome.content)
            guard run.pointee.requestBodyBytes <= UInt64(bytesMax) else { return .refused(.bodyTooLarge) }
            switch outcome.state {
            case .more: return goOn(block, needing: nil)
            case .malformed: return .refused(.badRequest("malformed chunk"))
            case .trailers: run.pointee.requestBody = .receivingTrailers
            }
        }
        let held = Int(run.pointee.requestBodyBytes)
        switch bodies.trailers(ByteView(base: content + held, count: block.pointee.inputCount - block.pointee.inputUsed - held)) {
        case .incomplete: return goOn(block, needing: nil)
        case .refused(let refusal): return .refused(refusal)
        case .complete(let length):
            remove(block, from: held, count: length)
            return whole(block, held)
        }
    }

    /// Takes bytes out of the input, which stand so far behind the beginning of the body.
    private func remove(_ block: ExchangeRef, from place: Int, count: Int) {
        guard count > 0 else { return }
        let start = block.pointee.exchange.bytes + block.pointee.inputUsed + place
        let behind = block.pointee.inputCount - block.pointee.inputUsed - place - count
        start.update(from: start + count, count: behind)
        block.pointee.inputCount -= count
    }

    /// From here on it is a body of known length that stands in the input.
    private func whole(_ block: ExchangeRef, _ count: Int) -> Collected {
        let run = block.run
        // One read may have brought all the rest.
        if run.pointee.wideInput != nil, !account(block) { return noMemory }
        if run.pointee.requestFraming != .none { run.pointee.requestFraming = .length(UInt64(count)) }
        run.pointee.requestRemaining = UInt64(count)
        run.pointee.requestBody = count == 0 ? .complete : .receiving
        run.pointee.requestBodyBytes = 0
        block.pointee.exchange.body = ByteView(base: block.pointee.exchange.bytes + block.pointee.inputUsed, count: count)
        return .whole
    }

    // MARK: Room

    /// More is to come: makes room for it.
    ///
    /// - Parameter count: bytes that the body needs in all; nil if that is unknown.
    private func goOn(_ block: ExchangeRef, needing count: Int?) -> Collected {
        guard block.pointee.run.wideInput == nil else { return account(block) ? .more : noMemory }
        // For a read and for trailers; over HTTP/2, for what the window lets come: what is collected is credited. Not before it is needed: a length that is
        // only announced costs nothing.
        let room = block.pointee.inputCapacity - block.pointee.inputCount
        let window = layout.streamInputCapacity - layout.headBytesMax - Limits.chunkLineBytes
        let isEnough = if let count, block.pointee.exchange.head.length + count <= block.pointee.inputCapacity { true } else {
            block.pointee.run.isHTTP2 ? room >= window : room > Limits.requestTrailerBytes
        }
        guard !isEnough else { return .more }
        guard let memory = state.pointee.pool.take() else { return noMemory }
        let input = memory.assumingMemoryBound(to: UInt8.self)
        input.update(from: block.pointee.exchange.bytes, count: block.pointee.inputCount)
        block.pointee.exchange.bytes = input
        block.pointee.inputCapacity = wideCapacity
        block.pointee.run.wideInput = memory
        return account(block) ? .more : noMemory
    }

    private var noMemory: Collected {
        state.pointee.refused &+= 1
        return .refused(.upstreamUnavailable("no memory for the request's body"))
    }

    /// Counts what has come. False if that is too much.
    private func account(_ block: ExchangeRef) -> Bool {
        let units = (block.pointee.inputCount + Limits.heldUnitBytes - 1) / Limits.heldUnitBytes
        let more = units * Limits.heldUnitBytes - block.pointee.run.wideBytes
        guard more > 0 else { return true }
        guard more <= state.pointee.left else { return false }
        state.pointee.left -= more
        block.pointee.run.wideBytes += more
        return true
    }

    /// The body has gone: of the larger input only the head is needed, and what came behind the body, which moves to the head.
    func noteSent(_ block: ExchangeRef) {
        guard block.pointee.run.requestBody == .complete, block.pointee.run.replay == nil, let memory = block.pointee.run.wideInput else { return }
        let left = block.pointee.inputCount - block.pointee.inputUsed
        let place = block.pointee.exchange.head.length
        if left > 0 { (block.pointee.exchange.bytes + place).update(from: block.pointee.exchange.bytes + block.pointee.inputUsed, count: left) }
        block.pointee.inputUsed = place
        block.pointee.inputCount = place + left
        giveBackPages(memory, from: place + left, block)
    }

    /// The exchange is over.
    func release(_ block: ExchangeRef) {
        guard let memory = block.pointee.run.wideInput else { return }
        giveBackPages(memory, from: 0, block)
        block.pointee.run.wideInput = nil
        state.pointee.pool.give(back: memory)
    }

    /// Returns pages to the system, but for the first, which the next body needs as well.
    private func giveBackPages(_ memory: UnsafeMutableRawPointer, from place: Int, _ block: ExchangeRef) {
        state.pointee.left += block.pointee.run.wideBytes
        let used = block.pointee.run.wideBytes
        block.pointee.run.wideBytes = 0
        let kept = (max(place, Limits.heldUnitBytes) + 4095) & ~4095
        if used > kept { madvise(memory + kept, state.pointee.pool.blockBytes - kept, MADV_DONTNEED) }
    }

    // MARK: A body that nobody wants

    /// Drops a body that is whole in the input. False if it is not.
    static func dropWhole(_ block: ExchangeRef) -> Bool {
        guard !block.pointee.run.isCollecting, block.pointee.run.wideInput != nil, case .length = block.pointee.run.requestFraming else { return false }
        let remaining = block.pointee.run.requestRemaining
        guard UInt64(block.pointee.inputCount - block.pointee.inputUsed) >= remaining else { return false }
        block.pointee.inputUsed += Int(remaining)
        block.pointee.run.requestBodyBytes += remaining
        block.pointee.run.requestRemaining = 0
        block.pointee.run.requestBody = .complete
        return true
    }
}
