import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Writing heads, ids and log lines")
struct HeadWriterTests {
    private func written(capacity: Int = 256, _ body: (inout HeadWriter) -> Void) -> (text: String, isComplete: Bool) {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        defer { memory.deallocate() }
        var writer = HeadWriter(memory, capacity: capacity)
        body(&writer)
        return (ByteView(base: memory, count: writer.count).string, writer.isComplete)
    }

    @Test("numbers", arguments: [(0, "0"), (9, "9"), (10, "10"), (65_536, "65536"), (UInt64.max, "18446744073709551615")] as [(UInt64, String)])
    func decimal(number: UInt64, text: String) {
        #expect(written { $0.write(decimal: number) }.text == text)
    }

    @Test("what fits to the last byte is whole; one byte less and it says so and writes nothing of it")
    func capacity() {
        #expect(written(capacity: 5) { $0.write("hello") } == ("hello", true))
        #expect(written(capacity: 4) { $0.write("hello") } == ("", false))
        #expect(written(capacity: 0) { $0.write(byte: 1) } == ("", false))
    }

    @Test("a chunk has its size in front; nothing is written for no content, which would end the body")
    func chunks() {
        #expect(written { $0.writeChunk(ByteView("hello world, hello")) }.text == "12\r\nhello world, hello\r\n")
        #expect(written { $0.writeChunk(.empty) }.text == "")
    }

    @Test("log text: quotes, backslashes, controls and bytes beyond ASCII cannot break a line")
    func escaping() {
        #expect(written { $0.writeEscaped(ByteView("a\"b\\c\nd\u{7f}\u{e9}")) }.text == #"a\"b\\c\u000ad\u007f\u00c3\u00a9"#)
    }

    @Test("log text: 2,048 bytes are written, the rest is cut")
    func longText() {
        for count in [2048, 2049, 30_000] {
            #expect(written(capacity: 8192) { writer in String(repeating: "\"", count: count).withByteView { writer.writeEscaped($0) } }.text.utf8.count == 2 * 2048)
        }
        #expect(written(capacity: 8192) { writer in String(repeating: "a", count: 2047).withByteView { writer.writeEscaped($0) } }.text.utf8.count == 2047)
    }

    @Test("times are RFC 3339 with milliseconds")
    func timestamps() {
        #expect(written { $0.writeTimestamp(1_700_000_000_123_456_789) }.text == "2023-11-14T22:13:20.123Z")
        #expect(written { $0.writeMilliseconds(1_234_567) }.text == "1.234")
        #expect(written { $0.writeMilliseconds(7_000) }.text == "0.007")
    }

    @Test("trace contexts that can be continued, and that cannot", arguments: [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", true),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x", false),
        ("10-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", true),
        ("0f-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
        ("f0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false), ("", false),
    ])
    func traceParents(value: String, isValid: Bool) {
        #expect(value.withByteView { TraceParent.isValid($0) } == isValid)
    }

    @Test("a client's request id is kept if it can stand in a log, up to 128 bytes")
    func requestIDs() {
        func isKept(_ id: String) -> Bool { id.withByteView { RequestIDSource.isAcceptable($0) } }
        #expect(isKept("7f3a-b.c_d:e+f/g="))
        #expect(isKept(String(repeating: "a", count: 128)))
        #expect(!isKept(String(repeating: "a", count: 129)))
        #expect(!isKept("") && !isKept("a b") && !isKept("a\"b") && !isKept("a\u{e9}"))
    }

    @Test("new ids are 32 hexadecimal digits and differ")
    func newIDs() {
        var source = RequestIDSource()
        var seen: Set<String> = []
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: RequestIDSource.byteCount)
        defer { memory.deallocate() }
        for _ in 0..<1000 {
            source.write(into: memory)
            let id = ByteView(base: memory, count: RequestIDSource.byteCount).string
            #expect(id.allSatisfy { $0.isHexDigit && !$0.isUppercase })
            seen.insert(id)
        }
        #expect(seen.count == 1000)
    }

    @Test("the Date line follows the second")
    func date() {
        let field = DateField()
        #expect(field.line(at: 784_111_777).string == "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
        #expect(field.line(at: 784_111_778).string == "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n")
    }

    @Test("every row of the catalogue renders the contract's body", arguments: Refusal.Row.allCases)
    func refusals(row: Refusal.Row) {
        let texts = RefusalTexts()
        defer { texts.deallocate() }
        let body = texts.body(at: ErrorPlace(row), detail: row.entry.message.description.contains("{") ? ByteView("why") : .empty)
        let message = "\(row.entry.message)".replacing("{detail}", with: "why")
        #expect(body == #"{"header":{"resultCode":\#(row.entry.code),"resultMessage":"\#(message)","isSuccessful":false}}"#)
    }

    @Test("401 has a challenge (RFC 9110, 15.5.2), and nothing else has one", arguments: Refusal.Row.allCases)
    func challenges(row: Refusal.Row) {
        let texts = RefusalTexts()
        defer { texts.deallocate() }
        let lines = texts[ErrorPlace(row)].head.string.split(separator: "\r\n")
        #expect((row.entry.status == 401) == lines.contains { $0.hasPrefix("WWW-Authenticate: ") })
    }
}
