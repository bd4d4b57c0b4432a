/// A client that sends exactly the bytes it is given and reads exactly one response at a time.
final class RawClient {
    let socket: RawSocket
    private var reader: MessageReader

    init(port: UInt16, timeout: Double = 10, source: String? = nil, receiveBuffer: Int32? = nil) throws {
        socket = try RawSocket.connect(port: port, timeout: timeout, source: source, receiveBuffer: receiveBuffer)
        reader = MessageReader(socket)
    }

    func send(_ text: String) throws { try socket.send(text) }
    func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

    /// Sends the bytes in pieces, each its own segment.
    func send(_ text: String, inPiecesOf size: Int, every seconds: Double = 0.002) throws {
        let bytes = [UInt8](text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            try socket.send(Array(bytes[start..<min(start + size, bytes.count)]))
            pause(seconds)
        }
    }

    /// The next response, an interim one (1xx) too.
    /// - Parameter method: of the request that it answers: a response to HEAD has no body.
    func response(to method: String = "GET") throws -> Response {
        reader.raw = []
        guard let head = try reader.head() else { throw HarnessError("the connection ended without a response") }
        let parts = head.start.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, let status = Int(parts[1]) else { throw HarnessError("not a status line: \(head.start)") }
        var body: [UInt8] = []
        var trailers: MessageReader.Fields = []
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        } else if let coding = head.fields["Transfer-Encoding"], coding.lowercased() == "chunked" {
            (body, trailers) = try reader.chunkedBody()
        } else if let length = head.fields["Content-Length"] {
            guard let count = Int(length) else { throw HarnessError("Content-Length: \(length)") }
            body = try reader.bytes(count)
        } else {
            body = try reader.toEnd()
        }
        return Response(version: String(parts[0]), status: status, fields: head.fields, body: body, trailers: trailers, raw: reader.raw)
    }

    /// The next final response; interim ones before it are dropped.
    func finalResponse(to method: String = "GET") throws -> Response {
        while true {
            let response = try response(to: method)
            if response.status >= 200 { return response }
        }
    }

    func exchange(_ text: String, method: String = "GET") throws -> Response {
        try send(text)
        return try response(to: method)
    }

    /// The head of a response only; its body is read by `some` and `bytes`.
    func head() throws -> (start: String, fields: MessageReader.Fields) {
        guard let head = try reader.head() else { throw HarnessError("the connection ended without a response") }
        return head
    }

    func bytes(_ count: Int) throws -> [UInt8] { try reader.bytes(count) }
    func some() throws -> [UInt8] { try reader.some() }
    func toEnd() throws -> [UInt8] { try reader.toEnd() }

    /// Whether the gateway ends the connection, without another byte, before the socket's timeout.
    func endsQuietly() -> Bool {
        do { return try reader.some().isEmpty } catch { return !"\(error)".contains("timed out") }
    }

    func halfClose() { socket.shutdownWrite() }
    func close() { socket.close() }
}
