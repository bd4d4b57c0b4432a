import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// `validate` of bodies: what an operator may write, and what becomes of a request before and behind the wait for its body.
@Suite("Validate: bodies")
struct ValidateBodyTests {
    /// What the policy says of a request, and of its body once it has come.
    private func verdict(_ policy: PolicyFixture<Validate>, _ request: String, body: String? = nil) throws -> String {
        let test = try TestExchange(request, snapshot: policy.snapshot)
        let compiled = try policy.faultless()
        let first = describe(compiled.evaluate(&test.exchange))
        guard first == "waits", let body else { return first }
        return Array(body.utf8).withUnsafeBufferPointer { buffer in
            test.exchange.body = buffer.baseAddress.map { ByteView(base: $0, count: buffer.count) } ?? .empty
            return describe(compiled.evaluate(&test.exchange))
        }
    }

    private func describe(_ verdict: Verdict) -> String {
        switch verdict {
        case .proceed: "passes"
        case .refuse(let refusal): refusal.row == .validationFailed ? refusal.toldDetail.string : "another refusal"
        case .suspend(.body): "waits"
        default: "another verdict"
        }
    }

    private static let json = "POST /\nContent-Length: 9\nContent-Type: application/json"

    @Test("a schema: bodies that fit pass, others are told where and why", arguments: [
        ("{\"a\":1}", "passes"), ("{\"a\":\"x\"}", "/a: not an integer"), ("[1]", "/: not an object"), ("{", "malformed JSON"), ("", "body missing"),
        ("{\"a\":1,\"a\":1}", "a member stands twice"),
    ])
    func schema(body: String, outcome: String) throws {
        let policy = try PolicyFixture(Validate.self, "{body: {schema: {type: object, properties: {a: {type: integer}}}}}")
        #expect(try verdict(policy, Self.json, body: body) == outcome)
    }

    @Test("a type is compared without its parameters and without regard to case; only JSON is looked into", arguments: [
        ("application/json", "/: not an object"), ("Application/JSON ; charset=\"UTF-8\"", "/: not an object"), ("application/problem+json", "/: not an object"),
        ("text/plain", "passes"), ("TEXT/html; charset=utf-8", "passes"), ("application/jsonx", "content type not allowed"),
        ("application/json; charset=iso-8859-1", "charset not allowed"), ("application/json; x=1; CHARSET=utf-16", "charset not allowed"),
        ("text", "content type not allowed"), ("", "content type not allowed"), ("application/json; charset =utf-7", "charset not allowed"),
        ("application/json; charset*=utf-7''x", "charset not allowed"), ("text/plain, application/json", "content type not allowed"),
        ("text/json/x", "content type not allowed"), ("application/json; charsets=x", "/: not an object"),
    ])
    func types(type: String, outcome: String) throws {
        let policy = try PolicyFixture(Validate.self, "{body: {contentTypes: [application/json, application/problem+json, 'text/*'], schema: {type: object}}}")
        #expect(try verdict(policy, "POST /\nContent-Length: 2\nContent-Type: \(type)", body: "[]") == outcome)
    }

    @Test("where any type may come, one that is none does not slip past the schema", arguments: [
        ("Content-Type: application/json", "/: not an object"), ("Content-Type: text/plain", "passes"), ("X-A: b", "content type missing"),
        ("Content-Type: application/json,", "content type not allowed"), ("Content-Type: */*", "content type not allowed"),
    ])
    func anyType(field: String, outcome: String) throws {
        let policy = try PolicyFixture(Validate.self, "{body: {contentTypes: ['*/*'], schema: {type: object}}}")
        #expect(try verdict(policy, "POST /\nContent-Length: 2\n\(field)", body: "[]") == outcome)
        let bare = try PolicyFixture(Validate.self, "{body: {contentTypes: ['*/*']}}")
        #expect(try verdict(bare, "POST /\nContent-Length: 2\n\(field)", body: "[]") == "passes")
    }

    @Test("a request without a body is refused unless it need not have one", arguments: ["GET /", "POST /\nContent-Length: 0"])
    func withoutBody(request: String) throws {
        let policy = try PolicyFixture(Validate.self, "{body: {schema: {}}}")
        #expect(try verdict(policy, request) == "body missing")
        let optional = try PolicyFixture(Validate.self, "{body: {schema: {}, required: false}}")
        #expect(try verdict(optional, request) == "passes")
        #expect(try verdict(optional, "POST /\nTransfer-Encoding: chunked\nContent-Type: application/json", body: "") == "passes")
    }

    @Test("a schema of numbers and dates in YAML is the JSON that it looks like")
    func yaml() throws {
        let policy = try PolicyFixture(Validate.self, "{body: {schema: {properties: {a: {multipleOf: 0.01, maximum: 10, exclusiveMaximum: true}, b: {enum: [null, 1.5, x]}}}}}")
        #expect(try verdict(policy, Self.json, body: "{\"a\":9.99,\"b\":1.50}") == "passes")
        #expect(try verdict(policy, Self.json, body: "{\"a\":9.999}") == "/a: not a multiple of what it must be")
        #expect(try verdict(policy, Self.json, body: "{\"a\":10.0}") == "/a: too large")
        #expect(try verdict(policy, Self.json, body: "{\"b\":\"y\"}") == "/b: not one of the allowed values")
    }

    @Test("configuration: each problem with its place", arguments: [
        ("{body: {}}", "1:8: body: found a mapping without contentTypes, schema and schemaFile, allowed at least one of them"),
        ("{body: {contentTypes: []}}", "1:23: body.contentTypes: found an empty list, allowed at least one media type"),
        ("{body: {contentTypes: [json]}}", "1:24: body.contentTypes[0]: found \"json\", allowed a media type, such as application/json, text/* or */*"),
        ("{body: {contentTypes: ['*/json']}}", "1:24: body.contentTypes[0]: found \"*/json\", allowed a media type, such as application/json, text/* or */*"),
        ("{body: {contentTypes: text/plain, schema: {}}}",
            "1:23: body.contentTypes: found a schema for media types none of which is JSON, allowed application/json, or another that ends with +json"),
        ("{body: {schema: {type: text}}}",
            "1:24: body.schema.type: found the text \"text\", allowed null, boolean, integer, number, string, array or object"),
        ("{body: {schema: {properties: {a: {items: {minLength: -1}}}}}}",
            "1:54: body.schema.properties.a.items.minLength: found the number -1, allowed an integer of 0 to 10^18"),
        ("{body: {schema: {properties: {a: {const: 1}}}}}",
            "1:42: body.schema.properties.a.const: found const, which is of another draft and would not be checked, allowed what JSON Schema draft 4 knows"),
        ("{body: {schema: {}}, form: {required: [a]}}", "1:28: form: found form together with body, allowed one of them"),
        ("{body: {schema: {}, schemaFile: x}}", "1:17: body.schema: found schema and schemaFile, allowed one of them"),
        ("{form: {}}", "1:8: form.required: found nothing, allowed a list of texts (required)"),
    ])
    func problems(yaml: String, problem: String) throws {
        let policy = try PolicyFixture(Validate.self, yaml)
        #expect(policy.complaints == [problem])
    }

    @Test("configuration: 16 media types and not one more")
    func typeCount() throws {
        let list = { (count: Int) in (1...count).map { "a/b\($0)" }.joined(separator: ", ") }
        #expect(try PolicyFixture(Validate.self, "{body: {contentTypes: [\(list(16))]}}").complaints == [])
        #expect(try PolicyFixture(Validate.self, "{body: {contentTypes: [\(list(17))]}}").complaints
            == ["1:23: body.contentTypes: found 17 media types, allowed at most 16"])
    }

    @Test("a file that is none, or no schema, is a problem")
    func files() throws {
        let missing = try PolicyFixture(Validate.self, "{body: {schemaFile: /nowhere/schema.json}}")
        #expect(missing.complaints == ["1:21: body.schemaFile: found the file \"/nowhere/schema.json\", which cannot be read (no such file or directory), allowed a readable file of at most 1048576 bytes"])
    }
}
