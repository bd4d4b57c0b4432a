import ArgumentParser
import SluiceConfiguration
import SluiceGateway

/// `sluice reference`: what can be configured, read off and answered, from the tables in the program.
struct Reference: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the reference of configuration keys, policies, settings, metrics and errors, or the JSON Schema.",
        discussion: """
            Prints Markdown, and JSON for `schema`. Without a subject, it prints all parts in Markdown.
            """)

    /// The parts, as an operator names them.
    enum Subject: String, CaseIterable, ExpressibleByArgument {
        case yaml, policies, settings, metrics, errors, schema

        var text: String {
            switch self {
            case .yaml: ConfigurationReference.text(ConfigurationKey.levels)
            case .policies: PolicyReference.text
            case .settings: SettingsReference.text
            case .metrics: MetricReference.text
            case .errors: RefusalReference.text
            case .schema: ConfigurationSchema.text(ConfigurationKey.all)
            }
        }

        /// The heading where all parts stand together; nil for what is not Markdown.
        var title: String? {
            switch self {
            case .yaml: "Configuration keys"
            case .policies: "Policies"
            case .settings: "Process settings"
            case .metrics: "Metrics"
            case .errors: "Errors"
            case .schema: nil
            }
        }
    }

    @Argument(help: ArgumentHelp("The part to print.", valueName: "SUBJECT"))
    var subject: Subject?

    func run() throws {
        if let subject { return try Report.output(subject.text) }
        try Report.output(Subject.allCases.compactMap { part in part.title.map { "# \($0)\n\n" + part.text } }.joined())
    }
}
