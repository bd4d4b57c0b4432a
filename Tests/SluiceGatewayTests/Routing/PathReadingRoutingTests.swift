import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// Where requests lead whose path a service may read in another way, by `sluice explain`'s own walk.
@Suite("One path, one reading")
struct PathReadingRoutingTests {
    private func verdict(_ method: String, _ url: String, _ yaml: String) throws -> String {
        let problems = Problems(file: "sluice.yaml", environment: [:])
        let tree = try #require(ConfigurationNode.load(text: yaml, problems: problems))
        let explainer = try #require(try Explainer(tree, settings: ProcessSettings(), problems: problems), "\(problems.all)")
        let request = try ExplainedRequest(method: method, url: url, fields: [], client: "127.0.0.1")
        let explanation = try explainer.explain(request)
        let note = explanation.facts.flatMap(\.lines).first { $0.hasPrefix("none: a service") }.map { " (\($0))" } ?? ""
        return explanation.verdict + note
    }

    private func domain(_ more: String, _ endpoints: String) -> String {
        "domains:\n  - key: d\n    upstream: http://127.0.0.1:9\n\(more)    endpoints:\n\(endpoints)"
    }

    private static let refused = "400 4000003 Invalid URI."

    @Test("explain names the reading that leads elsewhere")
    func explained() throws {
        let yaml = domain("", "      - {path: /**}\n      - {path: /admin/**, policies: {mock: {status: 403}}}\n")
        #expect(try verdict("GET", "/d//admin;a/x", yaml)
            == "\(Self.refused) (none: a service may read the path as /admin/x, which leads elsewhere)")
        #expect(try verdict("GET", "/d//open;a/x", yaml) == "proxy GET http://127.0.0.1:9//open;a/x")
    }

    @Test("another endpoint only by its method is one; the same endpoint by several methods is not")
    func methods() throws {
        let yaml = domain("", "      - {path: /**}\n      - {path: /admin/**, methods: [POST], policies: {mock: {status: 403}}}\n      - {path: /x, methods: [GET]}\n")
        #expect(try verdict("POST", "/d//admin/x", yaml) == Self.refused + " (none: a service may read the path as /admin/x, which leads elsewhere)")
        #expect(try verdict("GET", "/d//admin/x", yaml).hasPrefix("proxy"))
        #expect(try verdict("HEAD", "/d/x;a", yaml).hasPrefix(Self.refused), "HEAD is served where GET is")
    }

    @Test("a path that leads nowhere stays not found, and a reading that leads nowhere refuses nothing")
    func nowhere() throws {
        let yaml = domain("    encodedSlashes: keep\n", "      - {path: '/projects/{id}'}\n      - {path: '/m;v=1/x'}\n")
        #expect(try verdict("GET", "/d//projects/1", yaml).hasPrefix("404"))
        #expect(try verdict("GET", "/d/projects/group%2Fname", yaml) == "proxy GET http://127.0.0.1:9/projects/group%2Fname")
        #expect(try verdict("GET", "/d/m;v=1/x", yaml) == "proxy GET http://127.0.0.1:9/m;v=1/x")
    }

    @Test("credentials are asked first: without them nobody learns which paths have endpoints of their own")
    func afterCredentials() throws {
        let yaml = domain("    policies: {hmac: {secret: s, clockSkew: 0}}\n", "      - {path: /**}\n      - {path: /admin/**, policies: {mock: {status: 403}}}\n")
        for path in ["/d//admin/x", "/d//open/x"] { #expect(try verdict("GET", path, yaml).hasPrefix("401"), "\(path)") }
    }

    @Test("a rewrite that would apply to what a service reads cannot be passed by", arguments: [
        "/admin/(.*)", "/{first}/x",
    ])
    func rewrite(pattern: String) throws {
        let to = pattern.hasPrefix("/{") ? "/safe/{first}" : "/safe/%1"
        let yaml = domain("", "      - {path: /**, policies: {rewrite: {pattern: '\(pattern)', to: '\(to)'}}}\n")
        #expect(try verdict("GET", "/d/admin/x", yaml).contains("/safe/"))
        #expect(try verdict("GET", "/d//admin/x", yaml).hasPrefix(Self.refused))
        #expect(try verdict("GET", "/d/admin//y/x", yaml).contains(pattern.hasPrefix("/{") ? "/admin//y/x" : "/safe//y/x"))
    }

    @Test("what captures come to hides no dot segment behind an encoded slash")
    func captures() throws {
        let yaml = domain("", "      - {path: /**, policies: {rewrite: {pattern: '/u/x(.*)y', to: '/a%%2F%1'}}}\n")
        #expect(try verdict("GET", "/d/u/x..y", yaml).hasPrefix(Self.refused))
        #expect(try verdict("GET", "/d/u/x...y", yaml).hasPrefix("proxy"))
    }

    @Test("a path of thousands of slashes, of parameters or of encoded slashes is given up after some of a look-up", arguments: ["/", "/;", ";/", "%2F", "%2F;", ";%2F/"])
    func bounded(piece: String) throws {
        let yaml = domain("    encodedSlashes: keep\n", "      - {path: /**}\n      - {path: '/**/a/**/b/**/{c:[0-9]+}'}\n")
        let path = "/d/x" + String(repeating: piece, count: 8000 / piece.utf8.count)
        let start = ContinuousClock.now
        #expect(try !verdict("GET", path, yaml).hasPrefix("proxy"))
        let short = "/d/x" + String(repeating: piece, count: 20)
        #expect(try verdict("GET", short, yaml).hasPrefix("proxy"))
        #expect(ContinuousClock.now - start < .seconds(20))
    }
}
