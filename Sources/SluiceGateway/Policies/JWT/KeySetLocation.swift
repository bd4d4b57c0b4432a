import SluiceClient

/// Where a key set comes from.
struct KeySetLocation: Hashable, Sendable, CustomStringConvertible {
    enum Kind: Hashable, Sendable {
        /// The path of a file, relative to the process or absolute.
        case file(String)
        case uri(HTTPTarget)
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

    /// For logs: the path, or the URI without its query, in which some put a key.
    var description: String {
        switch kind {
        case .file(let path): return path
        case .uri(let uri): return uri.description
        }
    }
}
