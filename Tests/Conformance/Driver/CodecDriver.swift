import Glibc
import SluiceHTTP

/// Our codec as a filter, for `differential.py`: messages on standard input, what became of each on standard output. No socket.
///
/// In: kind (0 a request, 1 a response, 2 a response to HEAD), length in four bytes, the first one lowest, the message. Out: length in four bytes,
/// then texts, each with its length in four bytes in front. The first is the verdict: `accept`, `incomplete` or the name of a fault; behind
/// `accept` come method and target, or status and reason, then minor version, framing, body, bytes consumed, number of field lines, and the
/// lines of the head and of the trailers as name, value.
@main
struct CodecDriver {
    private static let fieldsMax = 128

    private enum Body {
        case content([UInt8], end: Int, trailers: FieldTable?)
        case incomplete
        case malformed(String)
    }

    static func main() {
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: fieldsMax)
        let trailerSlots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: fieldsMax)
        guard let input = fdopen(STDIN_FILENO, "r") else { return }
        var prologue = [UInt8](repeating: 0, count: 5)
        while fread(&prologue, 5, 1, input) == 1 {
            let count = prologue[1...].reversed().reduce(0) { $0 << 8 | Int($1) }
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, count))
            defer { memory.deallocate() }
            guard count == 0 || fread(memory, count, 1, input) == 1 else { return }
            let bytes = ByteView(base: memory, count: count)
            let texts = prologue[0] == 0
                ? request(bytes, slots, trailerSlots) : response(bytes, slots, trailerSlots, isToHead: prologue[0] == 2)
            write(texts)
        }
    }

    private static func write(_ texts: [[UInt8]]) {
        var out: [UInt8] = []
        for text in texts { out += length(text.count) + text }
        out = length(out.count) + out
        // Whoever reads sends a batch and reads all of its answers: no buffer that would have to be emptied.
        var sent = 0
        while sent < out.count {
            let count = out.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress! + sent, $0.count - sent) }
            guard count > 0 else { exit(1) }
            sent += count
        }
    }

    private static func length(_ count: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) } }

    // MARK: Messages

    private static func request(
        _ bytes: ByteView, _ slots: UnsafeMutablePointer<FieldSlot>, _ trailerSlots: UnsafeMutablePointer<FieldSlot>
    ) -> [[UInt8]] {
        var head = RequestHead(slots: slots, capacity: fieldsMax)
        switch RequestHead.parse(bytes, slots: slots, capacity: fieldsMax, into: &head) {
        case .incomplete: return [Array("incomplete".utf8)]
        case .malformed(let fault): return [Array("\(fault)".utf8)]
        case .complete: break
        }
        let start = [Array(bytes[head.methodRange.range].buffer), Array(bytes[head.target.range].buffer)]
        return texts(start, head.minorVersion, head.framing, head.fields, bytes, head.length, trailerSlots)
    }

    private static func response(
        _ bytes: ByteView, _ slots: UnsafeMutablePointer<FieldSlot>, _ trailerSlots: UnsafeMutablePointer<FieldSlot>, isToHead: Bool
    ) -> [[UInt8]] {
        var head = ResponseHead(slots: slots, capacity: fieldsMax)
        switch ResponseHead.parse(bytes, slots: slots, capacity: fieldsMax, requestWasHead: isToHead, into: &head) {
        case .incomplete: return [Array("incomplete".utf8)]
        case .malformed(let fault): return [Array("\(fault)".utf8)]
        case .complete: break
        }
        let start = [Array("\(head.status)".utf8), Array(bytes[head.reason.range].buffer)]
        return texts(start, head.minorVersion, head.framing, head.fields, bytes, head.length, trailerSlots)
    }

    private static func texts(
        _ start: [[UInt8]], _ minorVersion: UInt8, _ framing: BodyFraming, _ fields: FieldTable, _ bytes: ByteView, _ headCount: Int,
        _ trailerSlots: UnsafeMutablePointer<FieldSlot>
    ) -> [[UInt8]] {
        let head = lines(fields, bytes)
        switch body(framing, bytes[headCount...], trailerSlots) {
        case .incomplete: return [Array("incomplete".utf8)]
        case .malformed(let fault): return [Array(fault.utf8)]
        case .content(let content, let end, let trailers):
            let name =
                switch framing {
                case .none: "none"
                case .length: "length"
                case .chunked: "chunked"
                case .untilClose: "close"
                }
            return [Array("accept".utf8)] + start
                + [Array("\(minorVersion)".utf8), Array(name.utf8), content, Array("\(headCount + end)".utf8), Array("\(fields.count)".utf8)]
                + head + (trailers.map { lines($0, bytes[(headCount + chunkedEnd)...]) } ?? [])
        }
    }

    /// Where the trailers of the body that was read last begin, counted from the body's beginning.
    nonisolated(unsafe) private static var chunkedEnd = 0

    private static func lines(_ fields: FieldTable, _ bytes: ByteView) -> [[UInt8]] {
        (0..<fields.count).flatMap { [Array(bytes[fields[$0].name].buffer), Array(bytes[fields[$0].value].buffer)] }
    }

    private static func body(_ framing: BodyFraming, _ rest: ByteView, _ slots: UnsafeMutablePointer<FieldSlot>) -> Body {
        switch framing {
        case .none: return .content([], end: 0, trailers: nil)
        case .untilClose: return .content(Array(rest.buffer), end: rest.count, trailers: nil)
        case .length(let length):
            guard UInt64(rest.count) >= length else { return .incomplete }
            return .content(Array(rest[..<Int(length)].buffer), end: Int(length), trailers: nil)
        case .chunked: break
        }
        var decoder = ChunkedDecoder()
        var copy = Array(rest.buffer)
        let outcome = copy.withUnsafeMutableBufferPointer { buffer -> ChunkedDecoder.Outcome? in
            guard let base = buffer.baseAddress else { return nil }
            return decoder.decode(base, count: buffer.count)
        }
        guard let outcome else { return .incomplete }
        switch outcome.state {
        case .more: return .incomplete
        case .malformed: return .malformed("chunk")
        case .trailers: break
        }
        chunkedEnd = outcome.consumed
        var fields = FieldTable(slots: slots, capacity: fieldsMax)
        switch TrailerSection.parse(rest[outcome.consumed...], slots: slots, capacity: fieldsMax, into: &fields) {
        case .incomplete: return .incomplete
        case .malformed(let fault): return .malformed("trailer-\(fault)")
        case .complete(let length): return .content(Array(copy[..<outcome.content]), end: outcome.consumed + length, trailers: fields)
        }
    }
}
