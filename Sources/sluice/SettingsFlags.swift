import ArgumentParser
import Foundation
import SluiceConfiguration

/// The process settings as flags: `--head-timeout-ms 5000` for SLUICE_HEAD_TIMEOUT_MS. A flag wins over its variable.
///
/// There is one flag for every setting of the table, so they are not declared one by one: they are looked up there and
/// taken out of the arguments, wherever they stand, before a command reads its own.
enum SettingsFlags {
    /// Values by flag name, with the dashes, as they were given to this process.
    @TaskLocal static var given: [String: String] = [:]

    /// For the help of the commands that take them.
    static let discussion =
        "Each process setting is also a flag: `--workers 2` for SLUICE_WORKERS=2. `sluice env` prints all settings."

    private static let commands: Set<String> = ["run", "check", "explain", "quota", "key", "plan", "env", "demo"]

    /// The arguments without the settings, and the settings. All arguments are left to commands that take no settings.
    static func split(_ arguments: [String]) throws -> (rest: [String], flags: [String: String]) {
        guard let name = arguments.first, commands.contains(name) else { return (arguments, [:]) }
        let known = Set(Setting.all.map { "--" + $0.flag })
        var rest: [String] = []
        var flags: [String: String] = [:]
        var left = arguments[...]
        while let argument = left.popFirst() {
            if argument == "--" { return (rest + [argument] + left, flags) }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard known.contains(parts[0]) else {
                rest.append(argument)
                continue
            }
            guard let value = parts.count == 2 ? parts[1] : left.popFirst() else {
                throw Report.unusable(["\(argument): found no value, allowed a value after it"])
            }
            flags[parts[0]] = value
        }
        return (rest, flags)
    }

    /// The settings of this process. Exits with code 2 and every problem if one cannot be used.
    static func settings() throws -> ProcessSettings {
        do throws(ProcessSettings.Problems) {
            return try ProcessSettings(environment: ProcessInfo.processInfo.environment, flags: given)
        } catch {
            throw Report.unusable(error.all.map(\.description))
        }
    }

    /// Whether a setting was given as a flag, for example `SLUICE_LISTEN` as `--listen`.
    static func isFlag(_ name: String) -> Bool {
        Setting.all.contains { $0.name == name && given["--" + $0.flag] != nil }
    }

    /// Whether the operator has said anything about a setting, for example `SLUICE_LISTEN`.
    static func isGiven(_ name: String) -> Bool {
        isFlag(name) || ProcessInfo.processInfo.environment[name] != nil
    }
}
