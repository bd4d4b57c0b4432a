import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Rewrite")
struct RewriteTests {
    /// The target that the upstream sees, or the refusal's row.
    private func target(_ pattern: String, to replacement: String, query: String? = nil, _ target: String, storage: Int = 4096) throws -> String {
        let rewrite = try PolicyFixture(Rewrite.self, "{pattern: '\(pattern)', to: '\(replacement)'\(query.map { ", query: \($0)" } ?? "")}")
        let test = try TestExchange("GET \(target)", storage: storage)
        switch try rewrite.faultless().evaluate(&test.exchange) {
        case .proceed:
            return test.exchange.upstreamPath.string + (test.exchange.upstreamQuery.map { "?\($0.string)" } ?? "")
        case .refuse(let refusal): return "\(refusal.row)"
        case .respond, .suspend: return "an answer that no rewrite gives"
        }
    }

    /// What a faulty configuration complains of, and what its endpoint answers.
    private func fault(_ pattern: String, to replacement: String) throws -> (complaints: [Problem], answer: Answer) {
        let rewrite = try PolicyFixture(Rewrite.self, "{pattern: '\(pattern)', to: '\(replacement)'}")
        let test = try TestExchange("GET /")
        return (rewrite.problems.all, Answer(try #require(rewrite.compiled).evaluate(&test.exchange)))
    }

    // MARK: Expressions

    @Test("expression: groups, the whole match and percent signs are inserted", arguments: [
        ("/api/v2.0/(.*)", "/%1", "/api/v2.0/members/7", "/members/7"),
        ("/api/v2.0/(.*)", "/old%0", "/api/v2.0/a", "/old/api/v2.0/a"),
        ("/(.*)/(.*)", "/%2/%1", "/a/b", "/b/a"),
        ("/(.)(.)(.)(.)(.)(.)(.)(.)(.)", "/%9%8%7%6%5%4%3%2%1", "/123456789", "/987654321"),
        ("/(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)", "/%9", "/abcdefghij", "/i"),
        ("/a", "/100%%25", "/a", "/100%25"),
        (#"/v(\d{1,3})/(.*)"#, "/%2/%1", "/v12/x", "/x/12"),
        ("/a(b)?/(c)", "/%1x/%2", "/a/c", "/x/c"),
        ("(/a)/(.*)", "%1/%2", "/a/b", "/a/b"),
        ("/(.*)", "%1", "/a/b", "/a/b"),
        ("/(.*)", "%1", "/", "/"),
        ("/a|/ab", "/x", "/ab", "/x"),
    ])
    func expressions(pattern: String, replacement: String, sent: String, expected: String) throws {
        #expect(try target(pattern, to: replacement, sent) == expected)
    }

    @Test("expression: a path of which only a part matches is left alone, with its query", arguments: ["/xa/b", "/a/b/", "/A/b", "/"])
    func partialMatch(sent: String) throws {
        #expect(try target("/a/b", to: "/c?d", sent + "?q=1") == sent + "?q=1")
    }

    @Test("expression: it sees the normalised path")
    func normalisedSubject() throws {
        #expect(try target("/a/(.*)", to: "/%1", "/x/../%61/b%2dc%c3") == "/b-c%C3")
    }

    // MARK: Templates

    @Test("template: variables move, literals stay", arguments: [
        ("/{version}/{path}", "/{path}/{version}", "/v1/a", "/a/v1"),
        ("/v1.0/{id}", "/members/{id}", "/v1.0/7", "/members/7"),
        ("/{a}/x{b}.json", "/{b}/{a}{a}", "/1/x2.json", "/2/11"),
        ("/{a}/", "/{a}-b/", "/1/", "/1-b/"),
        ("/{a}", "/%20{a}", "/b", "/%20b"), ("/{a}/{b}", "/{b}", "/1/2", "/2"), ("/{a}", "/x/{a}/y/{a}", "/1", "/x/1/y/1"), ("/{a}/{b}", "/", "/1/2", "/"),
        ("/%7e/{a}", "/{a}", "/~/1", "/1"), ("/a b/{a}", "/{a}", "/a%20b/1", "/1"),
        ("/회원/{a}", "/사람/{a}", "/%ed%9a%8c%ec%9b%90/7", "/%EC%82%AC%EB%9E%8C/7"),
    ])
    func templates(pattern: String, replacement: String, sent: String, expected: String) throws {
        #expect(try target(pattern, to: replacement, sent) == expected)
    }

    @Test("template: a path of another shape is left alone", arguments: [
        "/v1", "/v1/", "/v1/a/b", "/v1/a/", "//a", "/v1.0/x.json", "/v1/x.jso", "/v1/.json",
    ])
    func otherShape(sent: String) throws {
        #expect(try target("/{version}/{name}.json", to: "/{name}/{version}", sent) == (sent == "/v1.0/x.json" ? "/x/v1.0" : sent))
    }

    @Test("template: a full stop in it is one, not any character")
    func literalStop() throws {
        #expect(try target("/v1.0/{id}", to: "/a/{id}", "/v1x0/7") == "/v1x0/7")
    }

    @Test("a template has braces, no repetition in them and no sign of an expression outside", arguments: [
        ("/{a}", true), ("/v1.0/{a}-{b", true), ("/a}", true), ("/{id:[0-9]+}", true), ("/{}", true), ("/{,}", true),
        ("/a", false), ("/a.b", false), ("/a{3}", false), ("/a{3,}", false), ("/a{3,5}", false), ("/a{,5}", false),
        ("/{a}/(.*)", false), ("/{a}/*", false), (#"/\p{L}"#, false), ("/{a}/[bc]", false), ("^/{a}", false), ("/{a}$", false),
        ("/{a}|/b", false), ("/{a}/b?", false), ("/{a}/b+", false), ("", false),
    ])
    func kinds(pattern: String, isTemplate: Bool) {
        #expect(RewriteTemplate.isTemplate(pattern) == isTemplate)
    }

    // MARK: Queries

    @Test("the query is kept unless the replacement has a question mark", arguments: [
        ("/b", "/a?q=1", "/b?q=1"), ("/b", "/a", "/b"), ("/b", "/a?", "/b?"), ("/b?x=%0", "/a?q=1", "/b?x=/a"),
        ("/b?", "/a?q=1", "/b"), ("/b?x=1?y", "/a", "/b?x=1?y"), ("/b?x=100%%25", "/a", "/b?x=100%25"),
    ])
    func queries(replacement: String, sent: String, expected: String) throws {
        #expect(try target("/a", to: replacement, sent) == expected)
    }

    @Test("with `add`, the replacement's query comes behind the request's", arguments: [
        ("/b?x=1", "/a?q=1", "/b?q=1&x=1"), ("/b?x=1", "/a", "/b?x=1"), ("/b?x=1", "/a?", "/b?x=1"), ("/b?", "/a?q=1", "/b?q=1"), ("/b?", "/a", "/b"),
        ("%0?x=%0", "/a?x=2&", "/a?x=2&&x=/a"), ("/b", "/a?q=1", "/b?q=1"),
    ])
    func addedQueries(replacement: String, sent: String, expected: String) throws {
        #expect(try target("/a", to: replacement, query: "add", sent) == expected)
        #expect(try target("/a", to: replacement, query: "replace", sent) == target("/a", to: replacement, sent))
    }

    @Test("an added query that does not fit is refused, and leaves the request as it was")
    func addedQueryTooLong() throws {
        #expect(try target("/a", to: "/b?x=1", query: "add", "/a?0123456789", storage: 16) == "invalidTarget")
    }

    @Test("template: variables reach the query too")
    func templateQuery() throws {
        #expect(try target("/{a}", to: "/b?name={a}", "/c?q") == "/b?name=c")
    }

    @Test("what a capture brings into a query stays one value", arguments: [
        ("/u/(.*)", "/l?id=%1&x=1", "/u/1&admin=true", "/l?id=1%26admin%3Dtrue&x=1"), ("/u/(.*)", "/l?id=%1", "/u/a+b;c", "/l?id=a%2Bb%3Bc"),
        ("/u/(.*)", "/l?id=%1", "/u/1%26a%23", "/l?id=1%26a%23"), ("/u/(.*)", "/l?id=%1", "/u/a|[b]", "/l?id=a%7C%5Bb%5D"),
        ("/u/(.*)", "/l?id=%1", "/u/a:@!$'()*,/b", "/l?id=a:@!$'()*,/b"), ("/u/(.).*", "/l?id=%1", "/u/%25", "/l?id=%25"),
        ("/u/(..).*", "/l?id=%1", "/u/%25", "/l?id=%252"), ("/u/.*(..)", "/l?id=%%%%1&x", "/u/%25", "20006"),
        ("/u/{a}", "/l?id={a}", "/u/1&b=2", "/l?id=1%26b%3D2"), ("/u/(.*)", "/l?n=é&id=%1", "/u/%c3%a9", "/l?n=%C3%A9&id=%C3%A9"),
    ])
    func queryCaptures(pattern: String, replacement: String, sent: String, expected: String) throws {
        let pattern = "'\(pattern)'"
        let rewrite = try PolicyFixture(Rewrite.self, "{pattern: \(pattern), to: '\(replacement.replacing("'", with: "''"))'}")
        guard rewrite.problems.isEmpty else {
            #expect(expected == "20006")
            return
        }
        let test = try TestExchange("GET \(sent)")
        #expect(Answer(try rewrite.faultless().evaluate(&test.exchange)) == .proceed)
        #expect(test.exchange.upstreamPath.string + "?" + (test.exchange.upstreamQuery?.string ?? "") == expected)
    }

    @Test("expression: letters outside ASCII are letters, in classes and repetitions too; escapes are read as in a path", arguments: [
        ("/회원/(.*)", "/m/%1", "/%ed%9a%8c%ec%9b%90/7", "/m/7"), ("/([가-힣]+)/x", "/%1", "/%ED%9A%8C%EC%9B%90/x", "/%ED%9A%8C%EC%9B%90"),
        ("/([가-힣]{2})", "/two/%1", "/%ED%9A%8C%EC%9B%90", "/two/%ED%9A%8C%EC%9B%90"), ("/([가-힣])", "/one", "/%ED%9A%8C%EC%9B%90", "/%ED%9A%8C%EC%9B%90"),
        ("/é+(.)(.*)", "/%2/%1", "/%C3%A9%C3%A9%C3%BCx", "/x/%C3%BC"), ("/caf%c3%a9/(.*)", "/%1", "/caf%C3%A9/x", "/x"),
        ("/é%c3%a9/(.*)", "/%1", "/%C3%A9%C3%A9/x", "/x"), ("/é/(.*)", "/é/%1", "/%C3%A9/%FF%2F", "/%C3%A9/%FF%2F"),
        ("/a%2db%7E(.*)", "/%1", "/a-b~c", "/c"), ("/(?i)É(.*)", "/%1", "/%C3%A9x", "/x"), ("/[^a]/x", "/hit", "/%C3%A9/x", "/%C3%A9/x"),
        ("/[^a]é", "/hit", "/%C3%BC%C3%A9", "/hit"),
    ])
    func letters(pattern: String, replacement: String, sent: String, expected: String) throws {
        #expect(try target(pattern, to: replacement, sent) == expected)
    }

    // MARK: Results

    @Test("the result is normalised again", arguments: [
        ("/a(.*)", "/b/..%1", "/a/c", "/c"), ("/a(.*)", "/%%62%1", "/a", "/b"), ("/a/(.*)", "/x/%1", "/a/%2F", "/x/%2F"),
        ("/(.*)b(.*)", "/x/%1.%2/y", "/b", "/x/y"),
    ])
    func normalisedResult(pattern: String, replacement: String, sent: String, expected: String) throws {
        #expect(try target(pattern, to: replacement, sent) == expected)
    }

    @Test("a result that climbs above the root by what the client sent is refused")
    func climb() throws {
        #expect(try target("/(.*)x", to: "/%1../a", "/x") == "invalidTarget")
        #expect(try target("/(.*)x", to: "/%1../a", "/.x") == "/.../a")
    }

    @Test("a result that does not fit the exchange's memory is refused, one byte less is not")
    func memory() throws {
        // Path and slash, then the same bytes again for the normal form.
        #expect(try target("/a", to: "/0123456789", "/a", storage: 23) == "/0123456789")
        #expect(try target("/a", to: "/0123456789", "/a", storage: 22) == "invalidTarget")
        #expect(try target("/a", to: "/0123456789?q", "/a", storage: 23) == "invalidTarget")
    }

    @Test("a match that exceeds its bound is refused, and nothing is changed")
    func boundedMatch() throws {
        let rewrite = try PolicyFixture(Rewrite.self, "{pattern: '/(a+)+[bc]', to: '/x'}")
        let test = try TestExchange("GET /" + String(repeating: "a", count: 40))
        #expect(Answer(try rewrite.faultless().evaluate(&test.exchange)) == .refuse(.rewritePatternInvalid))
        #expect(test.exchange.upstreamPath.equals(test.exchange.path))
    }

    // MARK: Configuration

    @Test("a bad pattern is one endpoint's problem, and that endpoint answers 20005", arguments: [
        "/(a", "/a)", "/[a", "*", "", "/{a}/{a}", "/{a", "/a}", "/}a{", "/{1a}", "/{}", "/{a}{b}", "/{id:[0-9]+}", "{a}",
        "/../{a}", "/%zz/{a}",
    ])
    func badPattern(pattern: String) throws {
        let (complaints, answer) = try fault(pattern, to: "/x")
        try #require(complaints.count == 1)
        #expect(complaints[0].scope == .endpoint)
        #expect(complaints[0].keyPath == "pattern")
        #expect(complaints[0].position == SourcePosition(line: 1, column: 11))
        #expect(answer == .refuse(.rewritePatternInvalid))
    }

    @Test("a bad replacement is one endpoint's problem, and that endpoint answers 20006", arguments: [
        ("/(a)", "/%2"), ("/a", "/%1"), ("/(a)", "/%x"), ("/(a)", "/%"), ("/(a)", "a"), ("/(a)", ""), ("/(a)", "?a=1"), ("/(a)", "%%1"),
        ("/(a)", "/a b"), ("/(a)", "/a#b"), ("/(a)", #"/a\b"#), ("/(a)", "/.."), ("/(a)", "/%%2"), ("/(a)", "/%%%1"),
        ("/(a)", "/a?b=%%"), ("/(a)", "/%%0A"),
        ("/{a}", "/{b}"), ("/{a}", "/{a"), ("/{a}", "/a}"), ("/{a}", "/{}"), ("/{a}", "{a}"), ("/{a}", "/%1"), ("/{a}", "/{a}?{b}"),
    ])
    func badReplacement(pattern: String, replacement: String) throws {
        let (complaints, answer) = try fault(pattern, to: replacement)
        try #require(complaints.count == 1)
        #expect(complaints[0].scope == .endpoint)
        #expect(complaints[0].keyPath == "to")
        #expect(complaints[0].position.line == 1)
        #expect(answer == .refuse(.rewriteReplacementInvalid))
    }

    @Test("problems say what would be right")
    func wording() throws {
        func allowed(_ pattern: String, _ replacement: String) throws -> String {
            try #require(fault(pattern, to: replacement).complaints.first).allowed
        }
        #expect(try allowed("/(a", "/x") == "a regular expression (missing closing parenthesis at offset 3), or a template such as /{version}/{path}")
        #expect(try allowed("/(a)", "/%2") == "groups up to %1")
        #expect(try allowed("/a", "/%1") == "%0 only: the pattern has no groups")
        #expect(try allowed("/{a}/{b}", "/{c}/{a}") == "the pattern's variables: {a}, {b}")
        #expect(try allowed("/{a}/{b}", "{a}") == "a path that begins with a slash")
    }

    @Test("a template of 32 variables is taken, one of 33 is not")
    func variablesMax() throws {
        func pattern(_ count: Int) -> String { (0..<count).map { "/{v\($0)}" }.joined() }
        let sent = String(repeating: "/a", count: 32)
        #expect(try target(pattern(32), to: pattern(32), sent) == sent)
        #expect(try fault(pattern(33), to: pattern(33)).answer == .refuse(.rewritePatternInvalid))
    }

    @Test("configuration: both keys are required, text, and the only ones; these faults are the whole configuration's")
    func shape() throws {
        let rewrite = try PolicyFixture(Rewrite.self, "{pattern: 5, with: /x}")
        #expect(rewrite.configuration == nil)
        #expect(rewrite.problems.refuseConfiguration)
        #expect(rewrite.complaints == [
            "1:1: to: found nothing, allowed text (required)",
            "1:11: pattern: found the integer 5, allowed text (in quotes)",
            #"1:14: with: found the unknown key "with", allowed pattern, to or query"#,
        ])
    }
}
