import ArgumentParser
import Foundation
import SluiceConfiguration

/// `sluice env`: every process setting.
struct Env: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print every SLUICE_* variable with its meaning, unit, default and current value.",
        discussion: "If a variable is mistyped or its value is not allowed, it is reported and the exit code is 2. "
            + SettingsFlags.discussion)

    @OptionGroup var shownSettings: SettingsCompletions

    func run() throws {
        // The table stands all the same where a variable is wrong: it is what tells the right ones.
        let settings = Result { try SettingsFlags.settings() }
        try Report.output(Self.table((try? settings.get()) ?? ProcessSettings()))
        _ = try settings.get()
    }

    private static func table(_ settings: ProcessSettings) -> String {
        let heading = ["VARIABLE", "VALUE", "DEFAULT", "UNIT", "MEANING"]
        let rows = [heading] + settings.table.map { [$0.name, $0.value, $0.defaultValue, $0.unit ?? "-", $0.meaning] }
        return Columns.text(rows) + "\nEach is a flag too: --workers 2 for SLUICE_WORKERS=2.\n"
    }
}
