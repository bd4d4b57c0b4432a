import SluiceHTTP

/// A worker's memory for what means nothing beyond one callback: where bytes arrive, where heads are composed. A handle: copies of it are the same memory.
struct WorkArea: BitwiseCopyable {
    /// Where bytes of services, and of clients whose bytes nobody keeps, arrive: `Limits.receiveBytes`. In front there is room for a head, behind for what ends
    /// a chunked body.
    let received: UnsafeMutablePointer<UInt8>
    /// Where heads are composed.
    let compose: UnsafeMutablePointer<UInt8>
    let composeCapacity: Int
    /// Field slots of the response or trailer section at hand: `Limits.responseFields`.
    let slots: UnsafeMutablePointer<FieldSlot>

    init(_ layout: ExchangeBlock.Layout) {
        let room = Limits.receiveHeadroom + Limits.receiveBytes + Limits.receiveTailroom
        received = .allocate(capacity: room) + Limits.receiveHeadroom
        // Room for the largest head with everything that is added to it, and for the body bytes that came with it.
        // Never less than a configured response has, or a service's head with the trailers of its body behind it.
        composeCapacity = max(
            2 * layout.headBytesMax + Limits.responseHeadBytes + layout.streamInputCapacity + Limits.storageBytes, Limits.outputBytes)
        compose = .allocate(capacity: composeCapacity)
        slots = .allocate(capacity: Limits.responseFields)
    }

    func deallocate() {
        (received - Limits.receiveHeadroom).deallocate()
        compose.deallocate()
        slots.deallocate()
    }

    /// Writes over whatever was composed before.
    @inline(__always)
    var writer: HeadWriter { HeadWriter(compose, capacity: composeCapacity) }

    /// A writer of nothing: where no head is to be sent.
    @inline(__always)
    var noHead: HeadWriter { HeadWriter(compose, capacity: 0) }
}
