import SluiceHTTP

/// A request that exists on paper only: what `sluice explain` walks through the chain.
package struct ExplainedRequest: Sendable {
    /// A request target, and where it leads if it was written as a URL.
    struct Target: Sendable {
        /// Path and query, or `*`.
        let target: String
        /// Of an absolute URL.
        let authority: String?
        let isSecure: Bool

        /// - Parameter text: `http://host/path?query`, `https://...`, a path, or `*`. The fragment of a URL is left out, as clients do.
        init(_ text: String) throws(DomainCredentials.Fault) {
            guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
                throw DomainCredentials.Fault("a URL holds no blanks or control characters", isOfArguments: true)
            }
            if text.hasPrefix("/") || text == "*" {
                (target, authority, isSecure) = (text, nil, false)
                return
            }
            let scheme = text.prefix { $0 != ":" }.lowercased()
            guard scheme == "http" || scheme == "https", text.dropFirst(scheme.count).hasPrefix("://") else {
                throw DomainCredentials.Fault("the URL must begin with a slash, http:// or https://", isOfArguments: true)
            }
            let rest = text.dropFirst(scheme.count + 3).prefix { $0 != "#" }
            let authority = rest.prefix { $0 != "/" && $0 != "?" }
            guard !authority.isEmpty else { throw DomainCredentials.Fault("the URL names no host", isOfArguments: true) }
            let path = rest.dropFirst(authority.count)
            target = path.hasPrefix("/") ? String(path) : "/" + path
            self.authority = String(authority)
            isSecure = scheme == "https"
        }
    }

    let method: String
    let target: Target
    /// With Host.
    let fields: [(name: String, value: String)]
    /// The other end of the connection.
    let client: IPAddress
    /// PEM file of the certificate that the client shows, with its chain; nil for none.
    let certificateFile: String?
    /// Nil where it is not known: a step that needs it is taken for content.
    let body: [UInt8]?

    /// - Parameters:
    ///   - url: absolute, or a path; `Host` is its authority unless `fields` have one, and else `localhost`.
    ///   - fields: neither name nor value holds a line end.
    ///   - client: an address in text.
    ///   - certificateFile: of the certificate that the client shows; the URL is `https://` then.
    ///   - body: is announced by its length, unless `fields` say how it is framed.
    package init(
        method: String, url: String, fields: [(name: String, value: String)], client: String, certificateFile: String? = nil, body: [UInt8]? = nil
    ) throws(DomainCredentials.Fault) {
        guard !method.isEmpty, method.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw DomainCredentials.Fault("the method must be visible ASCII, for example GET", isOfArguments: true)
        }
        guard let address = IPAddress(client) else {
            throw DomainCredentials.Fault("the client must be an IPv4 or IPv6 address", isOfArguments: true)
        }
        self.method = method
        target = try Target(url)
        self.client = address
        if certificateFile != nil, !target.isSecure {
            throw DomainCredentials.Fault("a certificate is shown in TLS: the URL must begin with https://", isOfArguments: true)
        }
        self.certificateFile = certificateFile
        self.body = body
        let names = Set(fields.map { $0.name.lowercased() })
        var fields = names.contains("host") ? fields : [("Host", target.authority ?? "localhost")] + fields
        if let body, names.isDisjoint(with: ["content-length", "transfer-encoding"]) { fields.append(("Content-Length", "\(body.count)")) }
        self.fields = fields
    }

    /// The head as a client would send it.
    var head: [UInt8] {
        var text = "\(method) \(target.target) HTTP/1.1\r\n"
        for field in fields { text += "\(field.name): \(field.value)\r\n" }
        return Array((text + "\r\n").utf8)
    }
}
