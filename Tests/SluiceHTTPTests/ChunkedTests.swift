import SluiceHTTP
import Testing

struct Decoded: Equatable {
    var content: String
    var consumed: Int
    var state: ChunkedDecoder.State
}

/// Decodes `bytes` in pieces; `pieces` says how long the next one is, given what is left.
func decode(_ bytes: [UInt8], pieces: (Int) -> Int) -> Decoded {
    var decoder = ChunkedDecoder()
    var result = Decoded(content: "", consumed: 0, state: .more)
    var content: [UInt8] = []
    while result.consumed < bytes.count, result.state == .more {
        let count = min(pieces(bytes.count - result.consumed), bytes.count - result.consumed)
        var piece = Array(bytes[result.consumed..<result.consumed + count])
        let outcome = piece.withUnsafeMutableBufferPointer { decoder.decode($0.baseAddress!, count: count) }
        content += piece[..<outcome.content]
        result.consumed += outcome.consumed
        result.state = outcome.state
    }
    result.content = String(decoding: content, as: UTF8.self)
    return result
}

@Suite struct ChunkedTests {
    @Test("content is moved to the front, the trailer section is left", arguments: [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"), ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"), ("0\r\n\r\n", ""),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"), ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("01\r\nx\r\n000\r\n\r\n", "x"),
        ("0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", "x"), ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
    ])
    func wholeBodies(text: String, content: String) {
        let bytes = Array(text.utf8)
        let expected = Decoded(content: content, consumed: bytes.count - 2, state: .trailers)
        for size in 1...bytes.count { #expect(decode(bytes, pieces: { _ in size }) == expected, "pieces of \(size)") }
    }

    @Test("extensions within the grammar are dropped", arguments: [
        "1;a\r\nx\r\n", "1;a=b\r\nx\r\n", "1;a=\"b\"\r\nx\r\n", "1;a=\"\"\r\nx\r\n", "1;a=\"b\\\"c;\\\\\"\r\nx\r\n",
        "1;a;b=c;d=\"e\"\r\nx\r\n",
        "1 ;a\r\nx\r\n", "1\t; a = b ; c\r\nx\r\n", "1;a=\"b\";c\r\nx\r\n", "1;a=\"b\" ;c\r\nx\r\n", "1;a=\"\t \u{E9}\"\r\nx\r\n",
    ])
    func extensions(chunk: String) {
        let bytes = Array((chunk + "0;z\r\n\r\n").utf8)
        for size in [1, 2, bytes.count] {
            #expect(decode(bytes, pieces: { _ in size }) == Decoded(content: "x", consumed: bytes.count - 2, state: .trailers))
        }
    }

    @Test("anything outside the grammar is malformed", arguments: [
        "\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", " 1\r\nx", "1 \r\nx", "1\t\r\nx", "1\nx", "1\rx", "1\r\rx",
        "1\r\nxy\r\n", "1\r\nx\n", "1\r\nx\ry",
        "1\r\nx0\r\n", "1;\r\nx", "1;;a\r\nx", "1;=b\r\nx", "1;a=\r\nx", "1;a=;b\r\nx", "1;a=\"b\r\nx", "1;a=\"b\nc\"\r\nx",
        "1;a=\"b\rc\"\r\nx",
        "1;a=\"\u{0}\"\r\nx", "1;a=\"\u{7F}\"\r\nx", "1;a=\"\\\u{1}\"\r\nx", "1;a=\"b\"c\r\nx", "1;a\nx", "1;a=b\nx",
        "1;a \r\nx", "1;a=b \r\nx", "1;a b\r\nx",
        "1;a=\"b\" \r\nx", "1;a=@\r\nx", "1,a\r\nx", "8000000000000000\r\n", "FFFFFFFFFFFFFFFF\r\n", "00000000000000001\r\n",
        "10000000000000000\r\n",
        "0\n", "0\r\r",
    ])
    func malformed(text: String) {
        let bytes = Array(text.utf8)
        for size in [1, bytes.count] { #expect(decode(bytes, pieces: { _ in size }).state == .malformed) }
    }

    @Test("the largest size is taken")
    func largestSize() {
        let bytes = Array("7fffffffffffffff\r\nabc".utf8)
        #expect(decode(bytes, pieces: { $0 }) == Decoded(content: "abc", consumed: bytes.count, state: .more))
    }

    @Test("as many bytes of extension as allowed are taken, one more is not")
    func extensionBound() {
        let longest = ";" + String(repeating: "a", count: ChunkedDecoder.extensionBytesMax - 1)
        #expect(decode(Array("1\(longest)\r\nx\r\n1\(longest)\r\ny\r\n0\r\n\r\n".utf8), pieces: { $0 }).content == "xy")
        let tooLong = decode(Array("1\(longest)a\r\nx".utf8), pieces: { $0 })
        #expect(tooLong == Decoded(content: "", consumed: 1 + longest.utf8.count + 2, state: .malformed))
        #expect(decode(Array("1\(longest)a\r\nx".utf8), pieces: { _ in 1 }) == tooLong)
    }

    @Test("after the end and after a fault further calls change nothing")
    func furtherCalls() {
        for (text, state) in [("0\r\n", ChunkedDecoder.State.trailers), ("x", .malformed)] {
            var decoder = ChunkedDecoder()
            var bytes = Array(text.utf8)
            bytes.withUnsafeMutableBufferPointer { bytes in
                #expect(decoder.decode(bytes.baseAddress!, count: bytes.count).state == state)
                let again = decoder.decode(bytes.baseAddress!, count: bytes.count)
                #expect((again.content, again.consumed, again.state) == (0, 0, state))
                #expect(decoder.decode(bytes.baseAddress!, count: 0).state == state)
            }
        }
    }

    @Test("a size line ends just before the content", arguments: [
        (1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (0xABCDEF, "abcdef\r\n"), (Int.max, "7fffffffffffffff\r\n"),
    ])
    func sizeLine(size: Int, expected: String) {
        var memory = [UInt8](repeating: 0x2E, count: ChunkedEncoder.sizeLineBytesMax + 2)
        let length = memory.withUnsafeMutableBufferPointer {
            ChunkedEncoder.writeSizeLine(size, endingAt: $0.baseAddress! + ChunkedEncoder.sizeLineBytesMax + 1)
        }
        let end = ChunkedEncoder.sizeLineBytesMax + 1
        #expect(String(decoding: memory[(end - length)..<end], as: UTF8.self) == expected)
        #expect(memory[end] == 0x2E && memory[end - length - 1] == 0x2E)
    }

    @Test("a trailer section ends with an empty line; its lines are judged like a head's", arguments: [
        ("\r\n", TrailerSection.Outcome.complete(length: 2)), ("A: b\r\n\r\nrest", .complete(length: 8)), ("", .incomplete),
        ("\r", .incomplete),
        ("A: b\r\n", .incomplete), ("A: b\r\n\r", .incomplete), ("A: b\n", .malformed(.bareLineFeed)),
        (" A: b\r\n", .malformed(.obsoleteFolding)),
        ("A : b\r\n", .malformed(.spaceBeforeColon)), ("\rx", .malformed(.bareCarriageReturn)),
        ("A: b\r\nA: b\r\nA: b\r\n\r\n", .malformed(.tooManyFields)),
    ])
    func trailers(text: String, expected: TrailerSection.Outcome) {
        withSlots(2) { slots in
            withBytes(text) { bytes in
                var fields = FieldTable(slots: slots, capacity: 2)
                #expect(TrailerSection.parse(bytes, slots: slots, capacity: 2, into: &fields) == expected)
                if text.hasSuffix("rest") { #expect(fields.count == 1) }
            }
        }
    }
}
