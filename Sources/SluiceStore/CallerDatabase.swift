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
                // What is no more than a wrong value in a row is found where the row is read, and does no harm to other rows.
                let faults = try Row.fetchAll(database, sql: "PRAGMA quick_check(\(Self.faultsMax))").map { CallerRecord.text($0, 0) ?? "unreadable" }
                if let fault = faults.first(where: { $0 != "ok" && !Self.isOfValue($0) }) ?? (faults.count < Self.faultsMax ? nil : faults.first) {
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
    /// A file with more of them than this is not read any further.
    private static let faultsMax = 1000

    /// As SQLite words it in `quick_check`.
    private static func isOfValue(_ fault: String) -> Bool {
        fault.hasPrefix("NULL value in ") || fault.hasPrefix("non-INTEGER value in ") || fault.hasPrefix("non-TEXT value in ") || fault.hasPrefix("NUMERIC value in ")
            || fault.hasPrefix("TEXT value in ")
    }

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
        try makeFirstTables(database)
        // No reason for another version: who does not know it can use the file.
        try database.execute(sql: """
            CREATE TABLE IF NOT EXISTS access_gone (
                caller INTEGER NOT NULL REFERENCES caller ON DELETE CASCADE, domain TEXT NOT NULL, clearings INTEGER NOT NULL,
                PRIMARY KEY (caller, domain)) WITHOUT ROWID
            """)
    }

    private static func makeFirstTables(_ database: Database) throws {
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

    package func forEachCaller(damaged: (String) -> Void, _ body: (Caller) -> Void) throws(CallerStoreError) {
        try run { database in
            // In one transaction, so that callers, keys and domains are of one moment.
            try database.inTransaction(.deferred) {
                let keys = try Parts(database, sql: "SELECT \(CallerRecord.keyColumns) FROM caller_key ORDER BY caller", kind: "key")
                let accesses = try Parts(database, sql: "SELECT \(CallerRecord.accessColumns) FROM access ORDER BY caller", kind: "domain")
                let rows = try Row.fetchCursor(database, sql: "SELECT \(CallerRecord.columns) FROM caller ORDER BY id")
                while let row = try rows.next() {
                    let id = CallerRecord.integer(row, 0) ?? .max
                    let (ownKeys, ownAccesses) = (try keys.rows(of: id), try accesses.rows(of: id))
                    do throws(CallerRecord.Fault) {
                        body(try Self.caller(row, keys: ownKeys, accesses: ownAccesses))
                    } catch {
                        damaged(CallerRecord.damage("caller", row, name: 1, error))
                    }
                }
                for fault in try keys.end() + accesses.end() { damaged(fault) }
                return .commit
            }
        }
    }

    /// Rows about callers, in the order of these.
    private final class Parts {
        private let cursor: RowCursor
        private let kind: String
        private var next: Row?
        private var strays = 0

        init(_ database: Database, sql: String, kind: String) throws {
            cursor = try Row.fetchCursor(database, sql: sql)
            self.kind = kind
            try advance()
        }

        /// Those of one caller; those of callers before it, who do not exist, are passed over.
        ///
        /// One more than a caller may have is enough to see that it has too many.
        func rows(of id: Int64) throws -> [Row] {
            var own: [Row] = []
            while let row = next, let caller = CallerRecord.integer(row, 0), caller <= id {
                if caller == id, own.count <= CallerRules.grantsMax { own.append(row) }
                try advance()
            }
            return own
        }

        /// Reads to the end, and tells of rows that cannot be a caller's.
        func end() throws -> [String] {
            _ = try rows(of: .max)
            let of = strays == 1 ? "1 \(kind)" : "\(strays) \(kind)s"
            return strays == 0 ? [] : ["\(of) in \(CallerDatabase.fileName) \(strays == 1 ? "is" : "are") damaged: `caller` must be a caller's id"]
        }

        private func advance() throws {
            next = try cursor.next()?.copy()
            while let row = next, CallerRecord.integer(row, 0) == nil {
                strays += 1
                next = try cursor.next()?.copy()
            }
        }
    }

    private static func caller(_ row: Row, keys: [Row], accesses: [Row]) throws(CallerRecord.Fault) -> Caller {
        var caller = try CallerRecord.caller(row)
        for key in keys { try CallerRecord.take(key: key, into: &caller) }
        for access in accesses { try CallerRecord.take(access: access, into: &caller) }
        return caller
    }

    package func callers(behind name: String, count: Int, damaged: (String) -> Void) throws(CallerStoreError) -> [Caller] {
        try run { database in
            var callers: [Caller] = []
            let rows = try Row.fetchCursor(database, sql: "SELECT \(CallerRecord.columns) FROM caller WHERE name > ? ORDER BY name", arguments: [name])
            while callers.count < count, let row = try rows.next() {
                switch try Self.whole(row, database) {
                case .success(let caller): callers.append(caller)
                case .failure(let fault): damaged(CallerRecord.damage("caller", row, name: 1, fault))
                }
            }
            return callers
        }
    }

    package func caller(named name: String) throws(CallerStoreError) -> Caller? {
        try run { database in
            guard let row = try Self.row(ofCallerNamed: name, database) else { return nil }
            switch try Self.whole(row, database) {
            case .success(let caller): return caller
            case .failure(let fault):
                throw CallerStoreError("\(CallerRecord.damage("caller", row, name: 1, fault)); delete it, and make it again", isOfRow: true)
            }
        }
    }

    private static func row(ofCallerNamed name: String, _ database: Database) throws -> Row? {
        try Row.fetchOne(database, sql: "SELECT \(CallerRecord.columns) FROM caller WHERE name = ?", arguments: [name])
    }

    package func owner(of digest: KeyDigest) throws(CallerStoreError) -> String? {
        try run { database in
            let key = try Row.fetchOne(database, sql: "SELECT caller FROM caller_key WHERE digest = ?", arguments: [Data(digest.bytes)])
            guard let key else { return nil }
            let row = try Row.fetchOne(database, sql: "SELECT name FROM caller WHERE id = ?", arguments: [key[0] as DatabaseValue])
            // A key is in use also if what has it is damaged.
            return row.flatMap { CallerRecord.text($0, 0) } ?? ""
        }
    }

    package func plans(damaged: (String) -> Void) throws(CallerStoreError) -> [Plan] {
        try run { database in
            var plans: [Plan] = []
            let rows = try Row.fetchCursor(database, sql: "SELECT \(CallerRecord.planColumns) FROM usage_plan ORDER BY name")
            while let row = try rows.next() {
                do throws(CallerRecord.Fault) {
                    plans.append(try CallerRecord.plan(row))
                } catch {
                    damaged(CallerRecord.damage("plan", row, name: 0, error))
                }
            }
            return plans
        }
    }

    package func callerCount(ofPlan name: String) throws(CallerStoreError) -> Int {
        try run { try Int.fetchOne($0, sql: "SELECT count(DISTINCT caller) FROM access WHERE plan = ?", arguments: [name]) ?? 0 }
    }

    private static func whole(_ row: Row, _ database: Database) throws -> Result<Caller, CallerRecord.Fault> {
        let id: DatabaseValue = row[0]
        let keys = try Row.fetchAll(
            database, sql: "SELECT \(CallerRecord.keyColumns) FROM caller_key WHERE caller = ? LIMIT ?", arguments: [id, CallerRules.grantsMax + 1])
        let accesses = try Row.fetchAll(
            database, sql: "SELECT \(CallerRecord.accessColumns) FROM access WHERE caller = ? ORDER BY domain LIMIT ?", arguments: [id, CallerRules.grantsMax + 1])
        do throws(CallerRecord.Fault) {
            return .success(try caller(row, keys: keys, accesses: accesses))
        } catch {
            return .failure(error)
        }
    }

    // MARK: Changing

    package func insert(_ caller: Caller) throws(CallerStoreError) -> UInt32 {
        try run { database in
            let isFree = try caller.id > 0 && Row.fetchOne(database, sql: "SELECT id FROM caller WHERE id = ?", arguments: [Int64(caller.id)]) == nil
            try database.execute(
                sql: "INSERT INTO caller (id, name, description, enabled, not_before, expires, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
                arguments: [isFree ? Int64(caller.id) : nil, caller.name, caller.description, caller.isEnabled, caller.notBefore, caller.expires, caller.created])
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
            // Where it may call no more, what it has used there is still known if it comes back.
            try database.execute(sql: "INSERT OR REPLACE INTO access_gone SELECT caller, domain, clearings FROM access WHERE caller = ?", arguments: [id])
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
            try database.execute(sql: "DELETE FROM access_gone WHERE caller = ? AND domain = ?", arguments: [id, grant.domain ?? ""])
        }
    }

    package func delete(callerID: UInt32) throws(CallerStoreError) {
        try run { try $0.execute(sql: "DELETE FROM caller WHERE id = ?", arguments: [Int64(callerID)]) }
    }

    package func deleteDamaged(callerNamed name: String) throws(CallerStoreError) -> Bool {
        try run { database in
            guard let row = try Self.row(ofCallerNamed: name, database), case .failure = try Self.whole(row, database) else { return false }
            try database.execute(sql: "DELETE FROM caller WHERE name = ?", arguments: [name])
            return true
        }
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
        try run { database in
            try database.execute(
                sql: "UPDATE access SET clearings = CASE WHEN clearings < \(CallerRules.clearingsMax) THEN clearings + 1 ELSE 0 END WHERE plan = ? AND typeof(clearings) = 'integer'",
                arguments: [name])
        }
    }

    package func clearings(ofCaller id: UInt32, formerlyIn domain: String?) throws(CallerStoreError) -> UInt32? {
        try run { database in
            let row = try Row.fetchOne(
                database, sql: "SELECT clearings FROM access_gone WHERE caller = ? AND domain = ?", arguments: [Int64(id), domain ?? ""])
            return row.map { row in
                let clearings = CallerRecord.integer(row, 0).flatMap { UInt32(exactly: $0) } ?? 0
                return min(clearings, CallerRules.clearingsMax)
            }
        }
    }

    package func delete(plan name: String) throws(CallerStoreError) {
        try run { try $0.execute(sql: "DELETE FROM usage_plan WHERE name = ?", arguments: [name]) }
    }
}
