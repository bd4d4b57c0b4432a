import SluiceHTTP

/// Reads one response of HTTP/1 from a stream, within the bounds of a client.
struct HTTPResponseReader {
    private let stream: DeadlineStream
    private let bounds: HTTPClient.Bounds
    private let patience: Patience
    private var received: [UInt8] = []

    init(stream: DeadlineStream, bounds: HTTPClient.Bounds, patience: Patience) {
        (self.stream, self.bounds, self.patience) = (stream, bounds, patience)
    }

    /// - Parameters:
    ///   - isHead: whether the request was a HEAD: the response has no body, whatever its fields say.
    ///   - statusesWithBody: see `HTTPRequest`.
    mutating func read(isHead: Bool, statusesWithBody: ClosedRange<Int>) throws(StreamFailure) -> HTTPResponse {
        let head = try readHead(isHead: isHead)
        guard statusesWithBody.contains(head.status) else { return HTTPResponse(status: head.status, fields: head.fields, body: []) }
        received.removeFirst(head.length)
        let body: [UInt8] =
            switch head.framing {
            case .none: []
            case .length(let length): try readBody(length: length)
            case .untilClose: try readBody()
            case .chunked: try readChunks()
            }
        return HTTPResponse(status: head.status, fields: head.fields, body: body)
    }

    private struct Head {
        let status: Int
        let length: Int
        let framing: BodyFraming
        let fields: [(name: String, value: String)]
    }

    /// The head of the final response; interim ones (1xx) are passed over. `received` then begins with it.
    private mutating func readHead(isHead: Bool) throws(StreamFailure) -> Head {
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: bounds.fields)
        defer { slots.deallocate() }
        while true {
            var head = ResponseHead(slots: slots, capacity: bounds.fields)
            let outcome = received.withByteView {
                ResponseHead.parse($0, slots: slots, capacity: bounds.fields, requestWasHead: isHead, into: &head)
            }
            switch outcome {
            case .complete where head.status >= 200:
                let fields = (0..<head.fields.count).map { index in
                    (String(decoding: received[slots[index].name], as: UTF8.self), String(decoding: received[slots[index].value], as: UTF8.self))
                }
                return Head(status: Int(head.status), length: head.length, framing: head.framing, fields: fields)
            case .complete:
                guard head.status != 101 else { throw StreamFailure("status 101") }
                received.removeFirst(head.length)
            case .malformed:
                throw StreamFailure("an answer that is not HTTP")
            case .incomplete:
                guard received.count <= bounds.headBytes else { throw StreamFailure("a head of more than \(bounds.headBytes) bytes") }
                guard try receive() else { throw .cut }
            }
        }
    }

    private var tooLong: StreamFailure { StreamFailure("more than \(bounds.bodyBytes) bytes") }

    private mutating func readBody(length: UInt64) throws(StreamFailure) -> [UInt8] {
        guard length <= UInt64(bounds.bodyBytes) else { throw tooLong }
        while received.count < Int(length) {
            guard try receive() else { throw .cut }
        }
        return Array(received.prefix(Int(length)))
    }

    /// A body that the end of the connection ends.
    private mutating func readBody() throws(StreamFailure) -> [UInt8] {
        repeat {
            guard received.count <= bounds.bodyBytes else { throw tooLong }
        } while try receive()
        return received
    }

    private mutating func readChunks() throws(StreamFailure) -> [UInt8] {
        var decoder = ChunkedDecoder()
        var body: [UInt8] = []
        while true {
            let outcome = received.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { decoder.decode($0, count: buffer.count) }
            }
            if let outcome {
                body += received.prefix(outcome.content)
                guard body.count <= bounds.bodyBytes else { throw tooLong }
                switch outcome.state {
                case .trailers: return body
                case .malformed: throw StreamFailure("an answer that is not HTTP")
                case .more: break
                }
            }
            received = []
            guard try receive() else { throw .cut }
        }
    }

    /// Appends what arrives next; false at the orderly end of the connection.
    private mutating func receive() throws(StreamFailure) -> Bool {
        var left = patience
        if let silence = bounds.silenceMilliseconds { left = patience.atMost(nanoseconds: UInt64(silence) * 1_000_000) }
        return try stream.receive(into: &received, left) > 0
    }
}
