// Documents that describe an API, as configurations: Swagger 2.0 and OpenAPI 3.

/// What commands and readers ask of documents, whatever their format.
package enum APIDocument {
    /// What it is called where one is asked for.
    package static let description = "a Swagger 2.0 or OpenAPI 3 document"

    /// Whether a tree is a document of any version, rather than a configuration of our own.
    package static func isDocument(_ node: ConfigurationNode) -> Bool { DocumentFormat(of: node) != nil }

    /// The configuration of the one domain that a document stands for. It is as complete as the document allows, also when problems were added.
    ///
    /// - Parameters:
    ///   - key: the domain's key, where it is not to be the document's.
    ///   - upstreams: URLs of the service that the document describes, as an operator gave them; empty where the document has its own or needs none.
    package static func convert(
        _ document: ConfigurationNode, key: String? = nil, upstreams: [String] = [], _ problems: Problems
    ) -> ConfigurationNode {
        SwaggerImport.convert(document, DocumentFormat(of: document) ?? .swagger, key: key, upstreams: upstreams, problems)
    }
}
