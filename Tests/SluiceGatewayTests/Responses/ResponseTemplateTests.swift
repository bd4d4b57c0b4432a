import Foundation
import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Templates of own responses")
struct ResponseTemplateTests {
    /// What the template comes to for a request to an endpoint with the path `/shops/{shop}/items/{item}`.
    private func render(
        _ text: String, _ escaping: TemplateEscaping = .plain, _ request: String = "GET /shops/a/items/7", client: String = "192.0.2.1",
        budget: Int = 1 << 14
    ) throws -> String {
        let arena = Arena()
        let template = CompiledTemplate(try ResponseTemplate(text), escaping, into: arena)
        let test = try TestExchange(request, client: client)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 1 << 16)
        defer { memory.deallocate() }
        var writer = TemplateWriter(HeadWriter(memory, capacity: 1 << 16), escaping, valueBytesMax: budget)
        let path = "/shops/{shop}/items/{item}"
        withUnsafePointer(to: &test.exchange) { exchange in
            template.write(&writer, ResponseFacts(
                exchange: exchange, pattern: arena.bytes(path), variables: PathVariable.all(in: path, into: arena), status: 404, code: 4_041_007,
                message: .init(start: ByteView("URL Not Found ("), detail: ByteView("a phrase"), end: ByteView(")")), refusal: "not_found"))
        }
        return ByteView(base: memory, count: writer.out.count).string
    }

    @Test("every variable, with and without `request.`")
    func variables() throws {
        let request = "GET /shops/a/items/7?id=1&x=&id=2&%69d=3 HTTP/1.1\nHost: Shop.test:8443\nX-User: ann\nx-user: bob"
        let rows: [(String, String)] = [
            ("request.clientIp", "2001:db8::1"), ("path.shop", "a"), ("path.item", "7"), ("path.shop+", "a/items/7"), ("host", "Shop.test"),
            ("uri", "/shops/a/items/7?id=1&x=&id=2&%69d=3"), ("uriPath", "/shops/a/items/7"), ("uriPattern", "/shops/{shop}/items/{item}"),
            ("scheme", "http"), ("httpMethod", "GET"), ("timestamp", "2023-11-14T22:13:20Z"), ("queryString.id", "1,2,3"), ("queryString.x", ""),
            ("header.X-USER", "ann,bob"), ("response.httpStatus", "404"), ("error.resultCode", "4041007"), ("error.resultMessage", "URL Not Found (a phrase)"),
        ]
        for (name, value) in rows {
            #expect(try render("<${\(name)}>", .plain, request, client: "2001:db8::1") == "<\(value)>", "\(name)")
            #expect(try render("$!{\(name)}", .plain, request, client: "2001:db8::1") == value, "\(name)")
            guard !name.contains("response."), !name.contains("error."), !name.hasPrefix("request.") else { continue }
            #expect(try render("${request.\(name)}", .plain, request, client: "2001:db8::1") == value, "\(name)")
        }
    }

    @Test("without a value: `${...}` stays, `$!{...}` is empty; other dollar signs are dollar signs")
    func noValue() throws {
        #expect(try render("a${header.X}b$!{header.X}c${queryString.q}$!{queryString.q}${path.other}") == "a${header.X}bc${queryString.q}${path.other}")
        #expect(try render("$ $5 $$ $!x $!{header.a}$${httpMethod} $") == "$ $5 $$ $!x $GET $")
        // Names of parameters are told apart by case, those of headers are not.
        #expect(try render("$!{queryString.ID}|${header.x-ID}", .plain, "GET /?id=1\nX-Id: 2") == "|2")
    }

    @Test("values end nothing that they stand in")
    func escaping() throws {
        let request = "GET /a\nX: \"\\</b>&'\t\u{E9}"
        #expect(try render("${header.X}", .json, request) == #"\"\\</b>&'\u0009"# + "\u{E9}")
        #expect(try render("${header.X}", .markup, request) == "&quot;\\&lt;/b&gt;&amp;&#39;\t\u{E9}")
        #expect(try render("${header.X}", .script, request) == #"\u0022\u005c\u003c\u002fb\u003e\u0026\u0027\u0009"# + "\u{E9}")
        #expect(try render("${header.X}", .plain, request) == "\"\\</b>&'\t\u{E9}")
        // The operator's own text stays as it is.
        #expect(try render("\"<${httpMethod}>\"", .json) == "\"<GET>\"")
    }

    @Test("bytes that are no UTF-8 become U+FFFD in bodies", arguments: [
        [0xFF], [0xC0, 0xAF], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80],
    ] as [[UInt8]])
    func invalid(bytes: [UInt8]) {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
        defer { memory.deallocate() }
        var writer = TemplateWriter(HeadWriter(memory, capacity: 64), .json, valueBytesMax: 64)
        bytes.withByteView { writer.write(value: $0) }
        let text = ByteView(base: memory, count: writer.out.count).string
        #expect(text == String(repeating: "\u{FFFD}", count: bytes.count))
        var header = TemplateWriter(HeadWriter(memory, capacity: 64), .header, valueBytesMax: 64)
        ([0x0D, 0x0A, 0x00, 0x7F, 0x41] as [UInt8]).withByteView { header.write(value: $0) }
        #expect(ByteView(base: memory, count: header.out.count).string == "A")
    }

    @Test("whatever bytes a value has, and wherever it is cut, the text around it stays what it is")
    func anyBytes() throws {
        var random = SeededRandom(seed: 7)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 1024)
        defer { memory.deallocate() }
        let special = Array("\"\\<>&'{},:/\r\n\0\u{7F}\u{2028}é€𝄞".utf8) + [0xC0, 0xED, 0xA0, 0xFF]
        func write(_ value: [UInt8], _ escaping: TemplateEscaping, _ budget: Int, _ start: StaticString, _ end: StaticString) -> ByteView {
            var writer = TemplateWriter(HeadWriter(memory, capacity: 1024), escaping, valueBytesMax: budget)
            writer.write(text: ByteView(start))
            value.withByteView { writer.write(value: $0) }
            writer.write(text: ByteView(end))
            #expect(writer.out.isComplete && writer.out.count <= start.utf8CodeUnitCount + budget + end.utf8CodeUnitCount)
            return ByteView(base: memory, count: writer.out.count)
        }
        for _ in 0..<5000 {
            let value = (0..<Int(random.next() % 40)).map { _ in random.next() % 3 == 0 ? UInt8(random.next() & 255) : special[Int(random.next() % UInt64(special.count))] }
            let budget = Int(random.next() % 120)
            let object = write(value, .json, budget, "{\"a\": \"", "\", \"b\": 1}")
            let read = try? JSONSerialization.jsonObject(with: Data(object.buffer)) as? [String: Any]
            guard let read, read.count == 2, read["a"] is String, read["b"] as? Int == 1 else {
                Issue.record("\(value) is \(object.string)")
                return
            }
            let page = write(value, .markup, budget, "", "")
            #expect(String(validating: Array(page.buffer), as: UTF8.self) != nil && !page.buffer.contains { "<>\"'".utf8.contains($0) })
            let script = write(value, .script, budget, "", "")
            #expect(!script.buffer.contains { "<>\"'`\n\r".utf8.contains($0) })
            let line = write(value, .header, budget, "", "")
            #expect(!line.buffer.contains { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F })
        }
    }

    @Test("values are cut at a character where they would take more than they may; text never is")
    func bound() throws {
        #expect(try render("a${header.X}b${header.X}c", .plain, "GET /\nX: 12345", budget: 7) == "a12345b12c")
        #expect(try render("[${header.X}]", .json, "GET /\nX: 1\"2", budget: 2) == "[1]")
        #expect(try render("[${header.X}]", .markup, "GET /\nX: 1<2", budget: 4) == "[1]")
        #expect(try render("[${header.X}]", .plain, "GET /\nX: 1\u{20AC}2", budget: 3) == "[1]")
        // Of a long query the first 128 parameters are looked at.
        let query = (0..<127).map { "a\($0)=" }.joined(separator: "&")
        #expect(try render("${queryString.z}", .plain, "GET /?\(query)&z=1&z=2") == "1")
    }

    @Test("what is wrong with a template, and where", arguments: [
        ("a ${httpMethod", 1, 3), ("a\nbc ${httpMethod\n}", 2, 4), ("${}", 1, 1), ("é${nothing}", 1, 2), ("$!{header.}", 1, 1), ("${header.a b}", 1, 1),
        ("${queryString.}", 1, 1), ("${path.}", 1, 1), ("${path.+}", 1, 1), ("${request.response.httpStatus}", 1, 1), ("${error}", 1, 1), ("${queryString.a\"b}", 1, 1), ("${path.<b>}", 1, 1), ("${header.a&b}", 1, 1), ("${queryString.a\\}", 1, 1),
    ])
    func faults(text: String, line: Int, column: Int) {
        do throws(ResponseTemplate.Fault) {
            _ = try ResponseTemplate(text)
            Issue.record("\(text) was read")
        } catch {
            #expect(error.line == line && error.column == column, "\(error)")
        }
    }

    @Test("at most 32 variables")
    func count() throws {
        _ = try ResponseTemplate(String(repeating: "${host}", count: 32))
        #expect(throws: ResponseTemplate.Fault.self) { try ResponseTemplate(String(repeating: "${host}", count: 33)) }
    }
}
