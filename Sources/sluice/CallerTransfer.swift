import Foundation
import SluiceAdmin
import SluiceCallers
import SluiceClient
import SluiceConfiguration
import SluiceGateway
import SluiceStore

/// Callers and plans as a file, and out of one: one JSON object a line. Read from the state folder, and written to it as one change; a gateway that runs is told.
enum CallerTransfer {
    /// Bytes of a file that is read.
    static let bytesMax = 1 << 30

    // MARK: Out

    /// All callers and plans of the state folder. Damaged ones are left out and noted.
    static func exported() throws -> String {
        let folder = try folder()
        guard CallerDatabase.exists(in: folder) else { return "" }
        do {
            let store = try CallerDatabase(directory: folder)
            defer { store.close() }
            var lines: [CallerLine] = []
            try store.forEachCaller(damaged: Report.note) { lines.append(CallerLine($0)) }
            // A plan that is made meanwhile is here then; one that is deleted meanwhile is not, and the import says which caller has it.
            let plans = try store.plans(damaged: Report.note).map { CallerLine($0) }
            return try text(plans + lines)
        } catch let error as CallerStoreError {
            throw Report.problems([error.description])
        }
    }

    static func text(_ lines: [CallerLine]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try lines.map { try encoder.encode($0) }.map { String(decoding: $0, as: UTF8.self) + "\n" }.joined()
    }

    // MARK: In

    /// Makes callers and plans what the file says, and tells the gateways that run.
    static func take(_ bytes: [UInt8]) throws -> CallerImport {
        let folder = try folder()
        let outcome: CallerImport
        do {
            let lines = try read(bytes)
            let store = try CallerDatabase(directory: folder)
            defer { store.close() }
            let book = CallerBook(
                store: store, declared: CallerBook.Declared(), now: Int64(Date.now.timeIntervalSince1970), makeKey: CallerKeys.make, digest: CallerKeys.digest)
            outcome = try book.takeOver(lines)
        } catch let error as CallerStoreError {
            throw Report.problems([error.description])
        } catch let error as CallerFault {
            throw Report.problems([error.description])
        }
        do throws(StreamFailure) {
            for answer in try ControlClient.ask("POST", CallerPage.followPath, folder: folder) where answer.status != 200 {
                Report.note("a gateway that runs has not taken it over yet: \(String(decoding: answer.body, as: UTF8.self).trimmingCharacters(in: .newlines))")
            }
        } catch {
            Report.note("a gateway that runs has not taken it over yet: \(error)")
        }
        return outcome
    }

    /// The lines, with their numbers. Empty ones are passed over.
    static func read(_ bytes: [UInt8]) throws(CallerFault) -> [(number: Int, line: CallerLine)] {
        var lines: [(number: Int, line: CallerLine)] = []
        let decoder = JSONDecoder()
        for (index, bytes) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            guard bytes.contains(where: { $0 != 13 && $0 != 32 && $0 != 9 }) else { continue }
            lines.append((index + 1, try read(Data(bytes), decoder, number: index + 1)))
        }
        return lines
    }

    private static func read(_ data: Data, _ decoder: JSONDecoder, number: Int) throws(CallerFault) -> CallerLine {
        guard let object = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any] else { throw CallerFault(.unusable, "line \(number): must be a JSON object") }
        guard (object["plan"] == nil) != (object["caller"] == nil) else { throw CallerFault(.unusable, "line \(number): needs `plan` or `caller`, and not both") }
        let members = object["plan"] == nil ? CallerLine.callerMembers : CallerLine.planMembers
        if let unknown = object.keys.sorted().first(where: { !members.contains($0) }) {
            throw CallerFault(.unusable, "line \(number): \(CallerBook.quoted(unknown)) is unknown here; allowed: \(members.joined(separator: ", "))")
        }
        do {
            return try decoder.decode(CallerLine.self, from: data)
        } catch DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context), DecodingError.valueNotFound(_, let context) {
            throw CallerFault(.unusable, "line \(number): `\(context.codingPath.first?.stringValue ?? "the line")` has a value of the wrong kind")
        } catch {
            throw CallerFault(.unusable, "line \(number): cannot be read")
        }
    }

    private static func folder() throws -> String {
        let folder = try SettingsFlags.settings().stateDirectory
        guard folder != ProcessSettings.noStateDirectory else {
            throw Report.problems(["SLUICE_STATE_DIR is off: callers and plans can only be declared in the configuration"])
        }
        return folder
    }
}
