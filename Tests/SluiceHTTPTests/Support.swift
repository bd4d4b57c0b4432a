import SluiceHTTP

/// Runs `body` on the bytes of `text`, in memory of exactly that size, so that a checker of memory sees any read beyond it.
func withBytes<Result>(_ bytes: some Collection<UInt8>, _ body: (ByteView) throws -> Result) rethrows -> Result {
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
    defer { memory.deallocate() }
    _ = UnsafeMutableBufferPointer(start: memory, count: bytes.count).initialize(from: bytes)
    return try body(ByteView(base: memory, count: bytes.count))
}

func withBytes<Result>(_ text: String, _ body: (ByteView) throws -> Result) rethrows -> Result {
    try withBytes(Array(text.utf8), body)
}

/// Runs `body` with room for `capacity` field lines.
func withSlots<Result>(_ capacity: Int, _ body: (UnsafeMutablePointer<FieldSlot>) throws -> Result) rethrows -> Result {
    let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: capacity)
    defer { slots.deallocate() }
    return try body(slots)
}

func request<Result>(
    _ bytes: some Collection<UInt8>, capacity: Int = 32, _ body: (HeadOutcome, RequestHead, ByteView) throws -> Result
) rethrows -> Result {
    try withSlots(capacity) { slots in
        try withBytes(bytes) { view in
            var head = RequestHead(slots: slots, capacity: capacity)
            let outcome = RequestHead.parse(view, slots: slots, capacity: capacity, into: &head)
            return try body(outcome, head, view)
        }
    }
}

func request<Result>(
    _ text: String, capacity: Int = 32, _ body: (HeadOutcome, RequestHead, ByteView) throws -> Result
) rethrows -> Result {
    try request(Array(text.utf8), capacity: capacity, body)
}

func outcome(ofRequest text: String) -> HeadOutcome { request(text) { outcome, _, _ in outcome } }

func response<Result>(
    _ bytes: some Collection<UInt8>, requestWasHead: Bool = false, _ body: (HeadOutcome, ResponseHead, ByteView) throws -> Result
) rethrows -> Result {
    try withSlots(32) { slots in
        try withBytes(bytes) { view in
            var head = ResponseHead(slots: slots, capacity: 32)
            let outcome = ResponseHead.parse(view, slots: slots, capacity: 32, requestWasHead: requestWasHead, into: &head)
            return try body(outcome, head, view)
        }
    }
}

func response<Result>(
    _ text: String, requestWasHead: Bool = false, _ body: (HeadOutcome, ResponseHead, ByteView) throws -> Result
) rethrows -> Result {
    try response(Array(text.utf8), requestWasHead: requestWasHead, body)
}

/// A small generator with a fixed seed (xorshift64*), so that a failure can be had again.
struct FixedRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
