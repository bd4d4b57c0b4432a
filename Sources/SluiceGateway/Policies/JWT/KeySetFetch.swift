import SluiceConfiguration
import SluiceEvent
import SluiceHTTP
import Synchronization

/// Gets the text of a key set: reads a file, or makes one GET request. Blocks; for the refresher's thread and for set-up.
///
/// Only status 200 counts, and no redirect is followed: whoever can answer 302 could otherwise choose the keys' origin.
enum KeySetFetch {
    static let bodyBytesMax = 1 << 20
    static let headBytesMax = 1 << 16
    private static let fieldsMax = 256

    /// - Parameters:
    ///   - milliseconds: from the resolution of the name to the last byte.
    ///   - isEnding: asked while it waits, ten times a second: whether to give up, because the process ends.
    static func load(
        _ location: KeySetLocation, milliseconds: Int, isEnding: @escaping () -> Bool = { false }
    ) -> Result<[UInt8], KeySet.Fault> {
        Result { () throws(KeySet.Fault) in
            switch location.kind {
            case .file(let path): return try read(path)
            case .uri(let uri):
                return BoundedFile.withoutByteOrderMark(try get(uri, authorityFile: location.authorityFile, milliseconds, isEnding))
            }
        }
    }

    /// The text of a key set in a file.
    static func read(_ path: String) throws(KeySet.Fault) -> [UInt8] {
        do throws(BoundedFile.Fault) {
            return try BoundedFile.read(path, bytesMax: bodyBytesMax)
        } catch {
            throw KeySet.Fault(description: "a file that cannot be read (\(error.found))")
        }
    }

    private static func get(
        _ uri: KeySetLocation.URI, authorityFile: String?, _ milliseconds: Int, _ isEnding: @escaping () -> Bool
    ) throws(KeySet.Fault) -> [UInt8] {
        let patience = Patience(
            deadline: Clock.monotonicNanoseconds() + UInt64(milliseconds) * 1_000_000, isEnding: isEnding)
        let connection = try BlockingConnection(host: uri.host, port: uri.port, patience)
        if uri.isSecure { try connection.startTLS(name: uri.host, authorityFile: authorityFile) }
        let request =
            "GET \(uri.target) HTTP/1.1\r\nHost: \(uri.authority)\r\nAccept: application/jwk-set+json, application/json\r\n"
            + "User-Agent: sluice\r\nConnection: close\r\n\r\n"
        try connection.send(Array(request.utf8))
        var received: [UInt8] = []
        let head = try readHead(connection, &received)
        guard head.status == 200 else { throw refusal(head.status) }
        let rest = Array(received.dropFirst(head.length))
        switch head.framing {
        case .none:
            return []
        case .length(let length):
            guard length <= UInt64(bodyBytesMax) else { throw tooLong }
            return try readBody(connection, rest, until: Int(length))
        case .untilClose:
            return try readBody(connection, rest, until: nil)
        case .chunked:
            return try readChunks(connection, rest)
        }
    }

    private static func refusal(_ status: UInt16) -> KeySet.Fault {
        guard (300..<400).contains(status), status != 304 else { return KeySet.Fault(description: "status \(status)") }
        return KeySet.Fault(description: "status \(status), and redirects are not followed: configure the address that answers 200")
    }

    private static var tooLong: KeySet.Fault { KeySet.Fault(description: "more than \(bodyBytesMax) bytes") }

    /// The head of the final response; interim ones (1xx) are passed over. `received` then begins with it.
    private static func readHead(
        _ connection: BlockingConnection, _ received: inout [UInt8]
    ) throws(KeySet.Fault) -> (status: UInt16, length: Int, framing: BodyFraming) {
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: fieldsMax)
        defer { slots.deallocate() }
        while true {
            var head = ResponseHead(slots: slots, capacity: fieldsMax)
            let outcome = received.withByteView {
                ResponseHead.parse($0, slots: slots, capacity: fieldsMax, requestWasHead: false, into: &head)
            }
            switch outcome {
            case .complete where head.status >= 200:
                return (head.status, head.length, head.framing)
            case .complete:
                guard head.status != 101 else { throw KeySet.Fault(description: "status 101") }
                received.removeFirst(head.length)
            case .malformed:
                throw KeySet.Fault(description: "an answer that is not HTTP")
            case .incomplete:
                guard received.count <= headBytesMax else { throw KeySet.Fault(description: "a head of more than \(headBytesMax) bytes") }
                guard try connection.receive(into: &received) > 0 else { throw connection.cut }
            }
        }
    }

    /// - Parameter count: nil for a body that the end of the connection ends.
    private static func readBody(
        _ connection: BlockingConnection, _ start: [UInt8], until count: Int?
    ) throws(KeySet.Fault) -> [UInt8] {
        var body = start
        while count.map({ body.count < $0 }) ?? true {
            guard try connection.receive(into: &body) > 0 else {
                if count == nil { return body }
                throw connection.cut
            }
            guard count != nil || body.count <= bodyBytesMax else { throw tooLong }
        }
        guard let count else { return body }
        return Array(body.prefix(count))
    }

    private static func readChunks(_ connection: BlockingConnection, _ start: [UInt8]) throws(KeySet.Fault) -> [UInt8] {
        var decoder = ChunkedDecoder()
        var body: [UInt8] = []
        var input = start
        while true {
            let outcome = input.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { decoder.decode($0, count: buffer.count) }
            }
            if let outcome {
                body += input.prefix(outcome.content)
                guard body.count <= bodyBytesMax else { throw tooLong }
                switch outcome.state {
                case .trailers: return body
                case .malformed: throw KeySet.Fault(description: "an answer that is not HTTP")
                case .more: break
                }
            }
            input = []
            guard try connection.receive(into: &input) > 0 else { throw connection.cut }
        }
    }
}
