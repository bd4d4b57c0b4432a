import ArgumentParser
import Foundation
import SluiceEvent

/// The `sluice` command.
@main
struct Sluice: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "A self-hosted API gateway: it decides whether a request may pass, and proxies it to your services.",
        discussion: "`sluice demo` needs no file and shows every policy at work.",
        version: "0.1.0",
        subcommands: [
            Run.self, Check.self, Explain.self, Sign.self, Token.self, Import.self, Export.self, Quota.self, KeyCommand.self, PlanCommand.self, Env.self, Init.self, Reference.self,
            Demo.self,
        ])

    /// Process settings are taken out of the arguments before anything else is read: see `SettingsFlags`. Arguments that
    /// cannot be used exit with 2, whatever the command.
    static func main() {
        // Before anything that takes time: a signal in the first moments must be obeyed later, not end the process.
        SignalQueue.block()
        CrashReport.install()
        do {
            let given = Array(CommandLine.arguments.dropFirst())
            ArgumentSecrets.hide()
            let (arguments, flags) = try SettingsFlags.split(given)
            try SettingsFlags.$given.withValue(flags) {
                var command = try parseAsRoot(FileArgument.named(arguments))
                if !(command is Run || command is Demo) { SignalQueue.unblock() }
                try command.run()
            }
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            _ = Report.unusable([fullMessage(for: error)])
            Foundation.exit(2)
        }
    }
}
