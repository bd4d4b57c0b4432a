/// Where a document says that its API is: at `host`, below `basePath`.
///
/// With a base path of one segment, that is what the domain key gives: the gateway serves `/{key}/...` under every host
/// that no domain names, the document's among them. `host` must then not become one of the domain's hosts, because under
/// those the whole path, base path included, would be matched against the endpoints. Without a base path it is the other
/// way round: the API is at the host's root, which takes an entry in `hosts`, and the key is made up.
struct SwaggerAddress {
    /// Nil if the document gives none.
    let key: ConfigurationNode?
    let hosts: ConfigurationNode?

    init(_ document: ConfigurationNode) {
        let basePath = document["basePath"]
        let segments = basePath?.text?.split(separator: "/", omittingEmptySubsequences: true) ?? []
        if let basePath, let segment = segments.first {
            let isOneSegment = segments.count == 1 && basePath.text?.hasPrefix("/\(segment)") == true
            key = isOneSegment ? .string(String(segment), at: basePath) : nil
            hosts = nil
        } else if basePath == nil || basePath?.text == "/" || basePath?.text == "", let host = document["host"],
            let name = host.text.flatMap(Self.hostName)
        {
            let title = document["info"]?["title"]
            let slug = title?.text.flatMap(Self.slug) ?? Self.slug(name) ?? "api"
            key = .string(slug, at: title ?? host)
            hosts = .sequence([.string(name, at: host)], at: host)
        } else {
            (key, hosts) = (nil, nil)
        }
    }

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
