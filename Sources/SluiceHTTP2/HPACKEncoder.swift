import SluiceHTTP

/// Writes the text of a head as a block of fields (RFC 7541).
///
/// Names that the static table has are written as their index, everything else as it is: nothing is put into the other side's dynamic table, and no string
/// is Huffman-coded. It is the form that costs least to write, it needs no memory for a connection, and no field of one message can
/// be guessed from the length of another. What identifies its sender is marked so that nobody further on puts it into a table
/// either (RFC 7541, 7.1.3).
struct HPACKEncoder: BitwiseCopyable {
    private let tables: UnsafePointer<HPACKTables>
    /// Where the next byte goes.
    private var at: UnsafeMutablePointer<UInt8>

    /// What the first line of a text is.
    enum Kind: BitwiseCopyable {
        /// A request line; the scheme is what the connection has. With a protocol, the request is an extended CONNECT (RFC 8441) whatever its method.
        case request(isHTTPS: Bool, connect: ByteView)
        case response
        /// There is none: trailers.
        case trailers
    }

    /// Bytes that the block of a text of `count` bytes takes at most.
    ///
    /// A line of a name and a value is at least the four bytes of colon, blank and CRLF longer than they; written, it has a byte before the name and the value,
    /// two lengths, which take two bytes more from 127 on and one more each for numbers of 14, 21 and 28 bits.
    static func bytesMax(text count: Int) -> Int { count + count / 32 + 64 }

    /// - Returns: bytes of the block; nil if the text is no head.
    static func encode(_ text: ByteView, kind: Kind, tables: UnsafePointer<HPACKTables>, into output: UnsafeMutablePointer<UInt8>) -> Int? {
        var encoder = HPACKEncoder(tables: tables, at: output)
        return encoder.encode(text, kind) ? encoder.at - output : nil
    }

    private mutating func encode(_ text: ByteView, _ kind: Kind) -> Bool {
        var next = 0
        switch kind {
        case .trailers: break
        case .response:
            next = text.index(of: 0x0D, from: 0) &+ 2
            guard next <= text.count, next >= 14 else { return false }
            writeStatus(text.base + 9)
        case .request(let isHTTPS, let connect):
            next = text.index(of: 0x0D, from: 0) &+ 2
            guard next <= text.count, writeRequestLine(text[..<(next &- 2)], fields: text[next...], isHTTPS: isHTTPS, connect: connect) else {
                return false
            }
        }
        let isRequest = if case .request = kind { true } else { false }
        let base = text.base
        while next < text.count {
            if base[next] == 0x0D { return true }
            let end = text.index(of: 0x0D, from: next)
            let nameEnd = text.index(of: 0x3A, from: next)
            guard end &+ 2 <= text.count, nameEnd < end else { return false }
            var start = nameEnd &+ 1
            var stop = end
            while start < stop, base[start] == 0x20 || base[start] == 0x09 { start &+= 1 }
            while start < stop, base[stop &- 1] == 0x20 || base[stop &- 1] == 0x09 { stop &-= 1 }
            writeLine(ByteView(base: base + next, count: nameEnd &- next), ByteView(base: base + start, count: stop &- start), isRequest: isRequest)
            next = end &+ 2
        }
        return true
    }

    @inline(__always)
    private mutating func writeLine(_ name: ByteView, _ value: ByteView, isRequest: Bool) {
        let index = tables.pointee.fields.index(ofName: name.base, count: name.count)
        if index > 0 {
            switch index {
            // Transfer-Encoding.
            case 57: return
            // Host, which is the authority of a request.
            case 38: if isRequest { return }
            default: break
            }
            // Authorization, Cookie, Proxy-Authorization, Set-Cookie.
            writeIndex(index, isSensitive: index == 23 || index == 32 || index == 49 || index == 55)
        } else {
            guard !HPACKEncoder.isLeftOut(name, value) else { return }
            at[0] = 0
            at += 1
            writeInteger(name.count)
            LowercaseCopy.copy(name.base, count: name.count, to: at)
            at += name.count
        }
        writeString(value)
    }

    /// Whether a field belongs to a connection of HTTP/1 (RFC 9113, 8.2.2). Transfer-Encoding is told by its index.
    @inline(__always)
    private static func isLeftOut(_ name: ByteView, _ value: ByteView) -> Bool {
        switch name.count {
        case 2: name.equalsIgnoringCase("te") && !value.equalsIgnoringCase("trailers")
        case 7: name.equalsIgnoringCase("upgrade")
        case 10: name.equalsIgnoringCase("connection") || name.equalsIgnoringCase("keep-alive")
        case 14: name.equalsIgnoringCase("http2-settings")
        case 16: name.equalsIgnoringCase("proxy-connection")
        default: false
        }
    }

    /// - Parameter digits: three.
    private mutating func writeStatus(_ digits: UnsafePointer<UInt8>) {
        let code = Int(digits[0]) &* 100 &+ Int(digits[1]) &* 10 &+ Int(digits[2]) &- 0x30 &* 111
        switch code {
        // HTTP/2 has no 101 (RFC 9113, 8.6): a stream that carries another protocol begins with 200 (RFC 8441, 4).
        case 200, 101: writeByte(0x88)
        case 204: writeByte(0x89)
        case 206: writeByte(0x8A)
        case 304: writeByte(0x8B)
        case 400: writeByte(0x8C)
        case 404: writeByte(0x8D)
        case 500: writeByte(0x8E)
        default:
            writeIndex(8, isSensitive: false)
            writeString(ByteView(base: digits, count: 3))
        }
    }

    private mutating func writeRequestLine(_ line: ByteView, fields: ByteView, isHTTPS: Bool, connect: ByteView) -> Bool {
        let methodCount = line.index(of: 0x20, from: 0)
        guard methodCount > 0, methodCount &+ 1 < line.count else { return false }
        let method = line[..<methodCount]
        let targetEnd = line.index(of: 0x20, from: methodCount &+ 1)
        let path = line[(methodCount &+ 1)..<targetEnd]
        guard path.count > 0 else { return false }
        if !connect.isEmpty {
            writeIndex(2, isSensitive: false)
            writeString(ByteView("CONNECT"))
            writeByte(0)
            writeString(ByteView(":protocol"))
            writeString(connect)
        } else if method == "GET" {
            writeByte(0x82)
        } else if method == "POST" {
            writeByte(0x83)
        } else {
            writeIndex(2, isSensitive: false)
            writeString(method)
        }
        writeByte(isHTTPS ? 0x87 : 0x86)
        if let host = HPACKEncoder.host(fields) {
            writeIndex(1, isSensitive: false)
            writeString(host)
        }
        if path == "/" {
            writeByte(0x84)
        } else {
            writeIndex(4, isSensitive: false)
            writeString(path)
        }
        return true
    }

    /// The value of the Host line, which is the first of nearly all heads.
    private static func host(_ fields: ByteView) -> ByteView? {
        var start = 0
        while start &+ 5 < fields.count {
            let end = fields.index(of: 0x0D, from: start)
            if fields[start &+ 4] == 0x3A, fields[start..<(start &+ 4)].equalsIgnoringCase("host"), start &+ 5 <= end {
                return fields[(start &+ 5)..<end].trimmed
            }
            start = end &+ 2
        }
        return nil
    }

    // MARK: primitives

    @inline(__always)
    private mutating func writeByte(_ byte: UInt8) {
        at[0] = byte
        at += 1
    }

    /// A literal whose name is that of the static table's entry: without indexing, or never to be indexed (RFC 7541, 6.2.2 and 6.2.3).
    @inline(__always)
    private mutating func writeIndex(_ index: Int, isSensitive: Bool) {
        let pattern: UInt8 = isSensitive ? 0x10 : 0
        if index < 15 {
            writeByte(pattern | UInt8(truncatingIfNeeded: index))
        } else {
            at[0] = pattern | 0x0F
            at[1] = UInt8(truncatingIfNeeded: index &- 15)
            at += 2
        }
    }

    @inline(__always)
    private mutating func writeString(_ text: ByteView) {
        writeInteger(text.count)
        at.update(from: text.base, count: text.count)
        at += text.count
    }

    /// The length of a string that is not Huffman-coded: an integer with a prefix of seven bits (RFC 7541, 5.1).
    @inline(__always)
    private mutating func writeInteger(_ value: Int) {
        if value < 0x7F { return writeByte(UInt8(truncatingIfNeeded: value)) }
        writeByte(0x7F)
        var rest = value &- 0x7F
        while rest >= 0x80 {
            writeByte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        writeByte(UInt8(truncatingIfNeeded: rest))
    }
}
