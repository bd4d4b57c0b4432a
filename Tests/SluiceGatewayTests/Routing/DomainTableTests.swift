import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Domain tables")
struct DomainTableTests {
    /// Domain `n` stands on line `10 * (n + 1)`, its hosts on the lines after it.
    private struct Fixture {
        let arena = Arena()
        let problems = Problems(file: "test.yaml")
        let table: DomainTable

        init(_ domains: [(key: String, hosts: [String])]) {
            let sources = domains.enumerated().map { index, domain in
                DomainSource(
                    key: located(domain.key, line: 10 * (index + 1)),
                    hosts: domain.hosts.enumerated().map { located($1, line: 10 * (index + 1) + $0 + 1) })
            }
            table = DomainTable.compile(sources, into: arena, problems: problems)
        }

        func lookUp(_ host: String?, _ path: String) -> DomainMatch? {
            withExtendedLifetime(arena) {
                withView(path) { path in
                    guard let host else { return table.lookUp(host: nil, path: path) }
                    return withView(host) { table.lookUp(host: $0, path: path) }
                }
            }
        }
    }

    private let shop = Fixture([
        ("orders", ["orders.example.com", "[::1]", "10.0.0.1"]), ("wild", ["*.example.com"]), ("rest", ["*"]), ("plain", []),
        ("deep", ["*.a.example.com"]),
    ])

    @Test(
        "host over wildcard over key over any host; a wildcard is one label",
        arguments: [
            ("orders.example.com", "/plain/x", 0, DomainMatch.Rule.host, 0), ("x.example.com", "/plain/x", 1, .wildcardHost, 0),
            ("a.example.com", "/", 1, .wildcardHost, 0), ("b.a.example.com", "/", 4, .wildcardHost, 0),
            ("c.b.a.example.com", "/plain/x", 3, .key, 6), ("example.com", "/plain/x", 3, .key, 6),
            (".example.com", "/plain/x", 3, .key, 6), ("other", "/orders/x", 0, .key, 7), ("other", "/unknown/x", 2, .anyHost, 0),
            ("other", "/wild", 1, .key, 5),
        ])
    func precedence(host: String, path: String, domain: Int, rule: DomainMatch.Rule, restStart: Int) {
        #expect(shop.problems.isEmpty)
        #expect(shop.lookUp(host, path) == DomainMatch(domain: domain, rule: rule, restStart: restStart))
    }

    @Test(
        "a host is found in any case, with a port, with one final dot",
        arguments: [
            ("ORDERS.Example.com", true), ("orders.example.com:8080", true), ("orders.example.com.", true),
            ("orders.example.com.:80", true), ("orders.example.com:", true), ("orders.example.com..", false),
            ("[::1]", true), ("[::1]:80", true), ("[::1", false), ("[::2]", false), ("10.0.0.1:80", true), ("10.0.0.2", false),
            ("", false), (".", false), (":80", false), ("[", false),
        ])
    func spellings(host: String, isOrders: Bool) {
        #expect((shop.lookUp(host, "/")?.rule == .host) == isOrders)
    }

    @Test("host names of 255 bytes are looked up, longer ones are no domain's")
    func longHosts() {
        let suffix = ".example.com"
        #expect(shop.lookUp(String(repeating: "x", count: 255 - suffix.count) + suffix, "/")?.rule == .wildcardHost)
        #expect(shop.lookUp(String(repeating: "x", count: 256 - suffix.count) + suffix, "/")?.rule == .anyHost)
    }

    @Test(
        "by key: the rest begins at the slash, or is empty for the key alone",
        arguments: [
            ("/plain", 3, 6), ("/plain/", 3, 6), ("/plain/a/b", 3, 6), ("/plain//", 3, 6), ("/orders", 0, 7),
        ])
    func keys(path: String, domain: Int, restStart: Int) {
        #expect(shop.lookUp(nil, path) == DomainMatch(domain: domain, rule: .key, restStart: restStart))
    }

    @Test("keys are compared to the letter and as a whole segment", arguments: ["/Plain/x", "/plai/x", "/plainx/x", "//plain", "/", "", "plain"])
    func noKey(path: String) {
        #expect(Fixture([("plain", [])]).lookUp(nil, path) == nil)
        #expect(shop.lookUp(nil, path)?.rule == .anyHost)
    }

    @Test("a table without domains finds none")
    func empty() {
        #expect(Fixture([]).lookUp("a", "/a") == nil)
    }

    @Test(
        "keys that are no segment in normal form are a problem",
        arguments: ["", "a/b", "/a", ".", "..", "a%2D", "a%20", "a b", "é", "a?", "a#", "a\\", "a\u{0}", "{a}"])
    func badKeys(key: String) {
        let fixture = Fixture([(key, [])])
        #expect(fixture.problems.all.map(\.position.line) == [10])
        #expect(fixture.lookUp(nil, "/" + key) == nil)
    }

    @Test("every character of a segment may stand in a key", arguments: ["...", "a-b._~!$&'()*+,;=:@", "v1.0", "A"])
    func goodKeys(key: String) {
        let fixture = Fixture([(key, [])])
        #expect(fixture.problems.isEmpty)
        #expect(fixture.lookUp(nil, "/\(key)/x")?.domain == 0)
    }

    @Test(
        "hosts that are none are a problem each",
        arguments: [
            ("a.com:80", "without a port"), ("[::1]:80", "without a port"), ("é.com", "xn--"), ("a*.com", "whole first label"),
            ("a.*.com", "whole first label"), ("*.*.com", "whole first label"), ("**", "whole first label"), ("", "a host name"),
            ("*.", "a host name"), ("a..b", "a host name"), (".a", "a host name"), ("-a.com", "a host name"),
            ("a-.com", "a host name"), ("a b", "a host name"), ("http://a", "without a port"), ("a/b", "a host name"),
            ("[::g]", "IPv6"), ("[]", "IPv6"), ("[10.0.0.1]", "IPv6"), ("*.[::1]", "without a port"), ("::1", "without a port"),
            ("a.b..", "a host name"), (String(repeating: "a", count: 64), "a host name"),
        ])
    func badHosts(host: String, allowed: String) {
        let fixture = Fixture([("k", [host])])
        #expect(fixture.problems.count == 1)
        #expect(fixture.problems.all.first?.position.line == 11)
        #expect(fixture.problems.all.first?.allowed.contains(allowed) == true)
    }

    @Test("hosts of every allowed shape", arguments: ["a", "A.Com", "a.com.", "xn--caf-dma.com", "a_b.c", "1.2.3.4", "[2001:DB8::1]", String(repeating: "a", count: 63)])
    func goodHosts(host: String) {
        let fixture = Fixture([("k", [host])])
        #expect(fixture.problems.isEmpty)
        #expect(fixture.lookUp(host, "/")?.rule == .host)
    }

    @Test("a name of 253 characters is allowed, of 254 not")
    func longestHost() {
        let label = String(repeating: "a", count: 62) + "."
        let stem = String(repeating: label, count: 4)
        #expect(Fixture([("k", [stem + "b"])]).problems.isEmpty)
        #expect(Fixture([("k", [stem + "bb"])]).problems.count == 1)
    }

    @Test("a name that two domains claim is a problem at the second that names the first's line; the first keeps it")
    func duplicates() {
        let fixture = Fixture([
            ("a", ["x.com", "*.x.com", "*", "X.com."]), ("a", ["X.COM", "*.X.com", "*"]), ("A", ["y.com", "y.x.com"]),
        ])
        #expect(fixture.problems.all.map(\.position.line) == [14, 20, 21, 22, 23])
        #expect(
            fixture.problems.all.map { $0.allowed.split(separator: " ").last } == ["11", "10", "11", "12", "13"])
        #expect(fixture.lookUp("x.com", "/")?.domain == 0)
        #expect(fixture.lookUp("y.x.com", "/")?.domain == 2)
        #expect(fixture.lookUp(nil, "/a")?.domain == 0)
    }
}
