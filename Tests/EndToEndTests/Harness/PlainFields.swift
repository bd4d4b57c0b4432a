/// Blocks of fields (RFC 7541) in their plainest form: literals that nobody indexes, without Huffman codes; and the static table, by which servers name fields.
enum PlainFields {
    typealias Fields = MessageReader.Fields

    static func encode(_ fields: Fields) -> [UInt8] {
        fields.flatMap { [0] + string($0.name) + string($0.value) }
    }

    /// - Throws: what a server must not send to a client whose table is empty.
    static func decode(_ block: [UInt8]) throws -> Fields {
        var fields: Fields = []
        var rest = block[...]
        while let first = rest.first {
            switch first {
            case 0x80...:
                let index = try integer(&rest, bits: 7)
                guard index > 0, index < staticTable.count else { throw HarnessError("a field by index \(index), which nobody has stored") }
                fields.append(staticTable[index])
            case 0x20..<0x40:
                guard try integer(&rest, bits: 5) == 0 else { throw HarnessError("a table larger than was allowed") }
            default:
                let index = try integer(&rest, bits: first >= 0x40 ? 6 : 4)
                guard index < staticTable.count else { throw HarnessError("a name by index \(index), which nobody has stored") }
                let name = index == 0 ? try string(&rest) : staticTable[index].name
                fields.append((name, try string(&rest)))
            }
        }
        return fields
    }

    /// A string of octets, as it is.
    static func string(_ text: String) -> [UInt8] {
        let bytes = [UInt8](text.utf8)
        return integer(bytes.count) + bytes
    }

    private static func integer(_ value: Int) -> [UInt8] {
        guard value >= 127 else { return [UInt8(value)] }
        var bytes: [UInt8] = [127]
        var rest = value - 127
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private static func integer(_ rest: inout ArraySlice<UInt8>, bits: Int) throws -> Int {
        let most = (1 << bits) - 1
        var value = Int(rest.removeFirst()) & most
        guard value == most else { return value }
        var shift = 0
        while let next = rest.popFirst() {
            value += Int(next & 127) << shift
            shift += 7
            if next < 128 { return value }
        }
        throw HarnessError("an integer that does not end")
    }

    private static func string(_ rest: inout ArraySlice<UInt8>) throws -> String {
        guard let first = rest.first, first < 128 else { throw HarnessError("a string that is missing or Huffman-coded") }
        let count = try integer(&rest, bits: 7)
        guard count <= rest.count else { throw HarnessError("a string that does not end") }
        defer { rest = rest.dropFirst(count) }
        return String(decoding: rest.prefix(count), as: UTF8.self)
    }

    /// RFC 7541, appendix A; its numbers begin with 1.
    private static let staticTable: Fields = [
        ("", ""), (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"), (":scheme", "http"),
        (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
        (":status", "404"), (":status", "500"), ("accept-charset", ""), ("accept-encoding", "gzip, deflate"), ("accept-language", ""),
        ("accept-ranges", ""), ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""),
        ("cache-control", ""), ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
        ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""), ("expect", ""),
        ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
        ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
        ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
        ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
    ]
}
