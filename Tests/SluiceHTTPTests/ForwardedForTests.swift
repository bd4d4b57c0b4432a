import SluiceHTTP
import Testing

@Suite struct ForwardedForTests {
    /// The client, with 10.0.0.0/8 and ::1 trusted, seen from a peer with these X-Forwarded-For lines.
    private func client(peer: String, lines: [String]) -> String {
        let text = "GET / HTTP/1.1\r\nHost: a\r\n" + lines.map { "X-Forwarded-For: \($0)\r\n" }.joined() + "\r\n"
        return request(text) { _, head, bytes in
            ForwardedFor.client(peer: IPAddress(peer)!, fields: head.fields, in: bytes) {
                CIDR("10.0.0.0/8")!.contains($0) || $0 == IPAddress("::1")!
            }.description
        }
    }

    @Test("the walk from the right ends at the first address that is not trusted", arguments: [
        ("192.0.2.1", ["1.1.1.1"], "192.0.2.1"), ("10.0.0.1", [], "10.0.0.1"), ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["2.2.2.2, 1.1.1.1"], "1.1.1.1"), ("10.0.0.1", ["1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["2.2.2.2,1.1.1.1 ,\t10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"), ("10.0.0.1", ["1.1.1.1", "10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["2.2.2.2", "1.1.1.1"], "1.1.1.1"),
        ("::1", ["1.1.1.1"], "1.1.1.1"), ("::ffff:10.0.0.1", ["1.1.1.1"], "1.1.1.1"), ("10.0.0.1", ["1.1.1.1,,"], "1.1.1.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
    ] as [(String, [String], String)])
    func walk(peer: String, lines: [String], expected: String) {
        #expect(client(peer: peer, lines: lines) == expected)
    }

    @Test("an entry that is no address ends the walk with the last good one", arguments: [
        "unknown", "_hidden", "1.1.1.1 2.2.2.2", "1.1.1", "[::1", "::1]", "1.1.1.1:", "1.1.1.1:x", "1.1.1.1:65536", "[1.1.1.1]",
        "\"1.1.1.1\"",
    ])
    func unparsable(entry: String) {
        #expect(client(peer: "10.0.0.1", lines: ["1.1.1.1, \(entry), 10.0.0.2"]) == "10.0.0.2")
        #expect(client(peer: "10.0.0.1", lines: [entry]) == "10.0.0.1")
    }

    @Test("a chain of more than 64 proxies is not followed further; empty entries do not count")
    func longChains() {
        #expect(client(peer: "10.0.0.1", lines: ["1.1.1.1" + String(repeating: ",10.0.0.2", count: 63)]) == "1.1.1.1")
        #expect(client(peer: "10.0.0.1", lines: ["1.1.1.1" + String(repeating: ",10.0.0.2", count: 64)]) == "10.0.0.2")
        #expect(client(peer: "10.0.0.1", lines: ["1.1.1.1", "10.0.0.3" + String(repeating: ",10.0.0.2", count: 62)]) == "1.1.1.1")
        #expect(client(peer: "10.0.0.1", lines: ["1.1.1.1", "10.0.0.3" + String(repeating: ",10.0.0.2", count: 63)]) == "10.0.0.3")
        #expect(client(peer: "10.0.0.1", lines: ["1.1.1.1", String(repeating: ", ", count: 5_000)]) == "1.1.1.1")
    }

    @Test("entries may carry ports and brackets", arguments: [
        ("1.1.1.1:80", "1.1.1.1"), ("2001:db8::1", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:65535", "2001:db8::1"), ("::ffff:1.1.1.1", "1.1.1.1"),
    ])
    func spellings(entry: String, expected: String) {
        #expect(client(peer: "10.0.0.1", lines: [entry]) == expected)
    }
}
