import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("UpstreamURL")
struct UpstreamURLTests {
    struct Expected: Sendable {
        var isSecure = false
        var isHTTP2 = false
        var host: String
        var port: UInt16 = 80
        var path = ""
        var query: String?
        var authority: String
        var target = "/"
    }

    @Test("every part is read", arguments: [
        ("http://a", Expected(host: "a", authority: "a")),
        ("HTTP://A.Test:8080", Expected(host: "a.test", port: 8080, authority: "a.test:8080")),
        ("https://a", Expected(isSecure: true, host: "a", port: 443, authority: "a")),
        ("https://a:443", Expected(isSecure: true, host: "a", port: 443, authority: "a")),
        ("https://a:80", Expected(isSecure: true, host: "a", port: 80, authority: "a:80")),
        ("http://a:443", Expected(host: "a", port: 443, authority: "a:443")),
        ("http://a:1", Expected(host: "a", port: 1, authority: "a:1")),
        ("http://a:65535/", Expected(host: "a", port: 65535, path: "/", authority: "a:65535")),
        ("http://127.0.0.1:9000/base", Expected(host: "127.0.0.1", port: 9000, path: "/base", authority: "127.0.0.1:9000", target: "/base")),
        ("http://[::1]/B/%2F/", Expected(host: "::1", path: "/B/%2F/", authority: "[::1]", target: "/B/%2F/")),
        ("http://[2001:DB8::1]:81", Expected(host: "2001:db8::1", port: 81, authority: "[2001:db8::1]:81")),
        ("http://a?q", Expected(host: "a", query: "q", authority: "a", target: "/?q")),
        ("http://a/b?", Expected(host: "a", path: "/b", query: "", authority: "a", target: "/b?")),
        ("http://a/b?c?d/e%20", Expected(host: "a", path: "/b", query: "c?d/e%20", authority: "a", target: "/b?c?d/e%20")),
        ("h2c://a", Expected(isHTTP2: true, host: "a", authority: "a")),
        ("H2C://A:8080/b", Expected(isHTTP2: true, host: "a", port: 8080, path: "/b", authority: "a:8080", target: "/b")),
        ("h2c://a:443", Expected(isHTTP2: true, host: "a", port: 443, authority: "a:443")),
        ("http://my_service.default.svc.", Expected(host: "my_service.default.svc.", authority: "my_service.default.svc.")),
    ])
    func parts(text: String, expected: Expected) throws {
        let url = try UpstreamURL(text)
        #expect(url.isSecure == expected.isSecure && url.port == expected.port)
        #expect(url.versions == (expected.isHTTP2 ? .http2 : .http1))
        #expect(url.host == expected.host)
        #expect(url.path == expected.path)
        #expect(url.query == expected.query)
        #expect(url.authority == expected.authority)
        #expect(url.target == expected.target)
    }

    @Test("addresses are told from names")
    func addresses() throws {
        #expect(try UpstreamURL("http://127.0.0.1").address == IPAddress(v4: 127, 0, 0, 1))
        #expect(try UpstreamURL("http://[::1]").address == IPAddress(high: 0, low: 1))
        #expect(try UpstreamURL("http://1.example").address == nil)
    }

    @Test("anything else is refused with what would be right", arguments: [
        ("", "begins with http"), ("a", "begins with http"), ("//a", "begins with http"), ("ftp://a", "begins with http"), ("h2://a", "begins with http"), ("h2c:/a", "begins with http"), ("h2c://", "a host"),
        ("http:/a", "begins with http"), ("http://", "a host"), ("http:///a", "a host"), ("http://:80", "a host"), ("http://?a", "a host"),
        ("http://u@a", "user information"), ("http://u:p@a/", "user information"), ("http://a#f", "fragment"), ("http://a/#", "fragment"),
        ("http://a b", "visible ASCII"), ("http://a/\\b", "backslash"), ("http://ä", "visible ASCII"), ("http://a/\u{7F}", "visible ASCII"),
        ("http://a:", "a port"), ("http://a:0", "a port"), ("http://a:65536", "a port"), ("http://a:080", "a port"), ("http://a:+8", "a port"),
        ("http://a:b", "a port"), ("http://[::1]:", "a port"), ("http://[::1", "IPv6"), ("http://[]", "IPv6"), ("http://[1.2.3.4]", "IPv6"),
        ("http://[::1]a", "IPv6"), ("http://[::g]", "IPv6"), ("http://::1", "a port"), ("http://a_-.b", "a host"), ("http://-a", "a host"),
        ("http://a..b", "a host"), ("http://.", "a host"), ("http://a%41", "a host"), ("http://a,b", "a host"),
        ("http://256.0.0.1", "IPv4"), ("http://1.2.3", "IPv4"), ("http://7", "IPv4"), ("http://a.1", "IPv4"),
        ("http://a/../b", "normal form"), ("http://a/%", "normal form"), ("http://a/%2f", "normal form"), ("http://a/%41", "normal form"),
        ("http://a/%00", "normal form"), ("http://a?%", "query"), ("http://a?%2", "query"), ("http://a?%2g", "query"),
    ])
    func refused(text: String, allowed: String) throws {
        let error = try #require(throws: UpstreamURL.Malformed.self) { _ = try UpstreamURL(text) }
        #expect(error.allowed.contains(allowed), "\(error.allowed)")
    }

    @Test("a label of 63 bytes and a name of 253 are taken, one more of either is not")
    func lengths() throws {
        let label = String(repeating: "a", count: 63)
        let name = [label, label, label, String(repeating: "a", count: 61)].joined(separator: ".")
        #expect(try UpstreamURL("http://\(name)").host.utf8.count == 253)
        #expect(throws: UpstreamURL.Malformed.self) { _ = try UpstreamURL("http://\(name)a") }
        #expect(try UpstreamURL("http://\(label)").host == label)
        #expect(throws: UpstreamURL.Malformed.self) { _ = try UpstreamURL("http://\(label)a") }
    }
}
