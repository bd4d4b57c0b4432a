import SluiceHTTP
@testable import SluiceHTTP2

/// A small generator with a fixed seed (xorshift64*), so that a failure can be had again.
struct FixedRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

/// The bytes that these digits write; blanks between them mean nothing.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// Runs `body` on the bytes, in memory of exactly that size, so that a checker of memory sees any access beyond it.
func withExactly<Result>(_ bytes: some Collection<UInt8>, _ body: (UnsafeMutablePointer<UInt8>) throws -> Result) rethrows -> Result {
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
    defer { memory.deallocate() }
    _ = UnsafeMutableBufferPointer(start: memory, count: bytes.count).initialize(from: bytes)
    return try body(memory)
}

/// A decoder with its memory, and what comes of blocks in it.
final class BlockReader {
    struct Outcome: Equatable {
        /// What the head says, if nothing is wrong with it.
        var text = ""
        /// What makes it unusable.
        var fault: HTTP2Reason?
        /// What ends the connection.
        var failure: HTTP2Reason?
    }

    let limits: UnsafeMutablePointer<HTTP2Limits>
    let area: HTTP2HeadArea
    var decoder: HPACKDecoder
    var assembly: HeadAssembly

    init(table: Int = 4096, area capacity: Int = 65_536, limits values: HTTP2Limits = HTTP2Limits()) {
        limits = .allocate(capacity: 1)
        limits.initialize(to: values)
        area = HTTP2HeadArea(base: .allocate(capacity: capacity), capacity: capacity)
        decoder = HPACKDecoder(maximum: table, tables: HPACKTables.shared)
        assembly = HeadAssembly(limits: limits)
    }

    deinit {
        decoder.deallocate()
        area.base.deallocate()
        limits.deallocate()
    }

    /// Decodes a block that comes in pieces of this many bytes.
    func read(_ block: [UInt8], _ purpose: HeadAssembly.Purpose, piece: Int = .max) -> Outcome {
        assembly.begin(purpose, area)
        var start = 0
        while start < block.count {
            let end = min(block.count, piece == .max ? block.count : start + piece)
            let reason = withExactly(block[start..<end]) { decoder.decode($0, count: end - start, into: &assembly) }
            if let reason { return Outcome(failure: reason) }
            start = end
        }
        if let reason = decoder.endBlock() { return Outcome(failure: reason) }
        assembly.finish()
        if let fault = assembly.fault { return Outcome(fault: fault) }
        guard purpose != .dropped else { return Outcome() }
        return Outcome(text: String(decoding: UnsafeBufferPointer(start: area.base, count: assembly.count), as: UTF8.self))
    }
}

/// Writes blocks of fields in every form that HPACK has, for tests.
struct BlockWriter {
    enum Form: CaseIterable { case plain, never, indexing }

    static func integer(_ value: Int, prefix: Int, pattern: UInt8) -> [UInt8] {
        let limit = 1 << prefix - 1
        if value < limit { return [pattern | UInt8(value)] }
        var bytes = [pattern | UInt8(limit)]
        var rest = value - limit
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static func string(_ text: String, huffman: Bool) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard huffman else { return integer(bytes.count, prefix: 7, pattern: 0) + bytes }
        return bytes.withUnsafeBufferPointer { buffer in
            let view = buffer.baseAddress.map { ByteView(base: $0, count: buffer.count) } ?? .empty
            let huffman = HPACKTables.shared.pointee.huffman
            var code = [UInt8](repeating: 0, count: huffman.encodedCount(view))
            code.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { huffman.encode(view, into: base) } }
            return integer(code.count, prefix: 7, pattern: 0x80) + code
        }
    }

    static func field(_ name: String, _ value: String, _ form: Form = .plain, huffman: Bool = false) -> [UInt8] {
        let pattern: UInt8 = switch form {
        case .plain: 0
        case .never: 0x10
        case .indexing: 0x40
        }
        return [pattern] + string(name, huffman: huffman) + string(value, huffman: huffman)
    }

    static func block(_ fields: [(String, String)], _ form: Form = .plain, huffman: Bool = false) -> [UInt8] {
        fields.flatMap { field($0.0, $0.1, form, huffman: huffman) }
    }
}

/// The pseudo-header fields of a request that nothing is wrong with.
let plainRequest = [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/")]
