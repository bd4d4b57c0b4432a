import ArgumentParser
import Foundation
import SluiceAdmin
import SluiceClient
import SluiceConfiguration
import SluiceCounting

/// `sluice quota`: what is used up of usage quotas, and how to begin anew.
struct Quota: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how much of each quota is used, and reset quotas.",
        discussion: """
            Asks the running gateway through its socket in SLUICE_STATE_DIR. Run it as the gateway's user or as root. If no gateway \
            runs, it asks the store: the state folder or Redis. If several nodes share the quotas, it asks the store too. The \
            store knows what was reserved, which may be a little more than what was used.

            \(SettingsFlags.discussion)
            """,
        subcommands: [List.self, Reset.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show every quota and how much of its current window is used.")

        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var shownSettings: SettingsCompletions

        func run() throws {
            let settings = try SettingsFlags.settings()
            let answers = try Quota.ask(settings, "GET", QuotaPage.path)
            var list = try Quota.together(answers)
            if answers.isEmpty {
                list = try Quota.stored(settings)
            } else if settings.redisURL != nil || answers.count > 1 {
                // One node, or one of several gateways on a folder, knows of the others what they had at its last look: the store knows better.
                list = Quota.merge(list, try Quota.stored(settings))
            }
            for note in list.notes ?? [] { Report.note(note) }
            list.notes = nil
            try Report.output(json ? Quota.text(list) : Quota.table(list))
        }
    }

    struct Reset: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reset quotas: their current windows begin again.",
            discussion: "OWNER is a domain's key. For an endpoint's quota it is what `sluice quota list` shows: 'KEY METHODS PATTERN'.")

        @Argument(help: "Whose quotas.")
        var owner: String?

        @OptionGroup var shownSettings: SettingsCompletions

        @Option(help: ArgumentHelp("Only the quota with windows of this length.", valueName: "SECONDS"))
        var perSeconds: UInt64?

        @Flag(help: "All quotas.")
        var all = false

        func validate() throws {
            if all == (owner != nil) { throw ValidationError("name an owner, or --all") }
            if all && perSeconds != nil { throw ValidationError("--per-seconds needs an owner") }
        }

        func run() throws {
            let settings = try SettingsFlags.settings()
            let wish = try JSONEncoder().encode(QuotaPage.Reset(all: all ? true : nil, owner: owner, perSeconds: perSeconds))
            let answers = try Quota.ask(settings, "POST", QuotaPage.resetPath, Array(wish))
            if let refused = answers.first(where: { $0.status != 200 }) {
                throw Report.problems([String(decoding: refused.body, as: UTF8.self).trimmingCharacters(in: .newlines)])
            }
            if answers.isEmpty {
                try Quota.resetStored(settings, owner: owner, perSeconds: perSeconds)
            }
            try Report.output("reset\n")
        }
    }

    // MARK: The running gateway

    /// The answers of every gateway that uses the state folder; more than one only for a while, in a takeover, or where two share it.
    private static func ask(_ settings: ProcessSettings, _ method: String, _ path: String, _ json: [UInt8] = []) throws -> [HTTPResponse] {
        let folder = settings.stateDirectory
        guard folder != ProcessSettings.noStateDirectory else {
            if settings.redisURL != nil { return [] }
            throw Report.problems(["SLUICE_STATE_DIR is off: the gateway has no socket to ask; its admin listener answers at /quotas"])
        }
        do throws(StreamFailure) {
            return try ControlClient.ask(method, path, folder: folder, json: json)
        } catch {
            throw Report.problems(["SLUICE_STATE_DIR \(folder): the gateway there cannot be asked: \(error)"])
        }
    }

    /// What several gateways say, as one.
    private static func together(_ answers: [HTTPResponse]) throws -> QuotaPage.List {
        var list = QuotaPage.List(quotas: [])
        for answer in answers {
            guard answer.status == 200, let one = try? JSONDecoder().decode(QuotaPage.List.self, from: Data(answer.body)) else {
                throw Report.problems(["the process that answers in SLUICE_STATE_DIR is not a gateway of this version"])
            }
            list.quotas += one.quotas.filter { row in !list.quotas.contains { $0.owner == row.owner && $0.perSeconds == row.perSeconds } }
            list.notes = Array(Set((list.notes ?? []) + (one.notes ?? []))).sorted()
        }
        return list
    }

    // MARK: The store

    private static func stored(_ settings: ProcessSettings) throws -> QuotaPage.List {
        let now = UInt64(Date.now.timeIntervalSince1970)
        return try withStore(settings) { store throws(AllowanceStoreError) in
            let rows = try store.usage(wallSeconds: now).map {
                QuotaPage.Row(
                    owner: $0.key.owner, perSeconds: $0.key.perSeconds, limit: nil, used: $0.reserved,
                    windowEnds: ($0.window + 1) * $0.key.perSeconds)
            }
            return QuotaPage.List(quotas: rows.sorted { ($0.owner, $0.perSeconds) < ($1.owner, $1.perSeconds) })
        } ?? QuotaPage.List(quotas: [])
    }

    /// The gateway's conditions with their limits, and what the store has reserved of them.
    private static func merge(_ list: QuotaPage.List, _ stored: QuotaPage.List) -> QuotaPage.List {
        QuotaPage.List(quotas: list.quotas.map { row in
            var row = row
            row.used = stored.quotas.first { $0.owner == row.owner && $0.perSeconds == row.perSeconds }?.used ?? 0
            return row
        }, notes: list.notes)
    }

    private static func resetStored(_ settings: ProcessSettings, owner: String?, perSeconds: UInt64?) throws {
        let now = UInt64(Date.now.timeIntervalSince1970)
        let found = try withStore(settings) { store throws(AllowanceStoreError) in
            guard let owner else {
                try store.reset(nil)
                return true
            }
            let keys = try store.usage(wallSeconds: now).map(\.key).filter { $0.owner == owner && (perSeconds ?? $0.perSeconds) == $0.perSeconds }
            for key in keys { try store.reset(key) }
            return !keys.isEmpty
        }
        guard found == true || owner == nil else { throw Report.problems(["the store has no counts of such a quota"]) }
    }

    /// Nil if there is no store that outlives the process, or it was never begun.
    private static func withStore<Result>(
        _ settings: ProcessSettings, _ body: (any AllowanceStore) throws(AllowanceStoreError) -> Result
    ) throws -> Result? {
        do throws(AllowanceStoreError) {
            guard let store = try CountStore.openExisting(settings) else { return nil }
            defer { store.close() }
            return try body(store)
        } catch {
            throw Report.problems([error.description])
        }
    }

    // MARK: Text

    private static func text(_ list: QuotaPage.List) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(list), as: UTF8.self) + "\n"
    }

    private static func table(_ list: QuotaPage.List) -> String {
        guard !list.quotas.isEmpty else { return "no quotas\n" }
        let rows = [["OWNER", "PER SECONDS", "USED", "LIMIT", "WINDOW ENDS"]] + list.quotas.map {
            [
                $0.owner, "\($0.perSeconds)", "\($0.used)", $0.limit.map { "\($0)" } ?? "-",
                Date(timeIntervalSince1970: TimeInterval($0.windowEnds)).formatted(.iso8601),
            ]
        }
        return Columns.text(rows)
    }
}
