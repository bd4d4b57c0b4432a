import ArgumentParser
import SluiceConfiguration

/// `sluice export`: a domain of a configuration as a Swagger document.
struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Convert a domain of a configuration to a Swagger 2.0 document.",
        discussion: "The document is JSON, or YAML if FILE ends in .yaml or .yml. Secrets that the configuration takes from "
            + "a variable or a file stay references; literal secrets are written out.")

    @OptionGroup var source: ConfigurationOption

    @Option(help: ArgumentHelp("The domain's key.", valueName: "KEY"))
    var domain: String

    @Option(help: ArgumentHelp(
        "The gateway extension that is written: x-toastcloud-apigw or x-nhncloud-apigateway. The default is that of the document from which the domain was imported, or else the first.",
        valueName: "NAME"))
    var `extension`: String?

    @OptionGroup var output: OutputFile

    func validate() throws {
        guard `extension`.map({ PluginForm(key: $0) != nil }) ?? true else {
            throw ValidationError("--extension takes \(Quoting.alternatives(PluginForm.all.map(\.key)))")
        }
    }

    func run() throws {
        let problems = Problems(file: source.file)
        guard var tree = source.load(problems) else { throw Report.problems(problems.all.map(\.description)) }
        if APIDocument.isDocument(tree) { tree = APIDocument.convert(tree, problems) }
        let document = SwaggerExport.convert(tree, domainKey: domain, form: `extension`.flatMap { PluginForm(key: $0) }, problems)
        guard let document, problems.isEmpty else { throw Report.problems(problems.all.map(\.description)) }
        let name = output.file ?? ""
        let isYAML = name.hasSuffix(".yaml") || name.hasSuffix(".yml")
        try output.write(isYAML ? ConfigurationWriter.yaml(document) : ConfigurationWriter.json(document))
    }
}
