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

    init(_ document: ConfigurationNode, chosenKey: String? = nil) {
        let basePath = document["basePath"]
        let segments = Self.segments(basePath)
        let isUsable = basePath == nil || basePath?.text == "" || basePath?.text?.hasPrefix("/") == true
        if let basePath, let first = segments.first {
            let key = chosenKey ?? first
            self.key = isUsable ? .string(key, at: basePath) : nil
            prefix = Self.joined(key == first ? segments.dropFirst() : segments[...])
            hosts = nil
        } else if isUsable {
            let name = document["host"]?.text.flatMap(Self.hostName)
            let title = document["info"]?["title"]
            let slug = title?.text.flatMap(Self.slug) ?? name.flatMap(Self.slug) ?? "api"
            key = .string(chosenKey ?? slug, at: title ?? document["host"] ?? document)
            hosts = name.flatMap { name in document["host"].map { .sequence([.string(name, at: $0)], at: $0) } }
            prefix = ""
        } else {
            (key, hosts, prefix) = (nil, nil, "")
        }
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
