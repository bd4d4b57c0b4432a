/// Where a document says that its API is: at `host`, below `basePath`.
///
/// With a base path of one segment, that is what the domain key gives: the gateway serves `/{key}/...` under every host
/// that no domain names, the document's among them. `host` must then not become one of the domain's hosts, because under
/// those the whole path, base path included, would be matched against the endpoints. Without a base path it is the other
/// way round: the API is at the host's root, which takes an entry in `hosts`, and the key is made up.
///
/// Of a base path of several segments the first is the key, and the others stand in front of every endpoint's path (`prefix`), so that the
/// API keeps its public address. Under another key, which an operator may choose, the whole base path does.
struct SwaggerAddress {
    /// Nil if the document gives none that can be used.
    let key: ConfigurationNode?
    let hosts: ConfigurationNode?
    /// What is put in front of the endpoints' paths: empty, or `/` and segments.
    let prefix: String

    /// The base path of the document, whatever its format; nil without one.
    let basePath: ConfigurationNode?

    init(_ document: ConfigurationNode, chosenKey: String? = nil) {
        self.init(document, basePath: document["basePath"], hosts: document["host"].map { [$0] } ?? [], chosenKey)
    }

    init(_ document: ConfigurationNode, _ servers: OpenAPIServers, chosenKey: String?) {
        self.init(document, basePath: servers.basePath, hosts: servers.hosts, chosenKey)
    }

    private init(_ document: ConfigurationNode, basePath: ConfigurationNode?, hosts: [ConfigurationNode], _ chosenKey: String?) {
        let segments = Self.segments(basePath)
        let isUsable = basePath == nil || basePath?.text == "" || basePath?.text?.hasPrefix("/") == true
        self.basePath = basePath
        if let basePath, let first = segments.first {
            let key = chosenKey ?? first
            self.key = isUsable ? .string(key, at: basePath) : nil
            prefix = Self.joined(key == first ? segments.dropFirst() : segments[...])
            self.hosts = nil
        } else if isUsable {
            let names = hosts.compactMap { host in host.text.flatMap(Self.hostName).map { ConfigurationNode.string($0, at: host) } }
            let title = document["info"]?["title"]
            let slug = title?.text.flatMap(Self.slug) ?? names.first?.text.flatMap(Self.slug) ?? "api"
            key = .string(chosenKey ?? slug, at: title ?? hosts.first ?? document)
            self.hosts = names.isEmpty ? nil : .sequence(Self.unique(names), at: names[0])
            prefix = ""
        } else {
            (key, self.hosts, prefix) = (nil, nil, "")
        }
    }

    /// Two servers of a document may differ in nothing but their ports.
    private static func unique(_ names: [ConfigurationNode]) -> [ConfigurationNode] {
        var seen: Set<String> = []
        return names.filter { $0.text.map { seen.insert($0).inserted } ?? false }
    }

    /// The base path without what stands in front of the endpoints' paths: what a service that is at the base path has in its URL.
    func upstreamPath(prefix: String) -> String {
        let path = Self.joined(Self.segments(basePath)[...])
        return path.hasSuffix(prefix) ? String(path.dropLast(prefix.count)) : path
    }

    /// What may stand in front of the endpoints of a document with this base path: the whole of it, or what is behind the key.
    static func prefixes(of basePath: ConfigurationNode?) -> [String] {
        let segments = segments(basePath)
        return [joined(segments[...]), joined(segments.dropFirst())].filter { !$0.isEmpty }
    }

    /// What is behind the first segment of a base path.
    static func prefixBehindKey(_ basePath: ConfigurationNode?) -> String { joined(segments(basePath).dropFirst()) }

    private static func segments(_ basePath: ConfigurationNode?) -> [String] {
        basePath?.text?.split(separator: "/", omittingEmptySubsequences: true).map(String.init) ?? []
    }

    private static func joined(_ segments: ArraySlice<String>) -> String { segments.map { "/" + $0 }.joined() }

    /// `host` may have a port (Swagger 2.0, "Swagger Object"), which plays no part in finding a domain.
    private static func hostName(_ host: String) -> String? {
        guard let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") else { return host.isEmpty ? nil : host }
        return colon == host.startIndex ? nil : String(host[..<colon])
    }

    /// Letters and digits in lower case, with a hyphen for everything between them; nil if there are none.
    private static func slug(_ text: String) -> String? {
        let words = text.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        return words.isEmpty ? nil : words.joined(separator: "-")
    }
}
