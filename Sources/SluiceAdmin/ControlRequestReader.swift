import SluiceHTTP

/// Reads the requests of one connection from its bytes, within bounds. No I/O.
struct ControlRequestReader {
    enum Outcome {
        /// More bytes are needed. The client waits for 100 before it sends them, if so and once.
        case incomplete(wantsContinue: Bool)
        case request(ControlRequest, keepsAlive: Bool)
        /// Nobody knows where the next request would begin: the connection ends with this.
        case malformed(ControlResponse)
    }

    static let headBytesMax = 16 * 1024
    static let bodyBytesMax = 64 * 1024
    private static let fieldsMax = 100

    private var bytes: [UInt8] = []
    private var hasContinued = false

    /// Whether a part of a request is there.
    var hasBegun: Bool { !bytes.isEmpty }

    mutating func append(_ some: ArraySlice<UInt8>) { bytes += some }

    /// Takes the next request out of what has come.
    mutating func next() -> Outcome {
        guard hasBegun else { return .incomplete(wantsContinue: false) }
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: Self.fieldsMax)
        defer { slots.deallocate() }
        var head = RequestHead(slots: slots, capacity: Self.fieldsMax)
        let outcome = bytes.withByteView { RequestHead.parse($0, slots: slots, capacity: Self.fieldsMax, into: &head) }
        switch outcome {
        case .incomplete where bytes.count > Self.headBytesMax: return .malformed(.init(status: 431, body: "the head is too large\n"))
        case .incomplete: return .incomplete(wantsContinue: false)
        case .malformed(let fault): return .malformed(Self.answer(to: fault))
        case .complete: break
        }
        guard head.length <= Self.headBytesMax else { return .malformed(.init(status: 431, body: "the head is too large\n")) }
        let count: Int
        switch head.framing {
        case .none: count = 0
        case .length(let length):
            guard length <= UInt64(Self.bodyBytesMax) else { return .malformed(.init(status: 413, body: "the body is too large\n")) }
            count = Int(length)
        // What is asked here is small, and who asks knows it whole.
        case .chunked, .untilClose: return .malformed(.init(status: 411, body: "Content-Length is needed\n"))
        }
        guard bytes.count >= head.length + count else {
            let wantsContinue = head.expectsContinue && !hasContinued && bytes.count == head.length
            if wantsContinue { hasContinued = true }
            return .incomplete(wantsContinue: wantsContinue)
        }
        let request = request(head, slots, count)
        bytes.removeFirst(head.length + count)
        hasContinued = false
        return .request(request, keepsAlive: head.keepAlive)
    }

    private static func answer(to fault: HeadFault) -> ControlResponse {
        switch fault {
        // Called by no name that could be ours: what a page in a browser sends must not be answered.
        case .host, .repeatedHost: ControlResponse(status: 403, body: "Host must be one name or address\n")
        case _ where fault.kind == .tooManyFields: ControlResponse(status: 431, body: "the head is too large\n")
        default: ControlResponse(status: 400, body: "not a request of HTTP/1: \(fault.detail)\n")
        }
    }

    private func request(_ head: RequestHead, _ slots: UnsafeMutablePointer<FieldSlot>, _ count: Int) -> ControlRequest {
        func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
        let path = text(head.pathRange.range)
        return ControlRequest(
            method: text(head.methodRange.range), path: path.isEmpty ? "/" : path,
            fields: (0..<head.fields.count).map { (text(slots[$0].name), text(slots[$0].value)) },
            body: Array(bytes[head.length..<head.length + count]))
    }
}
