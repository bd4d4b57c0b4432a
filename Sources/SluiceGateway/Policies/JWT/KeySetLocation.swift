import SluiceClient

/// Where a key set comes from.
struct KeySetLocation: Hashable, Sendable, CustomStringConvertible {
    enum Kind: Hashable, Sendable {
        /// The path of a file, relative to the process or absolute.
        case file(String)
        case uri(HTTPTarget)
        /// Wherever the discovery document of an issuer says (OpenID Connect Discovery 1.0).
        case issuer(Issuer)
    }

    struct Issuer: Hashable, Sendable {
        /// As the configuration has it, and as `iss` must be.
        let name: String
        let document: HTTPTarget
    }

    let kind: Kind
    /// A PEM file of the authorities that are trusted in place of the system's; nil for those.
    var authorityFile: String?

    /// - Parameters:
    ///   - text: an `http` or `https` URI without user information and fragment, or a path.
    ///   - resolve: makes a path of the configuration one of the process.
    /// - Returns: nil for a URI of another scheme, and for a malformed one.
    init?(_ text: String, resolve: (String) -> String) {
        guard text.contains("://") else {
            guard !text.isEmpty, !text.utf8.contains(0) else { return nil }
            kind = .file(resolve(text))
            return
        }
        guard let uri = HTTPTarget(text) else { return nil }
        kind = .uri(uri)
    }

    /// - Parameter issuer: an `http` or `https` URI without user information, query and fragment (OpenID Connect Discovery 1.0, 4.1).
    /// - Returns: nil for any other text.
    init?(issuer: String) {
        guard !issuer.contains("?"), HTTPTarget(issuer) != nil else { return nil }
        let place = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        guard let document = HTTPTarget(place + "/.well-known/openid-configuration") else { return nil }
        kind = .issuer(Issuer(name: issuer, document: document))
    }

    /// Whether it is behind TLS, where authorities are asked for.
    var isSecure: Bool {
        switch kind {
        case .file: false
        case .uri(let uri): uri.isSecure
        case .issuer(let issuer): issuer.document.isSecure
        }
    }

    /// For logs: the path, or the URI without its query, in which some put a key.
    var description: String {
        switch kind {
        case .file(let path): path
        case .uri(let uri): uri.description
        case .issuer(let issuer): issuer.document.description
        }
    }
}
