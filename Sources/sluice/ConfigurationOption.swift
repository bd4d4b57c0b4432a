import ArgumentParser
import SluiceConfiguration

/// `--config FILE`, or the file as an argument: see `FileArgument`.
struct ConfigurationOption: ParsableArguments {
    @Option(name: .customLong("config"), help: ArgumentHelp("The configuration: YAML, JSON, or a Swagger 2.0 or OpenAPI 3 document. The file may also stand as the first argument, without --config.", valueName: "FILE"), completion: .file(extensions: ["yaml", "yml", "json"]))
    var file: String

    @Option(help: ArgumentHelp("The service that a Swagger or OpenAPI document describes. It gets the paths of the document, base path included, behind the URL. May be repeated, once for each address.", valueName: "URL"))
    var upstream: [String] = []

    /// The tree of the file; nil, and problems, without one.
    func load(_ problems: Problems) -> ConfigurationNode? { Self.load(upstreams: upstream, problems) }

    static func load(upstreams: [String], _ problems: Problems) -> ConfigurationNode? {
        guard let tree = ConfigurationNode.load(problems: problems) else { return nil }
        guard !upstreams.isEmpty else { return tree }
        guard APIDocument.isDocument(tree) else {
            problems.add(at: tree.position, keyPath: "", found: "a configuration beside --upstream", allowed: "\(APIDocument.description), or `upstream` in the domain")
            return tree
        }
        return APIDocument.convert(tree, upstreams: upstreams, problems)
    }
}
