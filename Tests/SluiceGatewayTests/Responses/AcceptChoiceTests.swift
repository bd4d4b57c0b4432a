import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Choosing a body by Accept")
struct AcceptChoiceTests {
    private func choice(_ types: [String], _ accept: [String]) throws -> Int {
        let arena = Arena()
        let compiled = arena.store(try types.map { CompiledMediaType(try #require(MediaType($0)), into: arena) })
        let test = try TestExchange("GET /" + accept.map { "\nAccept: \($0)" }.joined())
        return AcceptChoice.choose(among: compiled, test.exchange.head.fields, test.exchange.headBytes)
    }

    @Test("qualities, wildcards, parameters, several lines", arguments: [
        ([], 0), (["*/*"], 0), (["text/html"], 1), (["TEXT/HTML"], 1), (["text/html;q=0.5, application/json;q=0.4"], 1),
        (["text/html;q=0.4, application/json;q=0.5"], 0), (["text/*"], 1), (["text/*;q=0.1, */*;q=0.2"], 0), (["application/*;q=0, */*"], 1),
        (["application/json;q=0, text/html;q=0, */*"], 2), (["image/png"], 0), (["image/png, */*;q=0.1"], 0), (["*/*;q=0"], 0),
        (["application/json;q=0.5", "text/html"], 1), (["text/html, text/plain"], 1), (["text/plain, text/html"], 1), (["text/plain;charset=utf-8"], 2),
        (["text/plain;charset=\"UTF-8\""], 2), (["text/plain;charset=latin-1"], 0), (["text/plain;charset=utf-8;q=0.3, text/plain;q=0.9, text/html;q=0.5"], 1),
        (["text/html;level=1"], 0), (["text/html;q=1.000"], 1), (["text/html;q=1.001"], 0), (["text/html;q=0.0001"], 0), (["text/html;q="], 0), (["text/html;q=.5"], 0),
        (["text/html ; q=0.9 , application/json ; q=0.8"], 1), ([", ,text/html,"], 1), (["text"], 0), (["/"], 0), (["text/"], 0), (["*/html"], 0),
        (["x/y;a=\"text/html,\\\"\", text/html"], 1), (["x/y;a=\"text/html, text/html"], 0), ([""], 0),
    ] as [([String], Int)])
    func choices(accept: [String], number: Int) throws {
        #expect(try choice(["application/json", "text/html", "text/plain; charset=utf-8"], accept) == number)
    }

    @Test("the first 64 ranges count")
    func bound() throws {
        let others = Array(repeating: "image/png", count: 63).joined(separator: ",")
        #expect(try choice(["application/json", "text/html"], [others + ",text/html"]) == 1)
        #expect(try choice(["application/json", "text/html"], [others + ",image/png,text/html"]) == 0)
        #expect(try choice(["application/json", "text/html"], [others + ",image/png", "text/html"]) == 0)
    }

    @Test("media types that are none", arguments: ["", "text", "text/", "/html", "*/*", "text/*", "text/html; charset", "text/html; q=1", "a/b/c", "text/ html", "text/html;"])
    func malformed(text: String) {
        #expect(MediaType(text) == nil)
    }

    @Test("how values are written follows from the type", arguments: [
        ("application/json", TemplateEscaping.json), ("application/vnd.shop+json; v=1", .json), ("application/problem+json", .json), ("text/html; charset=utf-8", .markup),
        ("application/xhtml+xml", .markup), ("application/xml", .markup), ("text/xml", .markup), ("image/svg+xml", .markup), ("text/javascript", .script),
        ("application/x-javascript", .script), ("text/plain", .plain), ("application/x-yaml", .plain),
    ])
    func escapings(text: String, escaping: TemplateEscaping) throws {
        #expect(TemplateEscaping(try #require(MediaType(text))) == escaping)
    }
}
