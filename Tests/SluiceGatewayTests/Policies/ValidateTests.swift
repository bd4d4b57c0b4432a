import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// The policy `validate`: what an operator may require, and what counts as being there.
@Suite("Validate")
struct ValidateTests {
    /// The detail of the refusal; nil if the request passes.
    private func missing(_ policy: PolicyFixture<Validate>, _ request: String) throws -> String? {
        let test = try TestExchange(request)
        switch try policy.faultless().evaluate(&test.exchange) {
        case .proceed: return nil
        case .refuse(let refusal):
            #expect(refusal.row == .validationFailed)
            #expect(refusal.toldDetail.string == refusal.detail.string)
            return refusal.detail.string
        default: return "another verdict"
        }
    }

    @Test("a parameter is there if its decoded name is, with a value or without; names differ by case", arguments: [
        ("/?from=1&to=2", nil), ("/?to&from", nil), ("/?from=&to=", nil), ("/?x=1&fr%6fm=1&&to=%20", nil), ("/?%66rom=a=b&to", nil),
        ("/", "from"), ("/?", "from"), ("/?to=1", "from"), ("/?from=1", "to"), ("/?From=1&to=1", "from"), ("/?x=from&to=1", "from"),
        ("/?fromage=1&to=1", "from"), ("/?fro=1&to=1", "from"), ("/?fro%6=1&to=1", "from"), ("/?from%3D1&to=1", "from"), ("/?from=1;to=1", "to"),
    ] as [(String, String?)])
    func parameters(target: String, name: String?) throws {
        let policy = try PolicyFixture(Validate.self, "{query: {required: [from, to]}}")
        #expect(try missing(policy, "GET \(target)") == name.map { "query parameter \($0) missing" })
    }

    @Test("a header is there if a line of its name is that goes on to the upstream, empty or not", arguments: [
        ("X-Tenant: a\nx-trace: b", nil), ("x-tENANT:\nX-Trace: 1\nX-Trace: 2", nil), ("Connection: x-tenant\nX-Tenant: a\nX-Trace: b", nil),
        ("X-Trace: b", "X-Tenant"), ("X-Tenant: a", "X-Trace"), ("X-Tenan: a\nX-Trace: b", "X-Tenant"), ("X-Tenants: a\nX-Trace: b", "X-Tenant"),
    ] as [(String, String?)])
    func headers(lines: String, name: String?) throws {
        let policy = try PolicyFixture(Validate.self, "{headers: {required: [X-Tenant, X-Trace]}}")
        #expect(try missing(policy, "GET /\n\(lines)") == name.map { "header \($0) missing" })
    }

    @Test("the query is looked at first, and sixteen names are told apart")
    func many() throws {
        let names = (1...16).map { "p\($0)" }
        let policy = try PolicyFixture(Validate.self, "{query: {required: [\(names.joined(separator: ", "))]}, headers: {required: [X-A]}}")
        #expect(try missing(policy, "GET /?" + names.joined(separator: "&")) == "header X-A missing")
        for name in names {
            let others = names.filter { $0 != name }.joined(separator: "&")
            #expect(try missing(policy, "GET /?\(others)\nX-A: 1") == "query parameter \(name) missing")
        }
    }

    @Test("without a name there is nothing to do")
    func nothing() throws {
        let policy = try PolicyFixture(Validate.self, "{}")
        #expect(policy.complaints == [] && policy.compiled == nil)
    }

    @Test("configuration: each problem with its place", arguments: [
        ("{query: {}}", "1:9: query.required: found nothing, allowed a list of texts (required)"),
        ("{query: {required: []}}", "1:20: query.required: found an empty list, allowed at least one name"),
        ("{query: {required: ['a b']}}", "1:21: query.required[0]: found \"a b\", allowed letters, digits and any of -._~[]$:"),
        ("{query: {required: ['']}}", "1:21: query.required[0]: found \"\", allowed letters, digits and any of -._~[]$:"),
        ("{query: {required: [a, a]}}", "1:24: query.required[1]: found \"a\" a second time, allowed each name once"),
        ("{headers: {required: [X-A, x-a]}}", "1:28: headers.required[1]: found \"x-a\" a second time, allowed each name once"),
        ("{headers: {required: [Connection]}}", "1:23: headers.required[0]: found \"Connection\", allowed the name of a header that is sent on"),
        ("{headers: {required: ['a%b']}}", "1:23: headers.required[0]: found \"a%b\", allowed the name of a header that is sent on"),
        ("{bodies: {}}", "1:2: bodies: found the unknown key \"bodies\", allowed query, headers, path, body or form"),
    ])
    func problems(yaml: String, problem: String) throws {
        let policy = try PolicyFixture(Validate.self, yaml)
        #expect(policy.complaints == [problem])
    }

    @Test("configuration: 16 names and 128 bytes, and not one more")
    func bounds() throws {
        func complaints(_ names: [String]) throws -> [String] {
            try PolicyFixture(Validate.self, "{query: {required: [\(names.joined(separator: ", "))]}}").complaints
        }
        #expect(try complaints((1...16).map { "p\($0)" }) == [])
        #expect(try complaints((1...17).map { "p\($0)" }) == ["1:20: query.required: found 17 names, allowed at most 16"])
        #expect(try complaints([String(repeating: "a", count: 128)]) == [])
        #expect(try complaints([String(repeating: "a", count: 129)]) == ["1:21: query.required[0]: found a name of 129 bytes, allowed at most 128"])
    }

    @Test("a header that bears a claim of the domain's cannot be required")
    func claims() throws {
        let problems = Problems(file: "sluice.yaml", environment: [:])
        let text = """
            domains:
              - key: a
                upstream: http://a
                policies: {jwt: {secret: 0123456789abcdef0123456789abcdef, forward: {sub: X-User}}}
                endpoints: [{path: /a, policies: {validate: {headers: {required: [x-user]}}}}]
            """
        let tree = try #require(ConfigurationNode.load(text: text, problems: problems))
        _ = GatewayConfiguration.read(tree, problems: problems)
        #expect(problems.all.map(\.description) == [
            "sluice.yaml:5:71: domains[0].endpoints[0].policies.validate.headers.required[0]: found \"x-user\", which carries the claim \"sub\"; "
                + "what a client sends under it is removed, allowed the name of another header",
        ])
    }

    @Test("a header that the endpoint removes cannot be required; of one that hardly any client can send `check` tells", arguments: [
        ("x-a", "X-A", ["found \"X-A\", which the endpoint's `headers.request.remove` takes away, allowed a header that the upstream gets"]),
        ("x-b", "X_A", ["found \"X_A\", a name that is dropped unless SLUICE_UNUSUAL_FIELDS is `pass`, so that no request passes, allowed a name of letters, digits and hyphens"]),
        ("x-b", "X-Forwarded-Host", ["found \"X-Forwarded-Host\", which only trusted proxies may send, so that other clients do not pass, allowed a header that clients send"]),
        ("x-b", "X-A", []),
    ])
    func promises(removed: String, required: String, found: [String]) throws {
        let problems = Problems(file: "sluice.yaml", environment: [:])
        let text = """
            domains:
              - key: a
                upstream: http://a
                endpoints: [{path: /a, policies: {headers: {request: {remove: [\(removed)]}}, validate: {headers: {required: [\(required)]}}}}]
            """
        let tree = try #require(ConfigurationNode.load(text: text, problems: problems))
        _ = GatewayConfiguration.read(tree, problems: problems)
        let all = problems.all.map(\.description)
        #expect(all.count == found.count && zip(all, found).allSatisfy { $0.hasSuffix($1) }, "\(all)")
    }
}
