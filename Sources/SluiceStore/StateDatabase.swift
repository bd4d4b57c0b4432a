import Foundation
import GRDB
package import SluiceCounting

/// What one node has reserved, on disk: `counts.sqlite` in the state directory.
///
/// A batch is one transaction, and it is on the disk (write-ahead log, synchronous=FULL: one fsync) before `exchange` returns. What
/// is reserved only adds up, so two processes on one file, a new binary that takes over from the old one, together
/// never get more than the limit.
///
/// A condition has two rows, for windows of even and odd numbers, as it has two purses. Something is granted for the present window and the next,
/// by a clock that is read within the transaction; what a clock that is set leaves of windows is decided by `StoreClock`.
///
/// For one thread. After an error the next exchange tries again, where needed with a new connection.
package final class StateDatabase: AllowanceStore {
    /// Name of the file in the state directory.
    package static let fileName = "counts.sqlite"

    /// What the clock showed when any process last wrote, as found when the file was opened, in seconds since the Unix epoch; 0 for a new file.
    package private(set) var latestSeconds: UInt64 = 0

    private let time: StoreTime
    private let file: StateFile
    private var path: String { file.path }
    private(set) var connection: StateConnection?

    /// Opens the file, and makes directory (0700) and file (0600) if they are not there. Waits for at most about a second for another process.
    package init(directory: String, time: StoreTime = .machine) throws(AllowanceStoreError) {
        self.time = time
        file = StateFile(directory: directory, name: Self.fileName)
        try prepareFiles()
        do {
            let connection = try StateConnection(path: path, checksContent: true, time: time)
            latestSeconds = UInt64(clamping: (connection.clock.last ?? 0) / 1_000_000)
            self.connection = connection
        } catch {
            throw explained(error)
        }
    }

    // MARK: AllowanceStore

    package func exchange(_ batch: AllowanceBatch) throws(AllowanceStoreError) -> AllowanceReplies {
        var quotas: [AllowanceReplies.QuotaReply] = []
        if !batch.quotas.isEmpty {
            quotas = try run { connection throws in try connection.reserve(batch.quotas) }
        }
        let ceilings = batch.ceilings.map {
            AllowanceReplies.CeilingReply(project: $0.project, share: $0.ceiling, target: $0.ceiling, fair: $0.ceiling)
        }
        return AllowanceReplies(ceilings: ceilings, quotas: quotas)
    }

    package func usage(wallSeconds: UInt64) throws(AllowanceStoreError) -> [(key: QuotaKey, window: UInt64, reserved: UInt64)] {
        try run { connection throws in try connection.usage(seconds: wallSeconds) }
    }

    package func reset(_ key: QuotaKey?) throws(AllowanceStoreError) {
        try run { connection throws in try connection.reset(key) }
    }

    package func close() {
        connection?.close()
        connection = nil
    }

    // MARK: Connections and errors

    /// Runs `body` on the connection, which is opened anew if an error has closed it or the file was moved away.
    private func run<Result>(_ body: (StateConnection) throws -> Result) throws(AllowanceStoreError) -> Result {
        // SQLite goes on writing to a file that has lost its name, and nobody would find it again.
        if let open = connection, !open.isStillAt(path) { close() }
        if connection == nil { try prepareFiles() }
        do {
            let open = try connection ?? StateConnection(path: path, checksContent: false, time: time)
            connection = open
            return try body(open)
        } catch {
            if !isBusy(error) { close() }
            throw explained(error)
        }
    }

    private func isBusy(_ error: any Error) -> Bool {
        (error as? DatabaseError).map { $0.resultCode == .SQLITE_BUSY || $0.resultCode == .SQLITE_LOCKED } ?? false
    }

    private func explained(_ error: any Error) -> AllowanceStoreError {
        error as? AllowanceStoreError ?? AllowanceStoreError(file.reason(error, lost: "counts then begin at zero"))
    }

    private func prepareFiles() throws(AllowanceStoreError) {
        do throws(StateFile.Fault) {
            try file.prepare()
        } catch {
            throw AllowanceStoreError(error.message)
        }
    }
}
