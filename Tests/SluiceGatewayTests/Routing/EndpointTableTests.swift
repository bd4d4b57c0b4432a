import SluiceConfiguration
import Testing

@testable import SluiceGateway

@Suite("Endpoint tables")
struct EndpointTableTests {
    @Test(
        "what a pattern matches, and what next to it it does not",
        arguments: [
            ("/", ["/"], ["//", "/a"]), ("/a", ["/a"], ["/a/", "/A", "/", "/ab", "a", ""]), ("/a/", ["/a/"], ["/a", "/a//"]),
            ("/a//b", ["/a//b"], ["/a/b", "/a///b"]), ("/{x}", ["/a"], ["/", "/a/b", "/a/"]),
            ("/a/{x}", ["/a/b"], ["/a/", "/a"]), ("/*", ["/a", "/"], ["/a/b", "//"]), ("/a/*", ["/a/b", "/a/"], ["/a"]),
            ("/a/**", ["/a", "/a/", "/a/b", "/a/b/c/"], ["/ab", "/", "/b/a"]), ("/**", ["/", "//", "/a/b/"], []),
            ("/**/b", ["/b", "/a/b", "/a/a/b", "/b/b"], ["/a", "/b/", "/ab"]),
            ("/a/**/b/**", ["/a/b", "/a/x/b/y/z"], ["/a", "/a/x", "/b"]), ("/a/**/**", ["/a", "/a/b/c"], ["/b"]),
            (#"/{x:\d+}"#, ["/12"], ["/12a", "/a12", "/", "/1/2"]), ("/{x:a|ab}", ["/ab"], ["/abc"]), ("/{x:a*}", ["/"], ["/b"]),
            ("/{x}.json", ["/a.json"], ["/.json", "/a.jsonx", "/a/b.json"]), ("/a?c", ["/abc", "/a%20c"], ["/ac", "/a/c"]),
            ("/{x:[가-힣]+}", ["/%ED%95%9C", "/%ED%95%9C%EA%B8%80"], ["/a", "/%FF", "/%ED%95"]), ("/{x:(?:é|%c3%bc)x}", ["/%C3%A9x", "/%C3%BCx"], ["/x"]),
            ("/caf%c3%a9", ["/caf%C3%A9"], ["/cafe"]), ("/a%2Fb", ["/a%2Fb"], ["/a/b"]), ("/{x}", ["/a%2Fb"], []),
        ])
    func matching(pattern: String, yes: [String], no: [String]) {
        let fixture = EndpointFixture([pattern])
        #expect(fixture.problems.isEmpty)
        for path in yes { #expect(fixture.match(path) == 0, "\(path)") }
        for path in no { #expect(fixture.match(path) == EndpointTable.noMatch, "\(path)") }
    }

    @Test(
        "the more specific of two wins, in either order of the file",
        arguments: [
            ("/a", "/{x:a}", "/a"), ("/{x:a}", "/a*", "/a"), ("/{x:a}", "/?", "/a"), ("/?", "/{x}", "/a"), ("/{x}", "/*", "/a"),
            ("/*", "/**", "/a"), ("/a/**", "/a", "/a"), ("/a/**", "/{x}", "/a"), ("/a/**", "/*/b", "/a/b"),
            ("/a/*", "/a/**", "/a/b"), ("/a/**/b", "/a/**", "/a/b"), ("/**/b", "/**", "/b"), ("/*/b", "/**/b", "/a/b"),
            ("/{x:.*}/b", "/{x:a}/{y}", "/a/b"), ("/a*/b", "/ab*/*", "/abc/b"), ("/a*/**", "/ab*", "/abc"),
            ("/**/{x:.}/b", "/**/?/{y}", "/a/b"), ("/**/a/b", "/**/a/**", "/a/b"), ("/ab*", "/a*", "/abc"),
            ("/a?*", "/a*", "/ab"), ("/?a", "/a*", "/aa"), ("/{x:ab?}", "/{x:ab}", "/ab"), ("/{x:.b}", "/{x:ab}", "/ab"),
        ])
    func specificity(better: String, worse: String, path: String) {
        for patterns in [[better, worse], [worse, better]] {
            let fixture = EndpointFixture(patterns)
            #expect(fixture.problems.isEmpty)
            let found = fixture.match(path)
            #expect(found >= 0 && patterns[found] == better, "\(patterns)")
        }
        #expect(EndpointFixture([worse]).match(path) == 0, "the other must match too")
    }

    @Test("only patterns whose endpoint serves the method compete")
    func methodBeforeSpecificity() {
        let fixture = EndpointFixture([("GET", "/a"), ("POST", "/{x}"), ("", "/**"), ("PURGE", "/a")])
        #expect(fixture.match("/a", "GET") == 0)
        #expect(fixture.match("/a", "POST") == 1)
        #expect(fixture.match("/a", "PUT") == 2)
        #expect(fixture.match("/a", "PURGE") == 3)
        #expect(fixture.match("/a", "BREW") == 2)
        #expect(fixture.match("/a", "OPTIONS") == EndpointTable.noMatch)
    }

    @Test("HEAD: served by GET's endpoint, by its own where the pattern lists it, and not by POST's")
    func head() {
        #expect(EndpointFixture([("GET", "/a")]).match("/a", "HEAD") == 0)
        #expect(EndpointFixture([("POST", "/a")]).match("/a", "HEAD") == EndpointTable.noMatch)
        let both = EndpointFixture([("GET", "/a"), ("HEAD", "/a"), ("HEAD", "/{x}")])
        #expect(both.problems.isEmpty)
        #expect(both.match("/a", "HEAD") == 1)
        #expect(both.match("/a", "GET") == 0)
        #expect(EndpointFixture([("GET", "/a"), ("HEAD", "/{x}")]).match("/a", "HEAD") == 0)
    }

    @Test("OPTIONS: only where it is listed")
    func options() {
        #expect(EndpointFixture([("", "/a")]).match("/a", "OPTIONS") == EndpointTable.noMatch)
        let listed = EndpointFixture([("", "/a"), ("OPTIONS", "/a")])
        #expect(listed.problems.isEmpty)
        #expect(listed.match("/a", "OPTIONS") == 1)
        #expect(listed.match("/a", "GET") == 0)
    }

    @Test(
        "equal patterns with a common method are a problem at the second that names the first's line",
        arguments: [
            ("/a/{x}", "/a/{y}"), ("/{x}.json", "/?*.json"), ("/%61", "/a"), ("/{a:b+}", "/{b:b+}"), ("/**", "/**"), ("/", "/"),
        ])
    func duplicates(first: String, second: String) throws {
        let fixture = EndpointFixture([("PUT", "/other"), ("GET POST", first), ("PUT POST", second)])
        let problem = try #require(fixture.problems.all.first)
        #expect(fixture.problems.count == 1)
        #expect(problem.position.line == 3)
        #expect(problem.found.hasSuffix("for POST a second time"))
        #expect(problem.allowed.hasSuffix("on line 2"))
        #expect(EndpointFixture([("GET POST", first), ("PUT", second)]).problems.isEmpty)
    }

    @Test("equal patterns, one without methods: a problem but for OPTIONS; unequal patterns never")
    func duplicatesWithoutMethods() {
        #expect(EndpointFixture([("", "/a"), ("GET", "/a")]).problems.count == 1)
        #expect(EndpointFixture([("", "/a"), ("", "/a")]).problems.count == 1)
        #expect(EndpointFixture([("", "/a"), ("HEAD", "/a")]).problems.count == 1)
        #expect(EndpointFixture([("", "/a"), ("OPTIONS", "/a")]).problems.isEmpty)
        #expect(EndpointFixture(["/a", "/a/", "/A", "/a/**", "/{x:a}", "/{x:a+}", "/{x}", "/*"]).problems.isEmpty)
    }

    @Test("an endpoint that cannot be read leaves the numbers of the others alone, and every fault is reported")
    func faultyEndpoints() {
        let fixture = EndpointFixture([("get", "/a"), ("GET", "/{b"), ("post", "c"), ("GET", "/d")])
        #expect(fixture.problems.count == 4)
        #expect(fixture.match("/d") == 3)
    }

    @Test("a table without endpoints matches nothing")
    func empty() {
        #expect(EndpointFixture([String]()).match("/") == EndpointTable.noMatch)
    }

    @Test("2,000 literals at one place are each found, their neighbours not")
    func manyLiterals() {
        let fixture = EndpointFixture((0..<2000).map { "/api/item\($0)/x" })
        for index in 0..<2000 { #expect(fixture.match("/api/item\(index)/x") == index) }
        #expect(fixture.match("/api/item2000/x") == EndpointTable.noMatch)
        #expect(fixture.match("/api/ITEM1/x") == EndpointTable.noMatch)
    }
}
