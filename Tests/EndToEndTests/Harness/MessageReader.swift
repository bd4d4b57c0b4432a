/// Takes HTTP/1.1 messages off a socket, byte for byte, and keeps what has been read beyond one for the next.
struct MessageReader {
    let socket: RawSocket
    private(set) var buffered: [UInt8] = []
    /// All bytes taken since `raw` was last emptied.
    var raw: [UInt8] = []

    init(_ socket: RawSocket) { self.socket = socket }

    /// Field lines as they came, in order.
    typealias Fields = [(name: String, value: String)]

    /// Start line and fields; nil when the peer ended the connection before the first byte.
    mutating func head() throws -> (start: String, fields: Fields)? {
        guard let start = try line(mayEnd: true) else { return nil }
        return (start, try fields())
    }

    /// Field lines up to and with the empty line.
    mutating func fields() throws -> Fields {
        var fields: Fields = []
        while let line = try line(mayEnd: false), !line.isEmpty {
            guard let colon = line.firstIndex(of: ":") else { throw HarnessError("a field line without a colon: \(line)") }
            fields.append((String(line[..<colon]), line[line.index(after: colon)...].trimmingBlanks()))
        }
        return fields
    }

    /// A chunked body, decoded, and its trailers.
    mutating func chunkedBody() throws -> (body: [UInt8], trailers: Fields) {
        var body: [UInt8] = []
        while true {
            guard let line = try line(mayEnd: false), let size = Int(line.prefix { $0.isHexDigit }, radix: 16) else {
                throw HarnessError("a chunk without a size")
            }
            if size == 0 { return (body, try fields()) }
            body += try bytes(size)
            guard try bytes(2) == [13, 10] else { throw HarnessError("a chunk that does not end in CRLF") }
        }
    }

    /// Exactly `count` bytes.
    mutating func bytes(_ count: Int) throws -> [UInt8] {
        while buffered.count < count { guard try fill() else { throw HarnessError("the peer closed after \(buffered.count) of \(count) bytes") } }
        return take(count)
    }

    /// Everything until the peer ends the connection.
    mutating func toEnd() throws -> [UInt8] {
        while try fill() {}
        return take(buffered.count)
    }

    /// What the peer sends next, at least one byte; empty at the end of the stream.
    mutating func some() throws -> [UInt8] {
        if buffered.isEmpty { _ = try fill() }
        return take(buffered.count)
    }

    private mutating func line(mayEnd: Bool) throws -> String? {
        var searched = 0
        while true {
            if buffered.count > searched, let end = buffered[searched...].firstIndex(of: 10) {
                let line = take(end + 1)
                guard line.count >= 2, line[line.count - 2] == 13 else { throw HarnessError("a line that does not end in CRLF") }
                return String(decoding: line.dropLast(2), as: UTF8.self)
            }
            searched = buffered.count
            guard try fill() else {
                if mayEnd && buffered.isEmpty { return nil }
                throw HarnessError("the peer closed inside a head, after: \(String(decoding: raw + buffered, as: UTF8.self))")
            }
        }
    }

    private mutating func fill() throws -> Bool {
        guard let more = try socket.receive() else { return false }
        buffered += more
        return true
    }

    private mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(buffered[0..<count])
        buffered.removeFirst(count)
        raw += taken
        return taken
    }
}

extension Substring {
    /// Without the blanks that may stand around a field's value.
    func trimmingBlanks() -> String {
        var rest = self
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }
}

extension MessageReader.Fields {
    /// The value of the first line of that name, in any case.
    subscript(_ name: String) -> String? { values(name).first }

    func values(_ name: String) -> [String] {
        filter { $0.name.lowercased() == name.lowercased() }.map { $0.value }
    }
}
