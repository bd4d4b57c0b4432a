import ArgumentParser
import SluiceConfiguration
import SluiceGateway

/// `sluice check`: every problem of a configuration, none of it served.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Report every problem of a configuration. Exits 0 if there is none, 1 otherwise, 2 on unusable arguments.",
        discussion: "Notes tell what is served as it is written, but perhaps not meant; they leave the exit code as it is. " + SettingsFlags.discussion)

    @OptionGroup var source: ConfigurationOption

    func run() throws {
        let settings = try SettingsFlags.settings()
        let problems = Problems(file: source.file)
        Gateway.check(settings: settings, problems: problems) { ConfigurationNode.load(problems: $0) }
        guard problems.isEmpty else { throw Report.problems(problems.all.map(\.description)) }
        let notes = problems.all
        try Report.output(notes.map { "\($0)\n" }.joined() + "\(source.file): no problems\(Self.counted(notes.count))\n")
    }

    private static func counted(_ notes: Int) -> String {
        switch notes {
        case 0: ""
        case 1: ", one note"
        default: ", \(notes) notes"
        }
    }
}
