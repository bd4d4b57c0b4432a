@testable import SluiceHTTP

/// `ChunkedDecoder` and `TrailerSection`: pieces of any size give what the whole gives; no more comes out than went in; what is
/// encoded anew decodes to the same. The first byte of the input seeds the sizes of the pieces.
enum ChunkedBodyFuzz: FuzzTarget {
    static let name = "chunked-body"

    private struct Reading: Equatable {
        var content: [UInt8] = []
        var consumed = 0
        var state = ChunkedDecoder.State.more
    }

    static func run(_ whole: ByteView) {
        guard whole.count > 1 else { return }
        let input = whole[1...]
        let once = read(input.array) { _ in Int.max }
        require(once.content.count <= once.consumed && once.consumed <= input.count, "more comes out than went in")
        let singly = read(input.array) { _ in 1 }
        require(singly == once, "byte by byte: \(singly.state) after \(singly.consumed), at once: \(once.state) after \(once.consumed)")
        var seed = UInt32(whole[0]) | 1
        let inPieces = read(input.array) { _ in
            seed = seed &* 1_664_525 &+ 1_013_904_223
            return 1 + Int(seed >> 24) % 23
        }
        require(inPieces == once, "in pieces: \(inPieces.state) after \(inPieces.consumed), at once: \(once.state) after \(once.consumed)")
        checkReference(input.array, once)
        if once.state == .trailers { checkTrailers(input[once.consumed...]) }
        if !once.content.isEmpty { checkEncoding(once.content) }
    }

    private static func read(_ input: [UInt8], size: (Int) -> Int) -> Reading {
        var decoder = ChunkedDecoder()
        var reading = Reading()
        while reading.consumed < input.count, reading.state == .more {
            let end = min(input.count, reading.consumed + min(input.count, size(reading.consumed)))
            withCopy(input[reading.consumed..<end]) { memory, piece in
                let outcome = decoder.decode(memory, count: piece.count)
                require(outcome.content >= 0 && outcome.content <= outcome.consumed && outcome.consumed <= piece.count, "\(outcome)")
                require(outcome.state != .more || outcome.consumed == piece.count, "more is asked for before all is used")
                reading.content += UnsafeBufferPointer(start: memory, count: outcome.content)
                reading.consumed += outcome.consumed
                reading.state = outcome.state
            }
        }
        return reading
    }

    /// A second reader, slow and plain: whatever it takes, the decoder takes, with the same content and end.
    private static func checkReference(_ input: [UInt8], _ reading: Reading) {
        var position = 0
        var content: [UInt8] = []
        while true {
            guard let lineEnd = input[position...].firstIndex(of: 0x0A) else { return }
            let line = input[position..<lineEnd]
            let digits = line.prefix { Character(UnicodeScalar($0)).isHexDigit && $0 < 0x80 }
            // Extensions are left to the decoder's own grammar.
            guard line.last == 0x0D, digits.count == line.count - 1, (1...8).contains(digits.count),
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return }
            position = lineEnd + 1
            if size == 0 {
                require(reading == Reading(content: content, consumed: position, state: .trailers), "a plain body reads differently")
                return
            }
            guard size <= input.count - position, input.count - position - size >= 2, input[position + size] == 0x0D,
                input[position + size + 1] == 0x0A
            else { return }
            content += input[position..<position + size]
            position += size + 2
        }
    }

    private static func checkTrailers(_ input: ByteView) {
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: 8)
        defer { slots.deallocate() }
        var fields = FieldTable(slots: slots, capacity: 8)
        let whole = TrailerSection.parse(input, slots: slots, capacity: 8, into: &fields)
        if case .complete(let length) = whole {
            require(length >= 2 && length <= input.count, "a trailer section of \(length) bytes")
            FieldReading.check(fields, input[..<length])
        }
        for count in input.prefixCounts {
            withCopy(input[..<count].buffer) { _, part in
                let outcome = TrailerSection.parse(part, slots: slots, capacity: 8, into: &fields)
                switch (whole, outcome) {
                case (.complete(let length), .incomplete): require(count < length, "a whole section is called incomplete")
                case (_, .incomplete): break
                default: require(outcome == whole, "\(outcome) at \(count) bytes, \(whole) at the end")
                }
            }
        }
    }

    private static func checkEncoding(_ content: [UInt8]) {
        let room = ChunkedEncoder.sizeLineBytesMax
        let line = UnsafeMutablePointer<UInt8>.allocate(capacity: room)
        defer { line.deallocate() }
        let count = ChunkedEncoder.writeSizeLine(content.count, endingAt: line + room)
        let text = Array(UnsafeBufferPointer(start: line + room - count, count: count)) + content + ChunkedEncoder.lineEnd.array
            + ChunkedEncoder.lastChunk.array
        let again = read(text) { _ in Int.max }
        require(again == Reading(content: content, consumed: text.count - 2, state: .trailers), "what is encoded does not decode")
    }
}
