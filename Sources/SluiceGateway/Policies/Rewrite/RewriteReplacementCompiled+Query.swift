import SluiceHTTP

// What captures become in a query. A path's capture is a piece of a path in normal form, and some of its characters mean something else in a
// query: they would end the parameter that it was put into and begin another.

extension RewriteReplacement.Compiled {
    static func queryCount(_ parts: ArenaSlice<Part>, _ captures: RewriteCaptures, of subject: ByteView) -> Int {
        var count = 0
        for index in 0..<parts.count {
            switch parts[index] {
            case .literal(let text): count += text.count
            case .capture(let capture):
                let text = subject[captures[capture]]
                for place in 0..<text.count { count += isEscaped(text, at: place) ? 3 : 1 }
            }
        }
        return count
    }

    /// `memory` has room for as many bytes as `queryCount` says.
    static func writeQuery(
        _ parts: ArenaSlice<Part>, _ captures: RewriteCaptures, of subject: ByteView, to memory: UnsafeMutablePointer<UInt8>
    ) {
        var next = memory
        for index in 0..<parts.count {
            switch parts[index] {
            case .literal(let text):
                next.update(from: text.base, count: text.count)
                next += text.count
            case .capture(let capture):
                let text = subject[captures[capture]]
                for place in 0..<text.count {
                    let byte = text[place]
                    if isEscaped(text, at: place) {
                        next[0] = UInt8(ascii: "%")
                        next[1] = digit(byte >> 4)
                        next[2] = digit(byte & 15)
                        next += 3
                    } else {
                        next[0] = byte
                        next += 1
                    }
                }
            }
        }
    }

    /// Whether a byte of a capture has to be escaped: what divides parameters (`&`, `;`) or a name from its value (`=`), what forms read as a
    /// blank (`+`), what no query holds (RFC 3986, 3.4), and a percent sign whose digits were left out of the capture. Escapes stay.
    private static func isEscaped(_ text: ByteView, at place: Int) -> Bool {
        let byte = text[place]
        switch byte {
        case UInt8(ascii: "%"):
            return !(text.count - place > 2 && text[place + 1].hexValue < 16 && text[place + 2].hexValue < 16)
        case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: ","),
            UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: "/"), UInt8(ascii: "?"):
            return false
        default: return !PathText.isUnreserved(byte)
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10 }
}
