import ArgumentParser
import Foundation
import SluiceAdmin
import SluiceCallers
import SluiceClient
import SluiceConfiguration
import SluiceGateway
import SluiceStore

/// What `sluice key` and `sluice plan` have done: by the gateway that runs, else in the state folder itself. Never both, and never by two.
enum CallerChange {
    static let discussion = """
        Asks the running gateway through its socket in SLUICE_STATE_DIR, where a change holds at once. If no gateway runs, the state folder is changed. Run it as the \
        gateway's user or as root.

        """ + SettingsFlags.discussion

    static func perform(_ operation: CallerRequest.Operation, _ request: CallerRequest) throws -> CallerAnswer {
        let settings = try SettingsFlags.settings()
        let folder = settings.stateDirectory
        guard folder != ProcessSettings.noStateDirectory else {
            throw Report.problems(["SLUICE_STATE_DIR is off: callers and plans can only be declared in the configuration"])
        }
        if let answer = try ask(operation, request, folder) { return answer }
        return try performHere(operation, request, folder)
    }

    /// Nil if no gateway runs.
    private static func ask(_ operation: CallerRequest.Operation, _ request: CallerRequest, _ folder: String) throws -> CallerAnswer? {
        let answer: HTTPResponse?
        do throws(StreamFailure) {
            answer = try ControlClient.askOne(
                "POST", operation.path, folder: folder, json: Array(try encoded(request)), followPath: CallerPage.followPath)
        } catch {
            throw Report.problems(["SLUICE_STATE_DIR \(folder): the gateway there cannot be asked: \(error)"])
        }
        guard let response = answer else { return nil }
        if response.status == 200, let answer = try? JSONDecoder().decode(CallerAnswer.self, from: Data(response.body)) { return answer }
        guard [400, 404, 409, 503].contains(response.status) else {
            throw Report.problems(["the process that answers in SLUICE_STATE_DIR is not a gateway of this version"])
        }
        throw Report.problems([String(decoding: response.body, as: UTF8.self).trimmingCharacters(in: .newlines)])
    }

    private static func encoded(_ request: CallerRequest) throws(StreamFailure) -> Data {
        do {
            return try JSONEncoder().encode(request)
        } catch {
            throw StreamFailure("the request cannot be encoded")
        }
    }

    private static func performHere(_ operation: CallerRequest.Operation, _ request: CallerRequest, _ folder: String) throws -> CallerAnswer {
        let isLook = [.listKeys, .listPlans].contains(operation)
        if isLook, !CallerDatabase.exists(in: folder) {
            var answer = CallerAnswer()
            if operation == .listKeys { answer.callers = [] } else { answer.plans = [] }
            return answer
        }
        do {
            let store = try CallerDatabase(directory: folder)
            defer { store.close() }
            let book = CallerBook(
                store: store, declared: CallerBook.Declared(), now: Int64(Date.now.timeIntervalSince1970), makeKey: CallerKeys.make, digest: CallerKeys.digest)
            return try book.perform(operation, request)
        } catch let error as CallerStoreError {
            throw Report.problems([error.description])
        } catch let error as CallerFault {
            throw Report.problems([error.description])
        }
    }

    // MARK: Text

    /// Prints an answer, as JSON or as text, and what there is to think of.
    static func print(_ answer: CallerAnswer, json: Bool, done: String? = nil) throws {
        for note in answer.notes ?? [] { Report.note(note) }
        if json { return try Report.output(CallerPage.text(answer, isPretty: true) ?? "") }
        var text = ""
        if let key = answer.key { text += "key: \(key)\n" }
        if let key = answer.secondaryKey { text += "secondary key: \(key)\n" }
        if answer.key != nil || answer.secondaryKey != nil {
            Report.note("a key is shown this once: only its digest is kept")
        } else if let done {
            text += done + "\n"
        }
        if done == nil {
            if let callers = answer.callers { text += callers.isEmpty ? "no callers\n" : table(callers) }
            if let plans = answer.plans { text += plans.isEmpty ? "no plans\n" : table(plans) }
        }
        try Report.output(text)
    }

    private static func table(_ callers: [CallerAnswer.Caller]) -> String {
        Columns.text([["NAME", "STATE", "PLANS", "NOT BEFORE", "EXPIRES", "KEYS", "DECLARED IN", "DESCRIPTION"]] + callers.map { caller in
            [
                caller.name, caller.state, caller.plans.joined(separator: " "), caller.notBefore ?? "-", caller.expires ?? "-",
                caller.hasSecondary ? "2" : "1", caller.isConfigured == true ? "configuration" : "state folder", caller.description ?? "-",
            ]
        })
    }

    private static func table(_ plans: [CallerAnswer.Plan]) -> String {
        Columns.text([["NAME", "PER SECOND", "QUOTA", "PER", "CALLERS", "DECLARED IN"]] + plans.map { plan in
            [
                plan.name, plan.requestsPerSecond.map { "\($0)" } ?? "-", plan.quota.map { "\($0)" } ?? "-", plan.per ?? "-", "\(plan.callers ?? 0)",
                plan.isConfigured == true ? "configuration" : "state folder",
            ]
        })
    }
}

/// `--json`, for every command about callers and plans.
struct CallerOutput: ParsableArguments {
    @Flag(help: "Print JSON.")
    var json = false
}
