import Foundation
import GRDB
import SluiceCounting

/// One open connection to the file of `StateDatabase`: its schema and its statements. Errors are GRDB's, but for what only we can say.
final class StateConnection {
    /// Number of the schema, in `user_version`. A larger one is of a newer Sluice and is refused.
    static let schemaVersion = 1
    /// In `application_id`: "Slce". A database that is not empty and lacks it is somebody else's.
    static let applicationID = 0x536C_6365

    /// The latest counting time in the file, as last read or written.
    private(set) var highest: UInt64 = 0

    private let queue: DatabaseQueue
    private let device: dev_t
    private let inode: ino_t
    /// Counting time at which rows that nobody needs are looked for.
    private var pruneAt: UInt64 = 0

    /// - Parameter checksContent: reads the whole file and refuses a damaged one. It takes some milliseconds.
    init(path: String, checksContent: Bool) throws {
        var configuration = Configuration()
        configuration.label = "sluice.counts"
        configuration.busyMode = .timeout(1)
        // A failed disk may leave a transaction that cannot even be rolled back: GRDB would trap, we close the connection.
        configuration.allowsUnsafeTransactions = true
        queue = try DatabaseQueue(path: path, configuration: configuration)
        var status = stat()
        _ = stat(path, &status)
        device = status.st_dev
        inode = status.st_ino
        do {
            try queue.writeWithoutTransaction { database in
                try Self.checkVersion(database, path)
                if checksContent, let fault = try String.fetchOne(database, sql: "PRAGMA quick_check(1)"), fault != "ok" {
                    throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: fault)
                }
                // Every commit is one fsync of the log. The mode stays with the file, `synchronous` with the connection.
                try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
                try Self.migrate(database)
            }
            highest = try queue.writeWithoutTransaction(Self.readHighest)
        } catch {
            close()
            throw error
        }
    }

    func close() { try? queue.close() }

    /// Whether the file that is open is still the one of that name.
    func isStillAt(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_ino == inode && status.st_dev == device
    }

    // MARK: Schema

    private static func checkVersion(_ database: Database, _ path: String) throws {
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        if version > schemaVersion {
            throw AllowanceStoreError("\(path): written by a newer Sluice (version \(version) of the file, this one knows \(schemaVersion))")
        }
        let application = try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        let isEmpty = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") == 0
        if !isEmpty, application != applicationID { throw AllowanceStoreError("\(path): is a database, but not one of Sluice") }
    }

    private static func migrate(_ database: Database) throws {
        guard try Int.fetchOne(database, sql: "PRAGMA user_version") != schemaVersion else { return }
        try database.inTransaction(.immediate) {
            // Another process may have been first.
            guard try Int.fetchOne(database, sql: "PRAGMA user_version") == 0 else { return .rollback }
            try database.execute(
                sql: """
                    CREATE TABLE reservation (
                        owner TEXT NOT NULL, per_seconds INTEGER NOT NULL, place INTEGER NOT NULL,
                        number INTEGER NOT NULL, reserved INTEGER NOT NULL,
                        PRIMARY KEY (owner, per_seconds, place)) WITHOUT ROWID;
                    CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 0), highest INTEGER NOT NULL);
                    INSERT INTO clock VALUES (0, 0);
                    PRAGMA application_id = \(applicationID);
                    PRAGMA user_version = \(schemaVersion);
                    """)
            return .commit
        }
    }

    private static func readHighest(_ database: Database) throws -> UInt64 {
        UInt64(clamping: try Int64.fetchOne(database.cachedStatement(sql: "SELECT highest FROM clock WHERE id = 0")) ?? 0)
    }

    // MARK: Reserving

    /// A time that has been reached when these windows are asked for: they are reserved at most a second ahead.
    static func earliestSeconds(of batch: AllowanceBatch) -> UInt64 {
        let begins = batch.quotas.map { $0.window.multipliedReportingOverflow(by: max(1, $0.key.perSeconds)) }.map { $0.overflow ? 0 : $0.partialValue }
        return (begins.max() ?? 1) &- 1
    }

    /// Rows of windows that ended this long before the latest time are no longer needed.
    static func keptSeconds(_ perSeconds: UInt64) -> UInt64 { max(2 * min(perSeconds, 1 << 40), 600) }

    /// Does all of `requests` or nothing; on the disk when it returns.
    func reserve(_ requests: [AllowanceBatch.QuotaRequest], seconds: UInt64) throws -> [AllowanceReplies.QuotaReply] {
        var replies: [AllowanceReplies.QuotaReply] = []
        replies.reserveCapacity(requests.count)
        var latest = highest
        try queue.writeWithoutTransaction { database in
            try database.inTransaction(.immediate) {
                latest = try Self.readHighest(database)
                if seconds > latest {
                    latest = seconds
                    try database.cachedStatement(sql: "UPDATE clock SET highest = ? WHERE id = 0").execute(arguments: [Int64(clamping: latest)])
                }
                let select = try database.cachedStatement(
                    sql: "SELECT number, reserved FROM reservation WHERE owner = ? AND per_seconds = ? AND place = ?")
                let upsert = try database.cachedStatement(
                    sql: """
                        INSERT INTO reservation VALUES (?, ?, ?, ?, ?)
                        ON CONFLICT DO UPDATE SET number = excluded.number, reserved = excluded.reserved
                        """)
                for request in requests { replies.append(try Self.reserve(request, latest, select, upsert)) }
                if latest >= pruneAt { try prune(database, latest) }
                return .commit
            }
        }
        highest = latest
        return replies
    }

    private static func reserve(
        _ request: AllowanceBatch.QuotaRequest, _ latest: UInt64, _ select: Statement, _ upsert: Statement
    ) throws -> AllowanceReplies.QuotaReply {
        let key = request.key
        let place = Int64(request.window & 1)
        let row = try Row.fetchOne(select, arguments: [key.owner, Int64(clamping: key.perSeconds), place])
        let number = row.map { UInt64(clamping: $0[0] as Int64) }
        var former: UInt64 = 0
        if let row, number == request.window { former = UInt64(clamping: row[1] as Int64) }

        let perSeconds = max(1, min(key.perSeconds, 1 << 40))
        let (end, isFar) = (request.window &+ 1).multipliedReportingOverflow(by: perSeconds)
        let isFollowed = number.map { $0 > request.window } ?? false
        if isFollowed || isFar || end < latest - min(latest, keptSeconds(perSeconds)) {
            // Nothing of a window that is over.
            return .init(granted: request.granted, total: max(request.limit, request.granted))
        }
        // What this process knows it holds counts also if the file has been put aside in between.
        var total = max(former - min(former, request.givenBack), request.granted)
        let granted = min(request.wanted, request.limit - min(request.limit, total))
        total += granted
        if total != former || number != request.window {
            try upsert.execute(
                arguments: [
                    key.owner, Int64(clamping: key.perSeconds), place, Int64(clamping: request.window), Int64(clamping: total),
                ])
        }
        return .init(granted: request.granted + granted, total: total)
    }

    /// Removes some rows of conditions that were not used for long, most of which are no longer configured.
    private func prune(_ database: Database, _ latest: UInt64) throws {
        let most = 500
        try database.cachedStatement(
            sql: """
                DELETE FROM reservation WHERE (owner, per_seconds, place) IN (
                    SELECT owner, per_seconds, place FROM reservation
                    WHERE (number + 1) * per_seconds + max(2 * per_seconds, 600) < ? LIMIT \(most))
                """
        ).execute(arguments: [Int64(clamping: latest)])
        // As long as there are more, every second; else the whole table is read for nothing every ten minutes.
        pruneAt = latest + (database.changesCount == most ? 1 : 600)
    }

    // MARK: Looking and clearing

    func usage(seconds: UInt64) throws -> [(key: QuotaKey, window: UInt64, reserved: UInt64)] {
        try queue.writeWithoutTransaction { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT owner, per_seconds, number, reserved FROM reservation
                    WHERE number = ? / per_seconds AND reserved > 0 ORDER BY owner, per_seconds
                    """, arguments: [Int64(clamping: seconds)])
            return rows.map { row in
                (
                    key: QuotaKey(owner: row[0], perSeconds: UInt64(clamping: row[1] as Int64)),
                    window: UInt64(clamping: row[2] as Int64), reserved: UInt64(clamping: row[3] as Int64)
                )
            }
        }
    }

    func reset(_ key: QuotaKey?) throws {
        try queue.writeWithoutTransaction { database in
            try database.inTransaction(.immediate) {
                if let key {
                    try database.execute(
                        sql: "DELETE FROM reservation WHERE owner = ? AND per_seconds = ?",
                        arguments: [key.owner, Int64(clamping: key.perSeconds)])
                } else {
                    try database.execute(sql: "DELETE FROM reservation; UPDATE clock SET highest = 0")
                }
                return .commit
            }
        }
        if key == nil {
            highest = 0
            pruneAt = 0
        }
    }

    func pragmas() throws -> (journal: String?, synchronous: Int?) {
        try queue.writeWithoutTransaction {
            (
                journal: try String.fetchOne($0, sql: "PRAGMA journal_mode"), synchronous: try Int.fetchOne($0, sql: "PRAGMA synchronous")
            )
        }
    }

    func limitPages(to count: Int) throws {
        try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = \(count)") }
    }
}
