import ArgumentParser
import SluiceConfiguration

/// `sluice import`: a Swagger or OpenAPI document as a configuration.
struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Convert a Swagger 2.0 or OpenAPI 3 document, with or without plugins, to a configuration.",
        discussion: "What the gateway does not use is kept, so that `sluice export` can restore a Swagger document.")

    @Argument(help: "The document, JSON or YAML.")
    var document: String

    @Option(help: ArgumentHelp(
        "The domain's key. The default is the first segment of the base path. The part of the base path that is not the key stands in front of the endpoints' paths.",
        valueName: "KEY"))
    var key: String?

    @Option(help: ArgumentHelp("The service that the document describes. It gets the paths of the document, base path included, behind the URL. May be repeated, once for each address.", valueName: "URL"))
    var upstream: [String] = []

    @OptionGroup var output: OutputFile

    func run() throws {
        let problems = Problems(file: document)
        let tree = ConfigurationNode.load(problems: problems)
        if let tree, !APIDocument.isDocument(tree) {
            problems.add(at: tree, found: "neither a key `swagger` nor a key `openapi`", allowed: APIDocument.description)
        }
        guard let tree, problems.isEmpty else { throw Report.problems(problems.all.map(\.description)) }
        let configuration = APIDocument.convert(tree, key: key, upstreams: upstream, problems)
        guard problems.isEmpty else { throw Report.problems(problems.all.map(\.description)) }
        Report.notes(problems.all.map(\.description))
        try output.write(ConfigurationWriter.yaml(configuration))
    }
}
