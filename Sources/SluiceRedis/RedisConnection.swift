internal import CHiredis
internal import SluiceClient
internal import SluiceConfiguration
internal import SluiceCounting
internal import SluiceCrypto
internal import SluiceEvent

/// One connection to Redis, over TCP or TLS. It waits, with deadlines, and is for one thread. After any failure it is of no use any more: a
/// reply that is still on its way must never be taken for another's.
final class RedisConnection {
    /// Longest reply, and most elements of all arrays in it: ten times what a batch is answered with.
    static let replyBytesMax = 16 << 20
    static let replyElementsMax = 1 << 18

    /// Longest wait for a look-up: half of what there is for connecting with all that belongs to it.
    private static let lookUpNanoseconds: UInt64 = 500_000_000

    private let stream: DeadlineStream
    private let reader: UnsafeMutablePointer<redisReader>
    /// The reader's; freed after it.
    private let bounds: UnsafeMutablePointer<sluice_redis_bounds>
    private var buffer: [UInt8] = []

    /// Connects, within the deadline (monotonic nanoseconds).
    init(_ name: NameLookUp, tls peer: TLSPeer?, deadline: UInt64) throws(AllowanceStoreError) {
        let stream: DeadlineStream
        do throws(StreamFailure) {
            let patience = Patience(until: deadline)
            stream = try DeadlineStream(to: name.addresses(patience.atMost(nanoseconds: Self.lookUpNanoseconds)), patience)
            if let peer { try stream.startTLS(peer, patience) }
        } catch {
            throw AllowanceStoreError(error.description)
        }
        let bounds = UnsafeMutablePointer<sluice_redis_bounds>.allocate(capacity: 1)
        guard let reader = sluice_redis_reader_create(bounds) else {
            bounds.deallocate()
            throw AllowanceStoreError("no memory")
        }
        self.bounds = bounds
        self.stream = stream
        self.reader = reader
    }

    deinit {
        redisReaderFree(reader)
        bounds.deallocate()
    }

    /// Sends the command and waits for its reply. A reply that is an error is returned, not thrown.
    func call(_ command: RedisCommand, deadline: UInt64) throws(AllowanceStoreError) -> RedisReply {
        guard let bytes = command.formatted else { throw AllowanceStoreError("no memory") }
        let patience = Patience(until: deadline)
        do throws(StreamFailure) {
            try stream.send(bytes, patience)
        } catch {
            throw AllowanceStoreError(error.description)
        }
        var received = 0
        bounds.pointee.elements = Self.replyElementsMax
        while received <= Self.replyBytesMax {
            var reply: UnsafeMutableRawPointer?
            guard redisReaderGetReply(reader, &reply) == REDIS_OK else { throw AllowanceStoreError("it does not speak Redis's protocol") }
            if let reply {
                defer { freeReplyObject(reply) }
                return RedisReply(UnsafePointer(reply.assumingMemoryBound(to: redisReply.self)))
            }
            try receive(patience)
            received += buffer.count
            let isFed = buffer.withUnsafeBytes { memory in
                redisReaderFeed(reader, memory.bindMemory(to: CChar.self).baseAddress, memory.count) == REDIS_OK
            }
            guard isFed else { throw AllowanceStoreError("it does not speak Redis's protocol") }
        }
        throw AllowanceStoreError("its answer is too long")
    }

    /// Reads what arrives next into the buffer: at least a byte.
    private func receive(_ patience: Patience) throws(AllowanceStoreError) {
        buffer.removeAll(keepingCapacity: true)
        do throws(StreamFailure) {
            _ = try stream.receive(into: &buffer, patience)
        } catch {
            throw AllowanceStoreError(error.description)
        }
        guard !buffer.isEmpty else { throw AllowanceStoreError("the connection broke") }
    }
}
