import Foundation

/// Reads messages off a socket and takes nothing but the strictest form.
struct StrictReader {
    struct Ended: Error { let isInside: Bool }
    struct Malformed: Error { let what: String }
    typealias Fields = [(name: String, value: [UInt8])]

    let socket: RawSocket
    var buffer: [UInt8] = []

    mutating func fill() throws {
        let more: [UInt8]?
        do { more = try socket.receive() } catch let error as HarnessError where error.description.contains("errno") { more = nil }
        guard let more else { throw Ended(isInside: !buffer.isEmpty) }
        buffer += more
    }

    mutating func line() throws -> [UInt8] {
        var searched = 0
        while true {
            if let end = buffer[searched...].firstIndex(of: 10) {
                guard end > 0, buffer[end - 1] == 13, !buffer[..<(end - 1)].contains(13) else { throw Malformed(what: "a bare CR or LF") }
                defer { buffer.removeFirst(end + 1) }
                return Array(buffer[..<(end - 1)])
            }
            searched = buffer.count
            try fill()
        }
    }

    mutating func bytes(_ count: Int) throws -> [UInt8] {
        while buffer.count < count { try fill() }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    mutating func fields() throws -> Fields {
        var fields: Fields = []
        while true {
            let line: [UInt8]
            do { line = try self.line() } catch is Ended { throw Ended(isInside: true) }
            if line.isEmpty { return fields }
            let name = line.prefix { $0 != 0x3A }
            let token = name.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"(),/:;<=>?@[\\]{}".utf8.contains($0) }
            guard token, !name.isEmpty, name.count < line.count, line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 9 }) else {
                throw Malformed(what: "a field line: \(String(decoding: line.prefix(60), as: UTF8.self))")
            }
            var value = line[(name.count + 1)...]
            while let first = value.first, first == 0x20 || first == 9 { value.removeFirst() }
            while let last = value.last, last == 0x20 || last == 9 { value.removeLast() }
            fields.append((String(decoding: name, as: UTF8.self), Array(value)))
        }
    }

    mutating func chunks() throws -> (body: [UInt8], trailers: Fields) {
        var body: [UInt8] = []
        do {
            while true {
                let size = try line()
                guard !size.isEmpty, size.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }), let count = Int(String(decoding: size, as: UTF8.self), radix: 16) else {
                    throw Malformed(what: "a chunk size")
                }
                if count == 0 { return (body, try fields()) }
                body += try bytes(count)
                guard try bytes(2) == [13, 10] else { throw Malformed(what: "a chunk's end") }
            }
        } catch is Ended { throw Ended(isInside: true) }
    }
}

extension StrictReader.Fields {
    func value(_ name: String) -> [UInt8]? { first { $0.name.lowercased() == name.lowercased() }?.value }
    /// Whether a line says this, given in the corpus's notation; names in any case.
    func contains(line: String) -> Bool {
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let value = Bytes.unescape(parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : "")
        return contains { $0.name.lowercased() == parts[0].lowercased() && $0.value == value }
    }
}
