import ArgumentParser
import SluiceCallers
import SluiceConfiguration

/// `sluice key`: callers and their API keys.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Make, show and change callers and their API keys.", discussion: CallerChange.discussion,
        subcommands: [Create.self, List.self, Show.self, Set.self, Rotate.self, Disable.self, Enable.self, Delete.self, Export.self, Import.self])

    /// What may be said of a caller when it is made, and later.
    struct Traits: ParsableArguments {
        @Option(help: ArgumentHelp(
            "Where the caller may call, and what limits it: PLAN for all domains, DOMAIN=PLAN for one of them; `none` stands for no limit. May be repeated.",
            valueName: "PLAN"))
        var plan: [String] = []

        @Option(help: ArgumentHelp("The first moment at which it may call, such as 2027-01-31T00:00:00Z or 2027-01-31; none: at once.", valueName: "TIME"))
        var notBefore: String?

        @Option(help: ArgumentHelp("The first moment at which it may no longer call; none: never.", valueName: "TIME"))
        var expires: String?

        @Option(help: ArgumentHelp("At most \(CallerRules.descriptionBytesMax) bytes.", valueName: "TEXT"))
        var description: String?

        func request(_ name: String) -> CallerRequest {
            var request = CallerRequest(name: name)
            if !plan.isEmpty { request.plans = plan }
            request.notBefore = notBefore
            request.expires = expires
            request.description = description
            return request
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a caller and print its key.",
            discussion: "The key is printed this once; only its digest is kept. Without --plan the caller may call every domain, without limits.")

        @Argument(help: "Its name: \(CallerRules.nameAllowed).")
        var name: String

        @OptionGroup var traits: Traits

        @Flag(help: "Make a second key too, so that one can be changed while the other is in use.")
        var secondary = false

        @Option(help: ArgumentHelp("A file with the key to use, of \(CallerRules.keyAllowed); -: standard input.", valueName: "FILE"))
        var keyFile: String?

        @Flag(help: "The caller may not call until `sluice key enable`.")
        var disabled = false

        @OptionGroup var output: CallerOutput

        func run() throws {
            var request = traits.request(name)
            request.key = try keyFile.map(KeyCommand.key)
            if secondary { request.withSecondary = true }
            if disabled { request.enabled = false }
            try CallerChange.print(try CallerChange.perform(.createKey, request), json: output.json, done: "made")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show all callers.")

        @OptionGroup var output: CallerOutput

        func run() throws {
            var all = CallerAnswer()
            all.callers = []
            var request = CallerRequest()
            while true {
                let answer = try CallerChange.perform(.listKeys, request)
                all.callers? += answer.callers ?? []
                if let notes = answer.notes { all.notes = (all.notes ?? []) + notes }
                guard answer.hasMore == true, let last = answer.callers?.last else { break }
                request.after = last.name
            }
            try CallerChange.print(all, json: output.json)
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one caller.")

        @Argument(help: "Its name.")
        var name: String

        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.showKey, CallerRequest(name: name)), json: output.json) }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a caller's plans, times or description.", discussion: "--plan replaces all plans of the caller.")

        @Argument(help: "Its name.")
        var name: String

        @OptionGroup var traits: Traits
        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.setKey, traits.request(name)), json: output.json) }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a caller a new key and print it.",
            discussion: "The old key ends at once. To change keys without a gap: rotate the secondary key, have the caller use it, then rotate the primary key.")

        @Argument(help: "Its name.")
        var name: String

        @Flag(help: "The secondary key, which is made if there is none. Otherwise the primary key.")
        var secondary = false

        @Option(help: ArgumentHelp("A file with the key to use, of \(CallerRules.keyAllowed); -: standard input.", valueName: "FILE"))
        var keyFile: String?

        @OptionGroup var output: CallerOutput

        func run() throws {
            var request = CallerRequest(name: name)
            request.slot = secondary ? .secondary : .primary
            request.key = try keyFile.map(KeyCommand.key)
            try CallerChange.print(try CallerChange.perform(.rotateKey, request), json: output.json, done: "rotated")
        }
    }

    struct Disable: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Refuse a caller from now on, with 403.")

        @Argument(help: "Its name.")
        var name: String

        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.disableKey, CallerRequest(name: name)), json: output.json, done: "disabled") }
    }

    struct Enable: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a caller call again.")

        @Argument(help: "Its name.")
        var name: String

        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.enableKey, CallerRequest(name: name)), json: output.json, done: "enabled") }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget a caller that is disabled, with its keys.")

        @Argument(help: "Its name.")
        var name: String

        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.deleteKey, CallerRequest(name: name)), json: output.json, done: "deleted") }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write all callers and plans as lines of JSON, to move them to another gateway.",
            discussion: "Of keys the lines have SHA-256 alone. Those of the configuration are not among them. Reads the state folder, whether a gateway runs or not.")

        @OptionGroup var output: OutputFile

        func run() throws { try output.write(try CallerTransfer.exported(), isPrivate: true) }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make callers and plans what a file says that `sluice key export` has written.",
            discussion: "All of them or none; those that the file does not name stay as they are. Writes to the state folder, and tells the gateway that runs.")

        @Argument(help: ArgumentHelp("The file; -: standard input.", valueName: "FILE"))
        var file: String

        @OptionGroup var output: CallerOutput

        func run() throws {
            let bytes: [UInt8]
            do throws(BoundedFile.Fault) {
                bytes = try BoundedFile.read(file == "-" ? "/dev/stdin" : file, bytesMax: CallerTransfer.bytesMax, kind: .argument)
            } catch {
                throw Report.unusable(["\(file): \(error.found)"])
            }
            let outcome = try CallerTransfer.take(bytes)
            try Report.output(
                output.json
                    ? "{\"changed\":\(outcome.changed),\"made\":\(outcome.made),\"unchanged\":\(outcome.unchanged)}\n"
                    : "\(outcome.made) made, \(outcome.changed) changed, \(outcome.unchanged) as they were\n")
        }
    }

    /// A key from a file, without the line break at its end: an argument could be read by everybody on the machine.
    private static func key(_ path: String) throws -> String {
        do throws(BoundedFile.Fault) {
            let bytes = try BoundedFile.read(path == "-" ? "/dev/stdin" : path, bytesMax: 4096, kind: .argument)
            return String(decoding: bytes.reversed().drop { $0 == 10 || $0 == 13 }.reversed(), as: UTF8.self)
        } catch {
            throw Report.unusable(["\(path): \(error.found)"])
        }
    }
}
