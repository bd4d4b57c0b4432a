import ArgumentParser
import SluiceConfiguration
import SluiceGateway

/// `sluice check`: every problem of a configuration, none of it served.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Report every problem of a configuration. Exits 0 without problems, 1 with problems, 2 if arguments cannot be used.",
        discussion: "A note names something that is served as written but may not be meant. Notes do not change the exit code. " + SettingsFlags.discussion)

    @OptionGroup var source: ConfigurationOption

    @OptionGroup var shownSettings: SettingsCompletions

    @Flag(help: "Print one JSON object instead of text, with `problems` and `notes`.")
    var json = false

    func run() throws {
        let settings = try SettingsFlags.settings()
        let problems = Problems(file: source.file)
        Gateway.check(settings: settings, problems: problems) { source.load($0) }
        if json {
            try Report.output(Self.json(problems))
            if !problems.isEmpty { throw ExitCode(1) }
            return
        }
        var excerpts = ProblemExcerpts()
        let lines = problems.all.flatMap { [$0.description] + excerpts.excerpt(of: $0) }
        guard problems.isEmpty else { throw Report.problems(lines) }
        try Report.output((lines + ["\(source.file): no problems\(Self.counted(problems.all.count))"]).map { "\($0)\n" }.joined())
    }

    private static func json(_ problems: Problems) -> String {
        func mapping(_ entries: [(String, ConfigurationNode.Content)]) -> ConfigurationNode {
            ConfigurationNode(.mapping(entries.map { .init(key: $0.0, keyPosition: .start, value: ConfigurationNode($0.1)) }))
        }
        func place(_ problem: Problem) -> [(String, ConfigurationNode.Content)] {
            [
                ("file", .string(problem.file)), ("line", .integer(Int64(problem.position.line))), ("column", .integer(Int64(problem.position.column))),
                ("keyPath", .string(problem.keyPath)),
            ]
        }
        let faults = problems.all.filter { !$0.isNote }.map { problem in
            mapping(place(problem) + [("found", .string(problem.found)), ("allowed", .string(problem.allowed)), ("scope", .string("\(problem.scope)"))])
        }
        let notes = problems.all.filter(\.isNote).map { mapping(place($0) + [("note", .string($0.found))]) }
        return ConfigurationWriter.json(mapping([
            ("file", .string(problems.file)), ("isGood", .bool(problems.isEmpty)), ("problems", .sequence(faults)), ("notes", .sequence(notes)),
        ]))
    }

    private static func counted(_ notes: Int) -> String {
        switch notes {
        case 0: ""
        case 1: ", one note"
        default: ", \(notes) notes"
        }
    }
}
