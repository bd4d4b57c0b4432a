import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("HeaderChanges")
struct HeaderChangesTests {
    @Test("set fields are rendered in the order of the file; set and removed names are left out, whatever their case")
    func compiles() throws {
        let policy = try PolicyFixture(
            HeaderChanges.self,
            "{request: {set: {X-Gateway: sluice, A: ''}, remove: [X-Debug, x-gateway]}, response: {set: {X-Served-By: s}}}")
        let changes = try policy.faultless()
        #expect(changes.request.setLines.string == "X-Gateway: sluice\r\nA: \r\n")
        for name in ["x-gateway", "X-GATEWAY", "a", "A", "x-DEBUG"] { #expect(drops(changes.request, name)) }
        for name in ["x-gatewax", "x-gatewa", "x-gateway1", "b", "x-debuh", "x-served-by", ""] {
            #expect(!drops(changes.request, name))
        }
        #expect(changes.response.setLines.string == "X-Served-By: s\r\n")
        #expect(drops(changes.response, "X-Served-By") && !drops(changes.response, "X-Debug"))
    }

    private func drops(_ changes: FieldChanges, _ name: String) -> Bool { name.withByteView { changes.drops($0) } }

    @Test("names longer than the 63 lengths that are told apart are still compared whole")
    func longNames() throws {
        let name = String(repeating: "x", count: 80)
        let changes = try PolicyFixture(HeaderChanges.self, "{request: {remove: [\(name)]}}")
        #expect(try drops(changes.faultless().request, name))
        #expect(try !drops(changes.faultless().request, String(name.dropLast())))
    }

    @Test("a line of a parsed head is left out by its name, whether the gateway knows the field or not")
    func dropsLines() throws {
        let policy = try PolicyFixture(
            HeaderChanges.self, "{request: {set: {x-forwarded-for: a}, remove: [authorization, x-debug]}}")
        let changes = try policy.faultless().request
        let test = try TestExchange("GET /\nHost: h\nAuthorization: b\nX-Debug: 1\nOrigin: o\nX-Other: 2\nX-Forwarded-For: c")
        let bytes = test.exchange.headBytes
        let kept = (0..<test.exchange.head.fields.count)
            .map { test.exchange.head.fields[$0] }.filter { !changes.drops($0, in: bytes) }.map { bytes[$0.name].string }
        #expect(kept == ["Host", "Origin", "X-Other"])
        #expect(changes.drops(.xForwardedFor) && !changes.drops(.xForwardedHost))
    }

    @Test("an empty policy changes nothing")
    func empty() throws {
        let policy = try PolicyFixture(HeaderChanges.self, "{request: {}}")
        let changes = try policy.faultless()
        #expect(changes.request.isEmpty && changes.response.isEmpty)
        #expect(changes.request.setLines.isEmpty && !drops(changes.request, "a"))
    }

    @Test("configuration: hop-by-hop and framing fields can be neither set nor removed", arguments: [
        "Connection", "keep-alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "UPGRADE", "Content-Length",
    ])
    func reservedFields(name: String) throws {
        for direction in ["request", "response"] {
            let policy = try PolicyFixture(HeaderChanges.self, "\(direction):\n  set: {\(name): a}\n  remove: [\(name)]\n")
            #expect(policy.configuration == nil)
            try #require(policy.complaints.count == 2)
            #expect(policy.complaints[0].hasPrefix("2:9: \(direction).set.\(name): found the field \"\(name)\", allowed an end-to-end field"))
            #expect(policy.complaints[1].hasPrefix("3:12: \(direction).remove[0]: found the field \"\(name)\", allowed an end-to-end field"))
        }
    }

    @Test("configuration: Host and Expect are the gateway's in a request, and mean nothing in a response", arguments: ["Host", "Expect"])
    func requestOnly(name: String) throws {
        #expect(try PolicyFixture(HeaderChanges.self, "{request: {set: {\(name): a}}}").complaints.count == 1)
        #expect(try PolicyFixture(HeaderChanges.self, "{request: {remove: [\(name)]}}").complaints.count == 1)
        #expect(try PolicyFixture(HeaderChanges.self, "{response: {set: {\(name): a}}}").complaints == [])
    }

    @Test("configuration: bad names and values, a name twice and unknown keys are all reported where they stand")
    func faults() throws {
        let policy = try PolicyFixture(
            HeaderChanges.self,
            "request:\n  set: {'A B': a, X: \"a\\nb\", x: c}\n  remove: ['', 5]\nresponse:\n  sett: {}\nrequests: {}\n")
        #expect(policy.configuration == nil)
        #expect(policy.complaints == [
            ##"2:9: request.set["A B"]: found "A B", allowed a field name (letters, digits and !#$%&'*+-.^_`|~)"##,
            ##"2:22: request.set.X: found "a\nb", allowed a field value (no control characters, no blanks at its ends)"##,
            ##"2:30: request.set.x: found the field "x" a second time, allowed each field once, whatever the case of its letters"##,
            ##"3:12: request.remove[0]: found "", allowed a field name (letters, digits and !#$%&'*+-.^_`|~)"##,
            "3:16: request.remove[1]: found the integer 5, allowed text (in quotes)",
            ##"5:3: response.sett: found the unknown key "sett" (did you mean set?), allowed set or remove"##,
            ##"6:1: requests: found the unknown key "requests" (did you mean request?), allowed request or response"##,
        ])
    }
}
