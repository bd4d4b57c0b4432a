import Glibc
import SluiceHTTP

/// A request that reached the sample upstream.
struct SampleRequest {
    let method: String
    let target: String
    let fields: [(name: String, value: String)]
    let bodyBytes: Int
    let keepsAlive: Bool

    /// The first value of a field, by its name in any case.
    func value(_ name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// Takes requests off a blocking socket, one after the other.
struct SampleRequestReader {
    private static let headBytesMax = 1 << 20
    private static let fieldsMax = 1000

    private let connection: Int32
    private var bytes: [UInt8] = []

    init(_ connection: Int32) { self.connection = connection }

    /// The next request; nil at the end of the connection, and where what comes is not a request.
    mutating func next() -> SampleRequest? {
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: Self.fieldsMax)
        defer { slots.deallocate() }
        while true {
            var head = RequestHead(slots: slots, capacity: Self.fieldsMax)
            var request: (method: String, target: String, fields: [(name: String, value: String)])?
            let isMalformed = bytes.withUnsafeBufferPointer { buffer -> Bool in
                guard let base = buffer.baseAddress else { return false }
                let view = ByteView(base: base, count: buffer.count)
                switch RequestHead.parse(view, slots: slots, capacity: Self.fieldsMax, into: &head) {
                case .incomplete: return false
                case .malformed: return true
                case .complete:
                    let fields = (0..<head.fields.count).map { index in
                        (name: view[head.fields[index].name].string, value: view[head.fields[index].value].string)
                    }
                    request = (view[head.methodRange.range].string, view[head.target.range].string, fields)
                    return false
                }
            }
            if isMalformed { return nil }
            if let request {
                bytes.removeFirst(head.length)
                if head.expectsContinue, !send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) { return nil }
                guard let bodyBytes = skipBody(head.framing) else { return nil }
                return SampleRequest(
                    method: request.method, target: request.target, fields: request.fields, bodyBytes: bodyBytes,
                    keepsAlive: head.keepAlive)
            }
            guard bytes.count < Self.headBytesMax, receive() else { return nil }
        }
    }

    /// Reads a body to its end and counts it; nil if the connection ends before.
    private mutating func skipBody(_ framing: BodyFraming) -> Int? {
        switch framing {
        case .none, .untilClose: return 0
        case .length(let length):
            var left = Int(clamping: length)
            while true {
                let taken = min(left, bytes.count)
                bytes.removeFirst(taken)
                left -= taken
                if left == 0 { return Int(clamping: length) }
                guard receive() else { return nil }
            }
        case .chunked: return skipChunks()
        }
    }

    private mutating func skipChunks() -> Int? {
        var count = 0
        while let line = line() {
            guard let size = Int(line.prefix { $0.isHexDigit }, radix: 16), size <= 1 << 40 else { return nil }
            if size == 0 {
                while let trailer = self.line() { if trailer.isEmpty { return count } }
                return nil
            }
            count += size
            guard skipBody(.length(UInt64(size + 2))) != nil else { return nil }
        }
        return nil
    }

    /// The next line without its end.
    private mutating func line() -> String? {
        while true {
            if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: bytes[..<end].filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
                bytes.removeFirst(end + 1)
                return line
            }
            guard bytes.count < Self.headBytesMax, receive() else { return nil }
        }
    }

    private mutating func receive() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(connection, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        bytes += chunk.prefix(count)
        return true
    }

    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                buffer.baseAddress.map { Glibc.send(connection, $0 + sent, buffer.count - sent, Int32(MSG_NOSIGNAL)) } ?? -1
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
