import Foundation
import SluiceConfiguration
import Testing

@testable import SluiceGateway

@Suite("Own responses, configured")
struct ResponsesConfigurationTests {
    /// Every problem of a domain with these responses, as `line:column: keyPath: found X, allowed Y`.
    private func complaints(_ responses: String, path: String = "/items/{id}") throws -> [String] {
        let text = "domains:\n  - key: a\n    responses: \(responses)\n    endpoints: [{path: '\(path)', policies: {mock: {status: 200}}}]\n"
        let problems = Problems(file: "sluice.yaml", environment: [:])
        let node = try #require(ConfigurationNode.load(text: text, problems: problems), "\(problems.all)")
        _ = GatewayConfiguration.read(node, problems: problems)
        return problems.all.map { String($0.description.dropFirst("sluice.yaml:".count)) }
    }

    @Test("what may be written", arguments: [
        "{}", "{notFound: {status: 410}}", "{notFound: {headers: {X-Code: '${error.resultCode}'}}}", "{notFound: {bodies: {text/plain: ''}}}",
        "{badRequest: {status: 204}}", "{badRequest: {status: 304, headers: {X: y}}}", "{unauthorized: {status: 401, headers: {WWW-Authenticate: ''}}}",
        "{forbidden: {status: 401, headers: {WWW-Authenticate: Negotiate}}}", "{invalidContextVariable: {status: 500}}",
        "{notFound: {bodies: {application/json: '{\"code\": ${error.resultCode}, \"id\": \"a ${path.id} b ${host}\", \"b\": [${response.httpStatus}]}'}}}",
        "{notFound: {bodies: {text/html: '<p>${path.id+}', 'text/plain; charset=utf-8': '${path.id}'}}}",
    ])
    func good(responses: String) throws {
        #expect(try complaints(responses) == [])
    }

    @Test("what may not, with its place", arguments: [
        ("{teapot: {status: 418}}", "3:17"), ("{notFound: {}}", "3:27"), ("{notFound: {status: 199}}", "199"), ("{notFound: {status: 600}}", "600"), ("{notFound: {status: 101}}", "101"),
        ("{notFound: {status: 204, bodies: {text/plain: x}}}", "the status 204, which has no body"),
        ("{notFound: {status: 304, bodies: {text/plain: x}}}", "the status 304, which has no body"),
        ("{notFound: {status: 205, bodies: {text/plain: x}}}", "the status 205, which has no body"),
        ("{notFound: {status: 401}}", "asks for no credentials"), ("{notFound: {headers: {Content-Type: a/b}}}", "Content-Type"),
        ("{notFound: {headers: {Content-Length: '1'}}}", "Content-Length"), ("{notFound: {headers: {Date: x}}}", "Date"), ("{notFound: {headers: {Connection: close}}}", "Connection"),
        ("{notFound: {headers: {'a b': x}}}", "a b"), ("{notFound: {headers: {X: \"a\\r\\nb\"}}}", "a field value"), ("{notFound: {bodies: {}}}", "no body"),
        ("{notFound: {bodies: {'*/*': x}}}", "*/*"), ("{notFound: {bodies: {text: x}}}", "a content type"), ("{notFound: {bodies: {text/html: x, TEXT/HTML: y}}}", "a second time"),
        ("{notFound: {bodies: {text/plain: '${nothing}'}}}", "the unknown variable \"nothing\" at line 1, column 1"),
        ("{notFound: {bodies: {text/plain: \"a\\nb${host\"}}}", "a `${` without its `}` at line 2, column 2"),
        ("{notFound: {headers: {X: 'a ${queryString.}'}}}", "at line 1, column 3"), ("{notFound: {bodies: {text/plain: '${path.other}'}}}", "path.other"),
        ("{notFound: {bodies: {application/json: '{\"a\": ${header.X}}'}}}", "${header.X} outside a string of JSON at line 1, column 7"),
        ("{notFound: {bodies: {application/json: '{\"a\": \"${header.X}\", \"b\": ${header.X}}'}}}", "column 27"),
        ("{notFound: {bodies: {application/json: '{\"a\": \"\\${header.X}\"}'}}}", "not JSON"), ("{notFound: {bodies: {application/problem+json: '{'}}}", "not JSON"),
        ("{notFound: {bodies: {application/json: '{\"a\": 1, \"a\": 2}'}}}", "a member stands twice"),
        ("{notFound: {bodies: {application/json: '{\"a\": 1, \"${header.X}\" : 2}'}}}", "${header.X} in a member's name at line 1, column 11"),
        ("{notFound: {bodies: {application/json: '{\"a\": \"\\u123${header.X}\"}'}}}", "not JSON"),
        ("{notFound: {bodies: {application/json: '{\"a\": \"${queryString.x\"y}\"}'}}}", "unknown variable"),
        ("{notFound: {status: 401, headers: {WWW-Authenticate: ''}}}", "asks for no credentials"),
        ("{forbidden: {status: 401, headers: {WWW-Authenticate: '$!{header.X}'}}}", "asks for no credentials"), ("{notFound: {bodies: {text/plain: 7}}}", "3:"),
    ])
    func bad(responses: String, part: String) throws {
        let found = try complaints(responses)
        #expect(found.count == 1 && found[0].contains(part), "\(found)")
        #expect(found.allSatisfy { $0.hasPrefix("3:") }, "\(found)")
    }

    private func domains(_ text: String) throws -> (domains: [GatewayConfiguration.DomainConfiguration], problems: [String]) {
        let problems = Problems(file: "f", environment: [:])
        let node = try #require(ConfigurationNode.load(text: text, problems: problems), "\(problems.all)")
        let read = GatewayConfiguration.read(node, problems: problems)
        return (read.domains, problems.all.map(\.description))
    }

    @Test("at the top they are every domain's, and a domain's own take their place type by type; so does its family")
    func common() throws {
        let (domains, problems) = try domains("""
            errors: problem
            responses: {notFound: {status: 410}, forbidden: {status: 404, bodies: {text/plain: '${path.id}'}}}
            domains:
              - {key: a, endpoints: [{path: '/{id}', policies: {mock: {status: 200}}}]}
              - {key: b, errors: v1, responses: {notFound: {status: 405}, badRequest: {status: 422}}, endpoints: []}

            """)
        #expect(problems == [] && domains.map(\.errors) == [.problem, .v1])
        let statuses = domains.map { domain in [.notFound, .forbidden, .badRequest].map { (type: ResponseType) in domain.responses.responses[type]?.status } }
        #expect(statuses == [[410, 404, nil], [405, 404, 422]])
        #expect(domains[0].responses.pathVariables.count == 1)
        let (_, unknown) = try self.domains("responses: {notFound: {bodies: {text/plain: '${path.x}'}}}\ndomains: [{key: a, endpoints: [{path: '/{id}', policies: {mock: {status: 200}}}]}]\n")
        #expect(unknown.count == 1 && unknown[0].contains("which no path of a domain has"), "\(unknown)")
    }

    @Test("what caches would keep without being told to is kept by nobody, unless the operator says otherwise", arguments: [
        ("notFound", "bodies: {text/plain: x}", ["no-store"]), ("unauthorized", "status: 404", ["no-store"]), ("unauthorized", "bodies: {text/plain: x}", []),
        ("forbidden", "status: 200", ["no-store"]), ("forbidden", "status: 302", []), ("notFound", "status: 403", []),
        ("notFound", "headers: {cache-control: max-age=5}", ["max-age=5"]), ("notFound", "status: 410, headers: {Cache-Control: ''}", [""]),
    ])
    func caches(type: String, response: String, values: [String]) throws {
        let (domains, problems) = try domains("domains: [{key: a, responses: {\(type): {\(response)}}, endpoints: []}]\n")
        #expect(problems == [])
        let found = try #require(domains[0].responses.responses.first)
        let headers = found.value.keptByNobody(found.key).headers.filter { $0.name.lowercased() == "cache-control" }
        #expect(try headers.map { "\($0.value)" } == values.map { "\(try ResponseTemplate($0))" })
    }

    @Test("variables of paths: whole segments with no `**` before them", arguments: [("/a/{x}/**", true), ("/**/{x}", false), ("/{x}.json", false), ("/{x:[0-9]+}", true)])
    func paths(path: String, isKnown: Bool) throws {
        #expect(try complaints("{notFound: {bodies: {text/plain: '${path.x}'}}}", path: path).isEmpty == isKnown)
    }

    @Test("sizes, from both sides")
    func sizes() throws {
        let text = String(repeating: "a", count: 32 * 1024 - 7)
        #expect(try complaints("{notFound: {bodies: {text/plain: '\(text)${host}'}}}") == [])
        #expect(try complaints("{notFound: {bodies: {text/plain: '\(text)b${host}'}}}").count == 1)
        let long = String(repeating: "a", count: 1 << 20)
        #expect(try complaints("{notFound: {bodies: {text/plain: '\(long)'}}}") == [])
        #expect(try complaints("{notFound: {bodies: {text/plain: '\(long)b'}}}").count == 1)
        let types = { (count: Int) in (0..<count).map { "text/a\($0): x" }.joined(separator: ", ") }
        #expect(try complaints("{notFound: {bodies: {\(types(8))}}}") == [])
        #expect(try complaints("{notFound: {bodies: {\(types(9))}}}").count == 1)
    }

    @Test("every error belongs to a type, and every type but one to an error")
    func types() throws {
        let used = Set(Refusal.Row.allCases.map(\.responseType))
        #expect(Set(ResponseType.allCases).subtracting(used) == [.jwksError, .invalidContextVariable])
        #expect(ResponseType.allCases.count == 14)
        let page = try String(contentsOf: URL(filePath: #filePath).appending(path: "../../../../docs/responses.md").standardized, encoding: .utf8)
        for row in Refusal.Row.allCases {
            let line = page.split(separator: "\n").first { $0.hasPrefix("| `\(row.responseType.key)` |") }
            #expect(line?.contains("`\(row.label)`") == true, "\(row) is missing in the table of types")
        }
        #expect(Set(ResponseType.allCases.map(\.key)) == [
            "upstreamServiceUnavailable", "gatewayTimeout", "unauthorized", "jwksError", "preApiFailed", "forbidden", "rateLimited", "usageQuotaExceeded", "invalidUri",
            "notFound", "badGateway", "invalidContextVariable", "badRequest", "internalServerError",
        ])
    }
}
