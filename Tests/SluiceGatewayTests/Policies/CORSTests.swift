import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("CORS")
struct CORSTests {
    private static let full = """
        {origins: ['https://app.test', 'https://a.test:8443', 'null'], methods: [GET, PUT], headers: [Authorization, X-Trace],
         expose: [X-Count, ETag], credentials: true, maxAge: 600}
        """
    private static let denial = Answer.respond(
        status: 204,
        head: "HTTP/1.1 204 No Content\r\n"
            + "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n", body: "")

    private static func permission(_ origin: String) -> Answer {
        .respond(
            status: 204,
            head: "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: \(origin)\r\n"
                + "Access-Control-Allow-Credentials: true\r\nAccess-Control-Allow-Methods: GET, PUT\r\n"
                + "Access-Control-Allow-Headers: Authorization, X-Trace\r\nAccess-Control-Max-Age: 600\r\n"
                + "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n", body: "")
    }

    private func answer(_ yaml: String, _ request: String) throws -> Answer {
        let cors = try PolicyFixture(CORS.self, yaml)
        let test = try TestExchange(request)
        return Answer(try cors.faultless().evaluate(&test.exchange))
    }

    private func preflight(_ origin: String, _ method: String, _ headers: String...) -> String {
        "OPTIONS /a\nOrigin: \(origin)\nAccess-Control-Request-Method: \(method)"
            + headers.map { "\nAccess-Control-Request-Headers: \($0)" }.joined()
    }

    // MARK: Preflights

    @Test("preflight: every listed origin gets its own permission", arguments: [
        "https://app.test", "https://a.test:8443", "null",
    ])
    func permitted(origin: String) throws {
        #expect(try answer(Self.full, preflight(origin, "PUT")) == Self.permission(origin))
    }

    @Test("preflight: requested headers compare without regard to case, in one list, in several, with empty elements")
    func permittedHeaders() throws {
        let origin = "https://app.test"
        #expect(try answer(Self.full, preflight(origin, "GET", "authorization, x-TRACE")) == Self.permission(origin))
        #expect(try answer(Self.full, preflight(origin, "GET", "x-trace", ",authorization,,")) == Self.permission(origin))
        #expect(try answer(Self.full, preflight(origin, "GET", "")) == Self.permission(origin))
    }

    @Test("preflight: an origin that is not listed to the letter gets no Access-Control field", arguments: [
        "https://app.test.", "https://APP.test", "http://app.test", "https://app.test:443", "https://app.test:8443",
        "https://a.test", "https://xapp.test", "https://app.tes", "NULL", "",
    ])
    func foreignOrigin(origin: String) throws {
        #expect(try answer(Self.full, preflight(origin, "GET")) == Self.denial)
    }

    @Test("preflight: a method outside the list gets no Access-Control field, safelisted or not", arguments: [
        "POST", "HEAD", "DELETE", "get", "PUTT", "",
    ])
    func foreignMethod(method: String) throws {
        #expect(try answer(Self.full, preflight("https://app.test", method)) == Self.denial)
    }

    @Test("preflight: one header outside the list, in whatever line, takes the permission away")
    func foreignHeader() throws {
        #expect(try answer(Self.full, preflight("https://app.test", "GET", "authorization, x-other")) == Self.denial)
        #expect(try answer(Self.full, preflight("https://app.test", "GET", "authorization", "x-other")) == Self.denial)
    }

    @Test("preflight: 128 headers may be asked for in all, one more is not granted")
    func requestedHeadersMax() throws {
        let many = String(repeating: "x-trace,", count: 64)
        #expect(try answer(Self.full, preflight("https://app.test", "GET", many, many)) == Self.permission("https://app.test"))
        #expect(try answer(Self.full, preflight("https://app.test", "GET", many, many + "x-trace")) == Self.denial)
    }

    @Test("what is no preflight goes on", arguments: [
        "OPTIONS /a", "OPTIONS /a\nOrigin: https://app.test", "OPTIONS /a\nAccess-Control-Request-Method: GET",
        "GET /a\nOrigin: https://app.test\nAccess-Control-Request-Method: GET",
    ])
    func noPreflight(request: String) throws {
        #expect(try answer(Self.full, request) == .proceed)
    }

    @Test("defaults: GET, HEAD and POST, no headers, no credentials, no age", arguments: ["GET", "HEAD", "POST"])
    func defaults(method: String) throws {
        let yaml = "{origins: ['https://app.test']}"
        #expect(
            try answer(yaml, preflight("https://app.test", method))
                == .respond(
                    status: 204,
                    head: "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: https://app.test\r\n"
                        + "Access-Control-Allow-Methods: GET, HEAD, POST\r\n"
                        + "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n", body: ""))
        #expect(try answer(yaml, preflight("https://app.test", "PUT")) == Self.denial)
        #expect(try answer(yaml, preflight("https://app.test", "GET", "x-any")) == Self.denial)
    }

    // MARK: Wildcards

    @Test("* is answered as *, to any origin, and does not vary by it")
    func wildcardOrigin() throws {
        let yaml = "{origins: ['*'], methods: ['*'], headers: ['*'], maxAge: 0}"
        #expect(
            try answer(yaml, preflight("https://any.test", "PATCH", "x-any"))
                == .respond(
                    status: 204,
                    head: "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: *\r\n"
                        + "Access-Control-Allow-Headers: *\r\nAccess-Control-Max-Age: 0\r\n"
                        + "Vary: Access-Control-Request-Method, Access-Control-Request-Headers\r\n", body: ""))
    }

    @Test("headers: * stands for all but Authorization, which has to be listed beside it")
    func wildcardHeadersAndAuthorization() throws {
        let request = preflight("https://any.test", "GET", "x-any, Authorization")
        let denied = try answer("{origins: ['*'], headers: ['*']}", request)
        guard case .respond(204, let head, "") = denied else { Issue.record("not answered"); return }
        #expect(!head.contains("Access-Control-Allow"))
        let granted = try answer("{origins: ['*'], headers: ['*', authorization]}", request)
        guard case .respond(204, let head, "") = granted else { Issue.record("not answered"); return }
        #expect(head.contains("Access-Control-Allow-Headers: *, authorization\r\n"))
    }

    // MARK: Other responses

    @Test("other responses: an allowed origin is named, with what else the policy says; others only make the answer vary")
    func responseFields() throws {
        let cors = try PolicyFixture(CORS.self, Self.full)
        #expect(
            try cors.faultless().responseFields(origin: ByteView("https://app.test")).string
                == "Access-Control-Allow-Origin: https://app.test\r\nAccess-Control-Allow-Credentials: true\r\n"
                + "Access-Control-Expose-Headers: X-Count, ETag\r\nVary: Origin\r\n")
        #expect(try cors.faultless().responseFields(origin: ByteView("https://other.test")).string == "Vary: Origin\r\n")
        #expect(try cors.faultless().responseFields(origin: nil).string == "Vary: Origin\r\n")
    }

    @Test("other responses under *: the same fields with and without an origin")
    func wildcardResponseFields() throws {
        let cors = try PolicyFixture(CORS.self, "{origins: ['*'], expose: ['*']}")
        let fields = "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: *\r\n"
        #expect(try cors.faultless().responseFields(origin: ByteView("https://app.test")).string == fields)
        #expect(try cors.faultless().responseFields(origin: nil).string == fields)
    }

    @Test("an upstream's Access-Control fields are left out, no other field", arguments: [
        ("Access-Control-Allow-Origin", true), ("access-control-expose-headers", true), ("ACCESS-CONTROL-MAX-AGE", true),
        ("Access-Control-", false), ("Access-Control", false), ("X-Access-Control-Allow-Origin", false), ("Vary", false), ("", false),
    ])
    func removedFields(name: String, isRemoved: Bool) {
        #expect(name.withByteView { CORS.removes($0) } == isRemoved)
    }

    // MARK: Configuration

    @Test("configuration: an origin is reported unless it is as browsers send it", arguments: [
        ("app.test", "an origin"), ("https://app.test/", "an origin"), ("https://app.test/a", "an origin"),
        ("https://u@app.test", "an origin"), ("https://", "an origin"), ("https://app.test:", "an origin"),
        ("https://app.test:0", "an origin"), ("https://app.test:65536", "an origin"), ("https://app.test:08443", "an origin"),
        ("https://*.test", "an origin"), ("1http://a", "an origin"), ("https://[::1", "an origin"), ("https://[1::2:0]", ""),
        ("https://[0:0::1]", "an origin"), ("https://a b", "an origin"), ("", "an origin"),
        ("https://App.test", "lower case: https://app.test"),
        ("https://app.test:443", "the origin without its scheme's own port, as browsers send it: https://app.test"),
        ("http://app.test:80", "the origin without its scheme's own port, as browsers send it: http://app.test"),
        ("http://app.test:443", ""), ("https://app.test:65535", ""), ("https://[::1]:8443", ""), ("https://127.0.0.1", ""),
        ("capacitor://localhost", ""), ("https://xn--bcher-kva.test", ""),
    ])
    func origins(text: String, complaint: String) throws {
        let cors = try PolicyFixture(CORS.self, "{origins: ['\(text)']}")
        if complaint.isEmpty {
            #expect(cors.complaints == [])
        } else {
            try #require(cors.complaints.count == 1)
            #expect(cors.complaints[0].hasPrefix("1:12: origins[0]: found \"\(text)\", allowed \(complaint)"))
            #expect(cors.configuration == nil)
        }
    }

    @Test("configuration: * with credentials is reported wherever it stands")
    func wildcardWithCredentials() throws {
        let cors = try PolicyFixture(
            CORS.self, "origins: ['*']\nmethods: ['*']\nheaders: [A, '*']\nexpose: ['*']\ncredentials: true\n")
        #expect(cors.configuration == nil)
        let rest = #"found "*" together with credentials: true, allowed names, or credentials: false"#
        #expect(cors.complaints == [
            "1:11: origins[0]: \(rest)", "2:11: methods[0]: \(rest)", "3:14: headers[1]: \(rest)", "4:10: expose[0]: \(rest)",
        ])
    }

    @Test("configuration: * beside others, and an empty list of origins, are reported")
    func wildcardBesideOthers() throws {
        let cors = try PolicyFixture(CORS.self, "{origins: ['*', 'https://a.test'], methods: [GET, '*'], expose: ['*', A]}")
        #expect(cors.complaints == [
            #"1:12: origins[0]: found "*" in a list of 2, allowed * alone"#,
            #"1:51: methods[1]: found "*" in a list of 2, allowed * alone"#,
            #"1:66: expose[0]: found "*" in a list of 2, allowed * alone"#,
        ])
        #expect(try PolicyFixture(CORS.self, "{origins: []}").complaints == [
            "1:11: origins: found an empty list, allowed at least one origin, or *",
        ])
    }

    @Test("configuration: lists of 16 KiB are taken, one byte more is not")
    func sizes() throws {
        func complaints(_ count: Int) throws -> [String] {
            let name = String(repeating: "n", count: count)
            return try PolicyFixture(CORS.self, "{origins: ['*'], methods: [GET], headers: [\(name)], expose: [A]}").complaints
        }
        #expect(try complaints(16_384 - 5 - 3 - 2) == [])
        #expect(try complaints(16_384 - 5 - 3 - 1) == ["1:1: found methods and headers of 16385 bytes, allowed at most 16384 bytes"])
    }

    @Test("configuration: names that are no tokens, an age out of range and unknown keys are reported in one run")
    func otherFaults() throws {
        let cors = try PolicyFixture(
            CORS.self, "methods: ['G T']\nheaders: ['X:']\nexpose: ['']\nmaxAge: 86401\ncredential: true\n")
        #expect(cors.complaints == [
            "1:1: origins: found nothing, allowed a list of texts (required)",
            #"1:11: methods[0]: found "G T", allowed a method, such as GET, or *"#,
            #"2:11: headers[0]: found "X:", allowed the name of a header, or *"#,
            #"3:10: expose[0]: found "", allowed the name of a header, or *"#,
            "4:9: maxAge: found the integer 86401, allowed an integer from 0 to 86400 (seconds)",
            #"5:1: credential: found the unknown key "credential" (did you mean credentials?), allowed origins, methods, headers, expose, credentials or maxAge"#,
        ])
    }
}
