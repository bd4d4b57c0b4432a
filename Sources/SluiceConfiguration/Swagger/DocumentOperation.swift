/// What a document says of the requests of one operation, for a domain and an endpoint that were imported from it.
package struct DocumentOperation {
    /// How schemas are to be read.
    package enum Dialect: Sendable {
        case swagger, openAPI30, openAPI31
    }

    package let dialect: Dialect
    /// Parameters of the path and of the operation, references resolved. One of the operation replaces one of the path with the same name and place.
    package let parameters: [ConfigurationNode]
    /// OpenAPI 3 only; reference resolved.
    package let requestBody: ConfigurationNode?
    /// The operation itself.
    package let node: ConfigurationNode
    /// Swagger 2.0: media types of bodies, those of the document where the operation has none.
    package var consumes: ConfigurationNode? { node["consumes"] ?? document["consumes"] }
    /// What the domain keeps of the document: what references within schemas are relative to.
    package let document: ConfigurationNode

    /// Nil, without a problem, where nothing is known of the operation; nil and a problem where a reference cannot be followed.
    ///
    /// - Parameter method: as in a request; compared without regard to case.
    package init?(of endpoint: ConfigurationNode, in domain: ConfigurationNode, method: String, _ problems: Problems) {
        let format: DocumentFormat = endpoint[DocumentFormat.openAPI.opaqueKey] != nil || domain[DocumentFormat.openAPI.opaqueKey] != nil ? .openAPI : .swagger
        let kept = endpoint[format.opaqueKey]
        guard let written = kept?[method.lowercased()] else { return nil }
        let document = domain[format.opaqueKey] ?? .mapping([], at: domain)
        let shared = format == .openAPI ? kept?["parameters"] : Self.sharedParameters(document, endpoint)
        let references = DocumentReferences(document)
        do throws(DocumentReferences.Fault) {
            // Some write a reference in place of an operation, though the specifications have none.
            let node = try references.resolve(written)
            self.node = node
            var parameters: [ConfigurationNode] = []
            for written in (shared?.elements ?? []) + (node["parameters"]?.elements ?? []) {
                let parameter = try references.resolve(written)
                let index = parameters.firstIndex { $0["name"]?.text == parameter["name"]?.text && $0["in"]?.text == parameter["in"]?.text }
                if let index { parameters[index] = parameter } else { parameters.append(parameter) }
            }
            self.parameters = parameters
            if let body = node["requestBody"], format == .openAPI { requestBody = try references.resolve(body) } else { requestBody = nil }
        } catch {
            error.report(problems)
            return nil
        }
        self.document = document
        dialect = Self.dialect(format, document["openapi"])
    }

    static func dialect(_ format: DocumentFormat, _ version: ConfigurationNode?) -> Dialect {
        guard format == .openAPI else { return .swagger }
        if version?.text?.hasPrefix("3.0") == true { return .openAPI30 }
        if case .number(3.0)? = version?.content { return .openAPI30 }
        return .openAPI31
    }

    /// Those of a Swagger document's path, which stay with the domain.
    private static func sharedParameters(_ document: ConfigurationNode, _ endpoint: ConfigurationNode) -> ConfigurationNode? {
        let kept = endpoint[SwaggerImport.opaqueKey]?[SwaggerOperation.pathKey]?.text
        guard let path = kept ?? endpoint["path"]?.text, let items = document["paths"] else { return nil }
        for prefix in [""] + SwaggerAddress.prefixes(of: document["basePath"]) where path.hasPrefix(prefix) {
            if let item = items[String(path.dropFirst(prefix.count))] { return item["parameters"] }
        }
        return nil
    }
}
