import SluiceHTTP

/// A text with its escaped characters outside ASCII decoded: `/caf%C3%A9%2Fx` is `/café%2Fx`. Octets that spell no character of UTF-8 (RFC 3629)
/// stay escapes, so that what comes out is valid wherever what went in is ASCII; a byte beyond ASCII that stands there as it is becomes `?`.
struct DecodedSubject {
    let text: ByteView
    private let source: ByteView

    /// - Parameter memory: with room for as many bytes as `source` has.
    init(_ source: ByteView, into memory: UnsafeMutablePointer<UInt8>) {
        self.source = source
        var read = 0
        var written = 0
        while read < source.count {
            let length = Self.characterLength(in: source, at: read)
            if length == 0 {
                memory[written] = source[read] < 0x80 ? source[read] : UInt8(ascii: "?")
                read += 1
                written += 1
            } else {
                for index in 0..<length { memory[written + index] = Self.octet(in: source, at: read + 3 * index) ?? 0 }
                read += 3 * length
                written += length
            }
        }
        text = ByteView(base: UnsafePointer(memory), count: written)
    }

    /// Where in the source the character stands that begins at `offset` of the text; what is not an offset stays as it is.
    func original(of offset: Int) -> Int {
        guard offset >= 0, offset <= text.count else { return offset }
        var read = 0
        var written = 0
        while written < offset {
            let length = Self.characterLength(in: source, at: read)
            read += length == 0 ? 1 : 3 * length
            written += max(1, length)
        }
        return read
    }

    /// How many octets the escaped character at `place` has; 0 if none of UTF-8 outside ASCII begins there.
    private static func characterLength(in source: ByteView, at place: Int) -> Int {
        guard source[place] == UInt8(ascii: "%"), let lead = octet(in: source, at: place), lead >= 0xC2, lead <= 0xF4 else { return 0 }
        let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard let second = octet(in: source, at: place + 3) else { return 0 }
        // Overlong forms, surrogates and what lies beyond U+10FFFF.
        let range: ClosedRange<UInt8> =
            switch lead {
            case 0xE0: 0xA0...0xBF
            case 0xED: 0x80...0x9F
            case 0xF0: 0x90...0xBF
            case 0xF4: 0x80...0x8F
            default: 0x80...0xBF
            }
        guard range.contains(second) else { return 0 }
        for index in 2..<max(2, length) {
            guard let next = octet(in: source, at: place + 3 * index), next & 0xC0 == 0x80 else { return 0 }
        }
        return length
    }

    private static func octet(in source: ByteView, at place: Int) -> UInt8? {
        guard place + 2 < source.count, source[place] == UInt8(ascii: "%") else { return nil }
        let (high, low) = (source[place + 1].hexValue, source[place + 2].hexValue)
        return high < 16 && low < 16 ? high << 4 | low : nil
    }
}
