import SluiceConfiguration
import SluiceHTTP

/// Swagger and OpenAPI to configuration: a Swagger document that is imported without a problem comes back equal when it is exported and imported again.
enum SwaggerFuzz: FuzzTarget {
    static let name = "swagger"

    static func run(_ input: ByteView) {
        let problems = Problems(file: "fuzz.yaml", environment: [:])
        let text = String(decoding: input.buffer, as: UTF8.self)
        guard let document = ConfigurationNode.load(text: text, problems: problems), problems.isEmpty else { return }
        let configuration = APIDocument.convert(document, problems)
        guard problems.isEmpty, let key = configuration["domains"]?.elements?.first?["key"]?.text else { return }
        ConfigurationFuzz.checkWritten(configuration)
        if document["swagger"] == nil { return lookUpOperations(configuration) }
        guard let exported = SwaggerExport.convert(configuration, domainKey: key, problems), problems.isEmpty else { return }
        let imported = APIDocument.convert(exported, problems)
        guard problems.isEmpty else { return require(false, "what was exported has problems: \(problems.all.map(\.description))") }
        require(
            imported.hasSameContent(as: configuration),
            "there and back it changed: \(ConfigurationWriter.yaml(configuration)) became \(ConfigurationWriter.yaml(imported))")
    }

    /// Of OpenAPI documents, which are not exported: every reference ends somewhere.
    private static func lookUpOperations(_ configuration: ConfigurationNode) {
        guard let domain = configuration["domains"]?.elements?.first else { return }
        for endpoint in domain["endpoints"]?.elements ?? [] {
            for method in endpoint["methods"]?.elements ?? [] {
                _ = DocumentOperation(of: endpoint, in: domain, method: method.text ?? "", Problems(file: "fuzz.yaml", environment: [:]))
            }
        }
    }
}
