import ArgumentParser
import Foundation
import SluiceConfiguration

/// The process settings as options of a command: for its help and for completions alone, because `SettingsFlags` takes the settings out of
/// the arguments before a command reads them.
///
/// There is one option for every setting of the table. The argument parser finds options by reflection, so this type reflects as having them.
struct SettingsOptions: ParsableArguments, CustomReflectable {
    /// Every name is a key: nothing is ever decoded.
    fileprivate struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init() {}

    init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: Key.self) }

    var customMirror: Mirror { Mirror(self, children: Self.options) }

    /// As properties of such names would be reflected.
    static var options: [(label: String?, value: Any)] {
        Setting.all.map { setting in
            let help = ArgumentHelp("\(setting.meaning) (default: \(setting.defaultText))", valueName: "VALUE")
            return ("_" + setting.flag, Option<String?>(name: .customLong(setting.flag), help: help, completion: completion(setting)))
        }
    }

    private static func completion(_ setting: Setting) -> CompletionKind {
        if let words = setting.words { return .list(words) }
        return setting.takesPath ? .file() : .default
    }
}

/// The same in completions only, for commands whose help would become too long.
struct SettingsCompletions: ParsableArguments, CustomReflectable {
    private static let areWanted = CommandLine.arguments.contains { $0.hasPrefix("--generate-completion-script") }

    init() {}

    init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: SettingsOptions.Key.self) }

    var customMirror: Mirror { Mirror(self, children: Self.areWanted ? SettingsOptions.options : []) }
}
