import Foundation
import GRDB
package import SluiceCallers

/// A file, whatever its name.
private struct FileIdentity: Equatable {
    private let device: dev_t
    private let inode: ino_t

    /// Nil if there is none.
    init?(ofFileAt path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
    }
}

/// Callers and plans that are made at run time, on disk: `keys.sqlite` in the state directory. Of keys it has digests alone.
///
/// A file of its own, because counts that are damaged may be moved away, and keys may not. A change is one transaction, and on the disk when it returns. Several
/// processes may have the file open: a new gateway that takes over from the old one, and, where no gateway runs, a command.
package final class CallerDatabase: CallerStore {
    /// Name of the file in the state directory.
    package static let fileName = "keys.sqlite"
    static let schemaVersion = 1

    private let file: StateFile
    private let queue: DatabaseQueue
    /// Which file is open, whatever its name leads to by now.
    private let identity: FileIdentity?
    /// In a change, whose statements are its transaction's.
    private var open: Database?

    /// Opens the file, and makes it if it is not there. Waits for at most about a second for another process.
    package init(directory: String) throws(CallerStoreError) {
        file = StateFile(directory: directory, name: Self.fileName)
        do throws(StateFile.Fault) {
            try file.prepare()
        } catch {
            throw CallerStoreError(error.message)
        }
        do {
            var configuration = Configuration()
            configuration.label = "sluice.keys"
            configuration.busyMode = .timeout(1)
            configuration.foreignKeysEnabled = true
            // As with counts: a transaction that a failed disk leaves must not trap.
            configuration.allowsUnsafeTransactions = true
            queue = try DatabaseQueue(path: file.path, configuration: configuration)
        } catch {
            throw CallerStoreError(file.reason(error, lost: Self.lost))
        }
        do {
            let path = file.path
            try queue.writeWithoutTransaction { database in
                try Self.checkVersion(database, path)
                if let fault = try String.fetchOne(database, sql: "PRAGMA quick_check(1)"), fault != "ok" {
                    throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: fault)
                }
                try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
                try Self.makeTables(database)
            }
        } catch {
            try? queue.close()
            throw error as? CallerStoreError ?? CallerStoreError(file.reason(error, lost: Self.lost))
        }
        identity = FileIdentity(ofFileAt: file.path)
    }

    /// Whether there is a file, so that reading it makes none.
    package static func exists(in directory: String) -> Bool { StateFile(directory: directory, name: fileName).exists }

    package func close() { try? queue.close() }

    private static let lost = "all callers in it are then unknown"

    // MARK: Schema

    private static func checkVersion(_ database: Database, _ path: String) throws {
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        if version > schemaVersion {
            throw CallerStoreError("\(path): a newer Sluice has written this file (version \(version); this Sluice knows version \(schemaVersion))")
        }
        let application = try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        let isEmpty = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") == 0
        if !isEmpty, application != StateConnection.applicationID { throw CallerStoreError("\(path): is a database that Sluice has not written") }
    }

    private static func makeTables(_ database: Database) throws {
        guard try Int.fetchOne(database, sql: "PRAGMA user_version") == 0 else { return }
        try database.inTransaction(.immediate) {
            // Another process may have been first.
            guard try Int.fetchOne(database, sql: "PRAGMA user_version") == 0 else { return .commit }
            try database.execute(sql: """
                CREATE TABLE caller (
                    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, enabled INTEGER NOT NULL,
                    not_before INTEGER, expires INTEGER, created INTEGER NOT NULL);
                CREATE TABLE caller_key (
                    digest BLOB NOT NULL PRIMARY KEY, caller INTEGER NOT NULL REFERENCES caller ON DELETE CASCADE, place INTEGER NOT NULL,
                    UNIQUE (caller, place)) WITHOUT ROWID;
                CREATE TABLE access (
                    caller INTEGER NOT NULL REFERENCES caller ON DELETE CASCADE, domain TEXT NOT NULL, plan TEXT, clearings INTEGER NOT NULL,
                    PRIMARY KEY (caller, domain)) WITHOUT ROWID;
                CREATE INDEX access_plan ON access (plan);
                CREATE TABLE usage_plan (name TEXT NOT NULL PRIMARY KEY, per_second INTEGER, quota INTEGER, period TEXT) WITHOUT ROWID;
                PRAGMA application_id = \(StateConnection.applicationID);
                PRAGMA user_version = \(schemaVersion);
                """)
            return .commit
        }
    }

    // MARK: Connections and errors

    package func change(_ body: () throws -> Void) throws(CallerStoreError) {
        try checkPlace()
        do {
            try queue.writeWithoutTransaction { database in
                open = database
                defer { open = nil }
                try database.inTransaction(.immediate) {
                    try body()
                    return .commit
                }
            }
        } catch {
            throw explained(error)
        }
    }

    /// A file that was moved away, or that another has replaced, is nobody's any more: what is written to it is lost with this process.
    private func checkPlace() throws(CallerStoreError) {
        guard FileIdentity(ofFileAt: file.path) == identity else {
            throw CallerStoreError("\(file.path): was moved or replaced; it is opened again")
        }
    }

    private func run<Result>(_ body: (Database) throws -> Result) throws(CallerStoreError) -> Result {
        do {
            if let open { return try body(open) }
            return try queue.writeWithoutTransaction(body)
        } catch {
            throw explained(error)
        }
    }

    private func explained(_ error: any Error) -> CallerStoreError {
        if let error = error as? CallerStoreError { return error }
        guard error is DatabaseError else { return CallerStoreError("\(error)") }
        return CallerStoreError(file.reason(error, lost: Self.lost))
    }

    package func version() throws(CallerStoreError) -> Int {
        try checkPlace()
        return try run { try Int.fetchOne($0.cachedStatement(sql: "PRAGMA data_version")) ?? 0 }
    }

    // MARK: Looking

    private static let columns = "id, name, description, enabled, not_before, expires, created"

    package func forEachCaller(_ body: (Caller) -> Void) throws(CallerStoreError) {
        try run { database in
            // In one transaction, so that callers, keys and domains are of one moment.
            try database.inTransaction(.deferred) {
                let keys = try Row.fetchCursor(database, sql: "SELECT caller, place, digest FROM caller_key ORDER BY caller")
                let accesses = try Row.fetchCursor(database, sql: "SELECT caller, domain, plan, clearings FROM access ORDER BY caller")
                var key = try keys.next()?.copy()
                var access = try accesses.next()?.copy()
                let rows = try Row.fetchCursor(database, sql: "SELECT \(Self.columns) FROM caller ORDER BY id")
                while let row = try rows.next() {
                    var caller = Self.caller(row)
                    let id = Int64(caller.id)
                    while let found = key, Self.number(found) <= id {
                        if Self.number(found) == id { Self.take(found, into: &caller) }
                        key = try keys.next()?.copy()
                    }
                    while let found = access, Self.number(found) <= id {
                        if Self.number(found) == id { caller.grants.append(Self.grant(found)) }
                        access = try accesses.next()?.copy()
                    }
                    body(caller)
                }
                return .commit
            }
        }
    }

    package func callers(behind name: String, count: Int) throws(CallerStoreError) -> [Caller] {
        try run { database in
            let rows = try Row.fetchAll(
                database, sql: "SELECT \(Self.columns) FROM caller WHERE name > ? ORDER BY name LIMIT ?", arguments: [name, count])
            return try rows.map { try Self.whole($0, database) }
        }
    }

    package func caller(named name: String) throws(CallerStoreError) -> Caller? {
        try run { database in
            try Row.fetchOne(database, sql: "SELECT \(Self.columns) FROM caller WHERE name = ?", arguments: [name]).map { try Self.whole($0, database) }
        }
    }

    package func owner(of digest: KeyDigest) throws(CallerStoreError) -> String? {
        try run { database in
            try String.fetchOne(
                database, sql: "SELECT name FROM caller WHERE id = (SELECT caller FROM caller_key WHERE digest = ?)", arguments: [Data(digest.bytes)])
        }
    }

    package func plans() throws(CallerStoreError) -> [Plan] {
        try run { database in
            try Row.fetchAll(database, sql: "SELECT name, per_second, quota, period FROM usage_plan ORDER BY name").map { row in
                var plan = Plan(name: row[0], requestsPerSecond: (row[1] as Int64?).map { UInt64(clamping: $0) })
                if let limit = row[2] as Int64?, let per = (row[3] as String?).flatMap(Plan.Period.init(rawValue:)) {
                    plan.quota = Plan.Quota(limit: UInt64(clamping: limit), per: per)
                }
                return plan
            }
        }
    }

    package func callerCount(ofPlan name: String) throws(CallerStoreError) -> Int {
        try run { try Int.fetchOne($0, sql: "SELECT count(DISTINCT caller) FROM access WHERE plan = ?", arguments: [name]) ?? 0 }
    }

    private static func caller(_ row: Row) -> Caller {
        var caller = Caller(name: row[1])
        caller.id = UInt32(clamping: row[0] as Int64)
        caller.description = row[2]
        caller.isEnabled = row[3]
        caller.notBefore = row[4]
        caller.expires = row[5]
        caller.created = row[6]
        caller.grants = []
        return caller
    }

    private static func whole(_ row: Row, _ database: Database) throws -> Caller {
        var caller = caller(row)
        for row in try Row.fetchAll(database, sql: "SELECT caller, place, digest FROM caller_key WHERE caller = ?", arguments: [Int64(caller.id)]) {
            take(row, into: &caller)
        }
        caller.grants = try Row.fetchAll(
            database, sql: "SELECT caller, domain, plan, clearings FROM access WHERE caller = ? ORDER BY domain", arguments: [Int64(caller.id)]).map(grant)
        return caller
    }

    /// The id of the caller that the row is about.
    private static func number(_ row: Row) -> Int64 { row[0] }

    private static func take(_ row: Row, into caller: inout Caller) {
        let digest = KeyDigest(Array(row[2] as Data))
        if row[1] as Int64 == 0 { caller.primary = digest } else { caller.secondary = digest }
    }

    /// No domain is called by an empty text.
    private static func grant(_ row: Row) -> Caller.Grant {
        let domain: String = row[1]
        return Caller.Grant(domain: domain.isEmpty ? nil : domain, plan: row[2], clearings: UInt32(clamping: row[3] as Int64))
    }

    // MARK: Changing

    package func insert(_ caller: Caller) throws(CallerStoreError) -> UInt32 {
        try run { database in
            try database.execute(
                sql: "INSERT INTO caller (name, description, enabled, not_before, expires, created) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [caller.name, caller.description, caller.isEnabled, caller.notBefore, caller.expires, caller.created])
            let id = database.lastInsertedRowID
            guard let number = UInt32(exactly: id) else { throw CallerStoreError("there were too many callers") }
            try Self.insertParts(of: caller, id, database)
            return number
        }
    }

    package func update(_ caller: Caller) throws(CallerStoreError) {
        try run { database in
            let id = Int64(caller.id)
            try database.execute(
                sql: "UPDATE caller SET description = ?, enabled = ?, not_before = ?, expires = ? WHERE id = ?",
                arguments: [caller.description, caller.isEnabled, caller.notBefore, caller.expires, id])
            try database.execute(sql: "DELETE FROM caller_key WHERE caller = ?", arguments: [id])
            try database.execute(sql: "DELETE FROM access WHERE caller = ?", arguments: [id])
            try Self.insertParts(of: caller, id, database)
        }
    }

    private static func insertParts(of caller: Caller, _ id: Int64, _ database: Database) throws {
        for (place, digest) in [caller.primary, caller.secondary].enumerated() {
            guard let digest else { continue }
            try database.execute(sql: "INSERT INTO caller_key VALUES (?, ?, ?)", arguments: [Data(digest.bytes), id, place])
        }
        for grant in caller.grants {
            try database.execute(sql: "INSERT INTO access VALUES (?, ?, ?, ?)", arguments: [id, grant.domain ?? "", grant.plan, Int64(grant.clearings)])
        }
    }

    package func delete(callerID: UInt32) throws(CallerStoreError) {
        try run { try $0.execute(sql: "DELETE FROM caller WHERE id = ?", arguments: [Int64(callerID)]) }
    }

    package func put(_ plan: Plan) throws(CallerStoreError) {
        try run { database in
            try database.execute(
                sql: """
                    INSERT INTO usage_plan VALUES (?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET per_second = excluded.per_second, quota = excluded.quota, period = excluded.period
                    """,
                arguments: [
                    plan.name, plan.requestsPerSecond.map { Int64(clamping: $0) }, plan.quota.map { Int64(clamping: $0.limit) }, plan.quota?.per.rawValue,
                ])
        }
    }

    package func clearUse(ofPlan name: String) throws(CallerStoreError) {
        try run { try $0.execute(sql: "UPDATE access SET clearings = clearings + 1 WHERE plan = ?", arguments: [name]) }
    }

    package func delete(plan name: String) throws(CallerStoreError) {
        try run { try $0.execute(sql: "DELETE FROM usage_plan WHERE name = ?", arguments: [name]) }
    }
}
