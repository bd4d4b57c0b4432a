import ArgumentParser
import SluiceConfiguration
import SluiceGateway

/// `sluice check`: every problem of a configuration, none of it served.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Report every problem of a configuration. Exits 0 if there is none, 1 otherwise, 2 on unusable arguments.",
        discussion: SettingsFlags.discussion)

    @OptionGroup var source: ConfigurationOption

    func run() throws {
        let settings = try SettingsFlags.settings()
        let problems = Problems(file: source.file)
        Gateway.check(settings: settings, problems: problems) { ConfigurationNode.load(problems: $0) }
        guard problems.isEmpty else { throw Report.problems(problems.all.map(\.description)) }
        try Report.output("\(source.file): no problems\n")
    }
}
