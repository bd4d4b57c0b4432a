import SluiceHTTP
import Testing
@testable import SluiceHTTP2

@Suite struct HPACKDecoderTests {
    typealias Outcome = BlockReader.Outcome

    /// Reads one block as trailers, whole and in pieces, which must be the same.
    private func read(_ block: [UInt8], table: Int = 4096, limits: HTTP2Limits = HTTP2Limits(), area: Int = 65_536) -> Outcome {
        let whole = BlockReader(table: table, area: area, limits: limits).read(block, .trailers)
        for piece in [1, 2, 3, 5] {
            #expect(BlockReader(table: table, area: area, limits: limits).read(block, .trailers, piece: piece) == whole, "pieces of \(piece)")
        }
        return whole
    }

    @Test("every symbol goes through the Huffman code and back")
    func huffman() {
        let values = (0..<256).map { value in [UInt8](repeating: UInt8(value), count: value % 19 + 1) }
        for bytes in values + [Array(0...255)] {
            let huffman = HPACKTables.shared.pointee.huffman
            bytes.withUnsafeBufferPointer { buffer in
                let view = ByteView(base: buffer.baseAddress!, count: buffer.count)
                var code = [UInt8](repeating: 0, count: huffman.encodedCount(view))
                code.withUnsafeMutableBufferPointer { huffman.encode(view, into: $0.baseAddress!) }
                for piece in 1...code.count {
                    var rest = HuffmanCode.Rest()
                    var decoded: [UInt8] = []
                    for start in stride(from: 0, to: code.count, by: piece) {
                        let part = Array(code[start..<min(code.count, start + piece)])
                        var room = [UInt8](repeating: 0, count: 400)
                        let outcome = withExactly(part) { huffman.decode($0, count: part.count, rest: &rest, into: &room, room: 400) }
                        #expect(outcome.used == part.count && !outcome.isMalformed)
                        decoded += room[..<outcome.written]
                    }
                    #expect(decoded == bytes && rest.isPadding)
                }
            }
        }
    }

    @Test("decoding stops where there is no room, and goes on from there")
    func huffmanRoom() {
        let text = Array("the quick brown fox (jumps) over?".utf8)
        let huffman = HPACKTables.shared.pointee.huffman
        text.withUnsafeBufferPointer { buffer in
            let view = ByteView(base: buffer.baseAddress!, count: buffer.count)
            var code = [UInt8](repeating: 0, count: huffman.encodedCount(view))
            code.withUnsafeMutableBufferPointer { huffman.encode(view, into: $0.baseAddress!) }
            for room in 1...text.count {
                var rest = HuffmanCode.Rest()
                var decoded: [UInt8] = []
                var used = 0
                while decoded.count < text.count {
                    var output = [UInt8](repeating: 0, count: room)
                    let part = Array(code[used...])
                    let outcome = withExactly(part) { huffman.decode($0, count: part.count, rest: &rest, into: &output, room: room) }
                    used += outcome.used
                    decoded += output[..<outcome.written]
                }
                #expect(decoded == text)
            }
        }
    }

    @Test("padding of eight bits and more, padding of zeros and the end of string within a string are malformed", arguments: [
        // "a" is 00011: with three ones it is whole.
        "00 81 1f ff 81 1f", "00 81 18 81 1f", "00 81 1f 84 ff ff ff ff", "00 81 1f 81 ff", "00 85 ff ff ff ff ff 81 1f",
    ])
    func padding(block: String) {
        #expect(read(hex(block)) == Outcome(failure: .compression))
        #expect(read(hex("00 81 1f 81 1f")) == Outcome(text: "a: a\r\n\r\n"))
    }

    @Test("index 0 and indices beyond the table are malformed, in every form", arguments: ["80", "be", "ff 00", "ff 80 80 01", "7e 01 61", "0f 2f 01 61", "1f 2f 01 61", "ff ff ff ff ff 0f", "ff 80 80 80 80 00"])
    func indices(block: String) {
        #expect(read(hex(block)) == Outcome(failure: .compression))
    }

    @Test("an integer may be longer than it must, but not have more than five bytes")
    func integers() {
        #expect(read(hex("00 01 61 01 62")) == Outcome(text: "a: b\r\n\r\n"))
        // The name's index, 58, as 15 + 43, with zeros behind.
        #expect(read(hex("0f 2b 01 62")) == Outcome(text: "user-agent: b\r\n\r\n"))
        #expect(read(hex("0f ab 80 80 00 01 62")) == Outcome(text: "user-agent: b\r\n\r\n"))
        #expect(read(hex("0f ab 80 80 80 00 01 62")) == Outcome(failure: .compression))
    }

    @Test("a block that ends within a field is malformed")
    func cutOff() {
        let block = hex("0f 2b 03 61 62 63 40 01 61 81 1f")
        #expect(read(block) == Outcome(text: "user-agent: abc\r\na: a\r\n\r\n"))
        for count in 1..<block.count where count != 6 {
            #expect(read(Array(block[..<count])) == Outcome(failure: .compression), "\(count) bytes")
        }
    }

    @Test("the table's size may be changed at the start of a block only, and to no more than was allowed")
    func sizeUpdates() {
        #expect(read(hex("20 00 01 61 01 62")) == Outcome(text: "a: b\r\n\r\n"))
        #expect(read(hex("20 3f e1 1f 00 01 61 01 62")) == Outcome(text: "a: b\r\n\r\n"))
        #expect(read(hex("3f e2 1f 00 01 61 01 62")) == Outcome(failure: .compression), "4097")
        #expect(read(hex("00 01 61 01 62 20")) == Outcome(failure: .compression))
        #expect(read(hex("20"), table: 0) == Outcome(text: "\r\n"))
        #expect(read(hex("21"), table: 0) == Outcome(failure: .compression))
    }

    @Test("each change of size counts like a field, so that a block cannot hold any number")
    func sizeUpdateFlood() {
        var limits = HTTP2Limits()
        limits.decodedBytes = 320
        #expect(read([UInt8](repeating: 0x20, count: 10), limits: limits) == Outcome(text: "\r\n"))
        #expect(read([UInt8](repeating: 0x20, count: 11), limits: limits) == Outcome(failure: .decodedTooLong))
    }

    @Test("a smaller table must be confirmed before the next field")
    func smallerTable() {
        let reader = BlockReader()
        #expect(reader.read(BlockWriter.field("a", "b", .indexing), .trailers).failure == nil)
        reader.decoder.allow(100)
        #expect(reader.read(hex("be"), .trailers) == Outcome(failure: .compression))
        let other = BlockReader()
        _ = other.read(BlockWriter.field("a", "b", .indexing), .trailers)
        other.decoder.allow(100)
        #expect(other.read(hex("3f 45 be"), .trailers) == Outcome(text: "a: b\r\n\r\n"))
        other.decoder.allow(4096)
        #expect(other.read(hex("be"), .trailers) == Outcome(text: "a: b\r\n\r\n"), "a larger one need not")
    }

    @Test("a table that may be larger than usual is as large as usual until the other side says so")
    func largerTable() {
        let reader = BlockReader(table: 8_192)
        let block = (0..<3).flatMap { BlockWriter.field("n\($0)", String(repeating: "v", count: 1_500), .indexing) }
        #expect(reader.read(block, .trailers).fault == nil && reader.decoder.table.count == 2)
        #expect(reader.read(BlockWriter.integer(8_193, prefix: 5, pattern: 0x20), .trailers) == Outcome(failure: .compression))
        let other = BlockReader(table: 8_192)
        #expect(other.read(BlockWriter.integer(8_192, prefix: 5, pattern: 0x20) + block, .trailers).fault == nil && other.decoder.table.count == 3)
    }

    @Test("a field that is larger than the table empties it, whether or not there is room for it here")
    func largerThanTable() {
        var limits = HTTP2Limits()
        limits.headBytes = 1000
        for size in [80, 2000] {
            let reader = BlockReader(table: 100, limits: limits)
            #expect(reader.read(BlockWriter.field("a", "b", .indexing), .trailers) == Outcome(text: "a: b\r\n\r\n"))
            #expect(reader.decoder.table.count == 1)
            let long = BlockWriter.field("c", String(repeating: "d", count: size), .indexing)
            #expect(reader.read(long, .trailers).failure == nil)
            #expect(reader.decoder.table.count == 0)
            #expect(reader.read(hex("be"), .trailers) == Outcome(failure: .compression))
        }
    }

    @Test("a field for the table that the caller's memory does not hold ends the connection, for later blocks could not be decoded")
    func unstorable() {
        let field = BlockWriter.field("c", String(repeating: "d", count: 2000), .indexing)
        #expect(read(field, area: 1000) == Outcome(failure: .headTooLong))
        #expect(read(BlockWriter.field("c", String(repeating: "d", count: 2000)), area: 1000) == Outcome(fault: .headTooLong))
        #expect(read(BlockWriter.field("c", String(repeating: "d", count: 2000), huffman: true), area: 1000) == Outcome(fault: .headTooLong))
    }

    @Test("a block is decoded to its end although its head is too long, and the next one can refer to it")
    func decodedOn() {
        for huffman in [false, true] {
            let reader = BlockReader(area: 3000)
            var block: [UInt8] = []
            for number in 24..<40 { block += BlockWriter.field("name-\(number)", String(repeating: "v", count: 200), .indexing, huffman: huffman) }
            #expect(reader.read(block, .trailers) == Outcome(fault: .headTooLong))
            // That in which the room ended, and which had to move, is among them.
            for back in 0..<16 {
                let expected = "name-\(39 - back): \(String(repeating: "v", count: 200))\r\n\r\n"
                #expect(reader.read([0xBE + UInt8(back)], .trailers) == Outcome(text: expected), "\(back)")
            }
        }
    }

    @Test("decoded bytes are counted whether or not a field is kept, and more than the limit ends the connection")
    func decodedBytes() {
        var limits = HTTP2Limits()
        limits.decodedBytes = 340
        // Each counts 34: name and value of one byte.
        let reader = BlockReader(limits: limits)
        #expect(reader.read(BlockWriter.field("a", "b", .indexing), .trailers).failure == nil)
        for purpose in [HeadAssembly.Purpose.trailers, .dropped] {
            #expect(reader.read([UInt8](repeating: 0xBE, count: 10), purpose).failure == nil)
            #expect(BlockReaderPair(limits).read([UInt8](repeating: 0xBE, count: 11), purpose) == Outcome(failure: .decodedTooLong))
        }
    }

    /// A reader with one field in its table.
    private func BlockReaderPair(_ limits: HTTP2Limits) -> BlockReader {
        let reader = BlockReader(limits: limits)
        _ = reader.read(BlockWriter.field("a", "b", .indexing), .trailers)
        return reader
    }

    @Test("entries are evicted oldest first, and the table is the same as a plain one, over ten thousand random blocks, trimmed now and then")
    func tableModel() {
        var random = FixedRandom(state: 0x1234_5678)
        for maximum in [0, 60, 200, 1000, 4096] {
            let reader = BlockReader(table: maximum)
            var model: [(String, String)] = []
            var size = 0
            for _ in 0..<2000 {
                var block: [UInt8] = []
                var expected = ""
                for _ in 0..<Int.random(in: 1...5, using: &random) {
                    let known = model.indices.randomElement(using: &random)
                    if let known, Bool.random(using: &random) {
                        block += BlockWriter.integer(known + 62, prefix: 7, pattern: 0x80)
                        expected += "\(model[known].0): \(model[known].1)\r\n"
                        continue
                    }
                    let name = known.map { model[$0].0 } ?? "n\(Int.random(in: 0..<50, using: &random))"
                    let value = String(repeating: "v", count: Int.random(in: 0...(Bool.random(using: &random) ? 20 : 300), using: &random))
                    let huffman = Bool.random(using: &random)
                    block += known.map { BlockWriter.integer($0 + 62, prefix: 6, pattern: 0x40) + BlockWriter.string(value, huffman: huffman) }
                        ?? BlockWriter.field(name, value, .indexing, huffman: huffman)
                    expected += "\(name): \(value)\r\n"
                    model.insert((name, value), at: 0)
                    size += name.utf8.count + value.utf8.count + 32
                    while size > maximum, let last = model.popLast() { size -= last.0.utf8.count + last.1.utf8.count + 32 }
                }
                let piece = Int.random(in: 1...60, using: &random)
                if Int.random(in: 0..<8, using: &random) == 0 { reader.decoder.trim() }
                #expect(reader.read(block, .trailers, piece: piece) == Outcome(text: expected + "\r\n"))
                #expect(reader.decoder.table.size == size && reader.decoder.table.count == model.count)
                #expect(reader.decoder.table.memory <= max(maximum, 256) + max(16, maximum / 16) * 12)
            }
        }
    }
}
