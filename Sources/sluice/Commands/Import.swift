import ArgumentParser
import SluiceConfiguration

/// `sluice import`: a Swagger document as a configuration.
struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Convert a Swagger 2.0 document with x-toastcloud-apigw plugins to a configuration.",
        discussion: "What the gateway does not use is kept, so that `sluice export` can restore the document.")

    @Argument(help: "The Swagger document, JSON or YAML.")
    var swagger: String

    @Option(help: ArgumentHelp(
        "The domain's key. The default is the first segment of the basePath. The part of the basePath that is not the key stands in front of the endpoints' paths.",
        valueName: "KEY"))
    var key: String?

    @OptionGroup var output: OutputFile

    func run() throws {
        let problems = Problems(file: swagger)
        let document = ConfigurationNode.load(problems: problems)
        if let document, !SwaggerImport.isSwagger(document) {
            problems.add(at: document, found: "no key `swagger`", allowed: "a Swagger 2.0 document")
        }
        guard let document, problems.isEmpty else { throw Report.problems(problems.all.map(\.description)) }
        let configuration = SwaggerImport.convert(document, key: key, problems)
        guard problems.isEmpty else { throw Report.problems(problems.all.map(\.description)) }
        Report.notes(problems.all.map(\.description))
        try output.write(ConfigurationWriter.yaml(configuration))
    }
}
