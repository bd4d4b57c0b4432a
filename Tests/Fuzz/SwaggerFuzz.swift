import SluiceConfiguration
import SluiceHTTP

/// Swagger to configuration: a document that is imported without a problem comes back equal when it is exported and imported again.
enum SwaggerFuzz: FuzzTarget {
    static let name = "swagger"

    static func run(_ input: ByteView) {
        let problems = Problems(file: "fuzz.yaml", environment: [:])
        let text = String(decoding: input.buffer, as: UTF8.self)
        guard let document = ConfigurationNode.load(text: text, problems: problems), problems.isEmpty else { return }
        let configuration = SwaggerImport.convert(document, problems)
        guard problems.isEmpty, let key = configuration["domains"]?.elements?.first?["key"]?.text else { return }
        ConfigurationFuzz.checkWritten(configuration)
        guard let exported = SwaggerExport.convert(configuration, domainKey: key, problems), problems.isEmpty else { return }
        let imported = SwaggerImport.convert(exported, problems)
        guard problems.isEmpty else { return require(false, "what was exported has problems: \(problems.all.map(\.description))") }
        require(
            imported.hasSameContent(as: configuration),
            "there and back it changed: \(ConfigurationWriter.yaml(configuration)) became \(ConfigurationWriter.yaml(imported))")
    }
}
