/// Where an OpenAPI document says that its API is (OpenAPI 3.1, "Server Object").
///
/// The first server decides on the base path. Hosts are those of all servers with the same one. A URL without a host is relative to the root.
struct OpenAPIServers {
    /// Nil without one, or with `/`.
    private(set) var basePath: ConfigurationNode?
    /// Host and port, as they are written.
    private(set) var hosts: [ConfigurationNode] = []

    init(_ document: ConfigurationNode, _ problems: Problems) {
        guard let servers = document["servers"] else { return }
        guard let elements = servers.elements else {
            problems.add(at: servers, found: servers.found, allowed: "a list of servers")
            return
        }
        var first: String?
        for element in elements {
            guard let server = Self.server(element, problems) else { continue }
            if let first, first != server.path {
                problems.note(
                    at: server.place, "the path \(Quoting.quoted(server.path)) of this server has no effect: the API is where the first server says")
                continue
            }
            if first == nil {
                first = server.path
                if !server.path.isEmpty { basePath = .string(server.path, at: server.place) }
            }
            if let host = server.host, !hosts.contains(where: { $0.text == host }) { hosts.append(.string(host, at: server.place)) }
        }
    }

    private struct Server {
        let place: ConfigurationNode
        let host: String?
        /// Empty for the root; otherwise it begins with a slash and does not end with one.
        let path: String
    }

    private static func server(_ node: ConfigurationNode, _ problems: Problems) -> Server? {
        guard let reader = MappingReader(node, problems), let url = reader.requiredString("url", allowed: "a URL") else { return nil }
        guard let text = filled(url, node["variables"], problems) else { return nil }
        let place = node["url"] ?? node
        guard let (host, path) = parts(text) else {
            problems.add(at: place, found: Quoting.quotedURL(text), allowed: "a URL, or a path without dot segments, braces and asterisks")
            return nil
        }
        return Server(place: place, host: host, path: path)
    }

    /// The URL with the defaults of its variables; nil, and a problem, if one has none.
    private static func filled(_ url: Located<String>, _ variables: ConfigurationNode?, _ problems: Problems) -> String? {
        var text = ""
        var rest = url.value[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            let name = String(rest[rest.index(after: open)..<close])
            guard let value = variables?[name]?["default"].flatMap(plain) else {
                problems.add(at: url, found: "the variable \(Quoting.quoted(name)) without a default", allowed: "a `default` for each variable")
                return nil
            }
            text += rest[..<open] + value
            rest = rest[rest.index(after: close)...]
        }
        return text + rest
    }

    /// Text; a port is often written as a number.
    private static func plain(_ node: ConfigurationNode) -> String? {
        switch node.content {
        case .string(let text): text
        case .integer(let number): "\(number)"
        default: nil
        }
    }

    private static func parts(_ url: String) -> (host: String?, path: String)? {
        var rest = url[...]
        if let end = rest.firstIndex(where: { $0 == "?" || $0 == "#" }) { rest = rest[..<end] }
        var host: String?
        if let start = rest.firstRange(of: "//"), rest[..<start.lowerBound].allSatisfy({ $0 != "/" }) {
            rest = rest[start.upperBound...]
            let end = rest.firstIndex(of: "/") ?? rest.endIndex
            host = rest[..<end].split(separator: "@", omittingEmptySubsequences: false).last.map(String.init)
            rest = rest[end...]
        } else if rest.hasPrefix("./") {
            rest = rest.dropFirst(2)
        } else if rest == "." {
            rest = ""
        }
        let segments = rest.split(separator: "/")
        guard !segments.contains(where: { $0 == "." || $0 == ".." }), !rest.contains(where: { "{}*".contains($0) }) else { return nil }
        return (host?.isEmpty == true ? nil : host, segments.map { "/" + $0 }.joined())
    }
}
