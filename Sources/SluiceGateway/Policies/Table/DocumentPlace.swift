import SluiceConfiguration

/// An endpoint and what a document says of it, for policies that an operator completes by the document.
struct DocumentPlace {
    let endpoint: ConfigurationNode
    let domain: ConfigurationNode
    /// Whether the policy is the domain's.
    let isInherited: Bool
    let problems: Problems

    /// Methods that documents may have operations of.
    static let methods = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"]

    /// Whether the endpoint or its domain came from a document.
    var hasDocument: Bool { Self.isDescribed(endpoint) || Self.isDescribed(domain) }

    /// Whether anything of the domain came from a document.
    var hasDocumentAnywhere: Bool { Self.isDescribed(domain) || (domain["endpoints"]?.elements ?? []).contains(where: Self.isDescribed) }

    /// Whether it is the domain's first endpoint: what is wrong with all of them is told once.
    var isFirst: Bool { domain["endpoints"]?.elements?.first?.position == endpoint.position }

    private static func isDescribed(_ owner: ConfigurationNode) -> Bool { ["swagger", "openapi"].contains { owner[$0] != nil } }
}
