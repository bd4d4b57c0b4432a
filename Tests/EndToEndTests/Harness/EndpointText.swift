/// One endpoint of a test's configuration. Policies are one YAML flow mapping.
struct EndpointText {
    var path: String
    var methods = "GET, POST, PUT, PATCH, DELETE"
    var policies = ""

    init(_ path: String, methods: String = "GET, POST, PUT, PATCH, DELETE", _ policies: String = "") {
        self.path = path
        self.methods = methods
        self.policies = policies
    }
}

/// A configuration with one project and one domain, written as an operator writes it.
/// - Parameters:
///   - policies: the domain's, one YAML flow mapping.
///   - domain: further lines of the domain, such as `hosts: [...]`.
///   - top: further lines of the file.
func configuration(
    key: String = "api", ceiling: Int = 10_000, upstream: String = "http://127.0.0.1:9", policies: String = "",
    domain: [String] = [], top: [String] = [], _ endpoints: [EndpointText] = [EndpointText("/**")]
) -> String {
    var lines = top
    lines += ["projects:", "  main: {ceiling: \(ceiling)}", "domains:"]
    lines += domainLines(key: key, upstream: upstream, policies: policies, domain: domain, endpoints)
    return lines.joined(separator: "\n") + "\n"
}

/// The lines of one more domain under `domains:`.
func domainLines(
    key: String, upstream: String, policies: String = "", domain: [String] = [], _ endpoints: [EndpointText] = [EndpointText("/**")]
) -> [String] {
    var lines = ["  - key: \(key)", "    project: main", "    upstream: \(upstream)"]
    lines += domain.map { "    " + $0 }
    if !policies.isEmpty { lines.append("    policies: {\(policies)}") }
    lines.append("    endpoints:")
    for endpoint in endpoints {
        lines.append("      - path: \"\(endpoint.path)\"")
        lines.append("        methods: [\(endpoint.methods)]")
        if !endpoint.policies.isEmpty { lines.append("        policies: {\(endpoint.policies)}") }
    }
    return lines
}

/// A mock that answers 200 with a body: for tests of the steps before it.
let helloMock = "mock: {status: 200, headers: {Content-Type: text/plain}, body: \"hello\"}"
