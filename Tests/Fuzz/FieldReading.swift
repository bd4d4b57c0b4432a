@testable import SluiceHTTP

/// What request and response targets say about field lines.
enum FieldReading {
    /// Name, value, name, value.
    static func lines(_ fields: FieldTable, _ bytes: ByteView) -> [[UInt8]] {
        (0..<fields.count).flatMap { [bytes[fields[$0].name].array, bytes[fields[$0].value].array] }
    }

    /// The lines with the empty one behind them.
    static func text(_ lines: [[UInt8]]) -> [UInt8] {
        var text: [UInt8] = []
        for index in stride(from: 0, to: lines.count, by: 2) {
            text += lines[index] + Array(": ".utf8) + lines[index + 1] + Array("\r\n".utf8)
        }
        return text + Array("\r\n".utf8)
    }

    /// Names are tokens, values hold no line end, control character or blank at their ends, and what is known is what it is called.
    static func check(_ fields: FieldTable, _ bytes: ByteView) {
        require(fields.count <= fields.capacity, "more lines than there is room for")
        var present: UInt64 = 0
        for index in 0..<fields.count {
            let slot = fields[index]
            let name = bytes[slot.name]
            let value = bytes[slot.value]
            require(!name.isEmpty && name.buffer.allSatisfy { isToken($0) }, "a name that is no token")
            require(!value.buffer.contains { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }, "a control character in a value")
            if let first = value.buffer.first, let last = value.buffer.last {
                require(![0x20, 0x09].contains(first) && ![0x20, 0x09].contains(last), "a value that is not trimmed")
            }
            let spelling = name.string.lowercased()
            require((spelling == "host") == (slot.known == .host), "Host not recognised: \(spelling)")
            require((spelling == "content-length") == (slot.known == .contentLength), "Content-Length not recognised")
            require((spelling == "transfer-encoding") == (slot.known == .transferEncoding), "Transfer-Encoding not recognised")
            require((spelling == "connection") == (slot.known == .connection), "Connection not recognised")
            present |= slot.known.bit
        }
        require(fields.present & ~KnownField.other.bit == present & ~KnownField.other.bit, "the set of known fields is another")
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
