import Foundation
import GRDB
import SluiceCounting

/// One open connection to the file of `StateDatabase`: its schema and its statements. Errors are GRDB's, but for what only we can say.
final class StateConnection {
    /// Number of the schema, in `user_version`. A larger one is of a newer Sluice and is refused.
    static let schemaVersion = 2
    /// In `application_id`: "Slce". A database that is not empty and lacks it is somebody else's.
    static let applicationID = 0x536C_6365

    /// The clock in the file, as last read or written.
    private(set) var clock = StoreClock()
    private let time: StoreTime
    /// The machine's monotonic clock at this connection's last batch, in microseconds: it tells how much time may have passed since.
    private var monotonicAtLast: Int?

    let queue: DatabaseQueue
    private let device: dev_t
    private let inode: ino_t
    /// Logical time at which rows that nobody needs are looked for, in microseconds.
    private var pruneAt = 0

    /// - Parameter checksContent: reads the whole file and refuses a damaged one. It takes some milliseconds.
    init(path: String, checksContent: Bool, time: StoreTime = .machine) throws {
        self.time = time
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
                try Self.migrate(database, now: time.wall())
            }
            clock = try queue.writeWithoutTransaction(Self.readClock)
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
            throw AllowanceStoreError("\(path): a newer Sluice has written this file (version \(version); this Sluice knows version \(schemaVersion))")
        }
        let application = try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        let isEmpty = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") == 0
        if !isEmpty, application != applicationID { throw AllowanceStoreError("\(path): is a database that Sluice has not written") }
    }

    private static func migrate(_ database: Database, now: Int) throws {
        guard try Int.fetchOne(database, sql: "PRAGMA user_version") != schemaVersion else { return }
        try database.inTransaction(.immediate) {
            // Another process may have been first.
            let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
            if version == 0 {
                try database.execute(
                    sql: """
                        CREATE TABLE reservation (
                            owner TEXT NOT NULL, per_seconds INTEGER NOT NULL, place INTEGER NOT NULL,
                            number INTEGER NOT NULL, reserved INTEGER NOT NULL, lead INTEGER NOT NULL,
                            PRIMARY KEY (owner, per_seconds, place)) WITHOUT ROWID;
                        CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 0), last INTEGER, logical INTEGER NOT NULL);
                        INSERT INTO clock VALUES (0, NULL, 0);
                        PRAGMA application_id = \(applicationID);
                        """)
            } else if version == 1 {
                // What was reserved goes on, as begun by the clock as it is now.
                try database.execute(
                    sql: """
                        ALTER TABLE reservation ADD COLUMN lead INTEGER NOT NULL DEFAULT 0;
                        DROP TABLE clock;
                        CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 0), last INTEGER, logical INTEGER NOT NULL);
                        """)
                try database.execute(sql: "UPDATE reservation SET lead = ?", arguments: [now])
                try database.execute(sql: "INSERT INTO clock VALUES (0, ?, 0)", arguments: [now])
            }
            try database.execute(sql: "PRAGMA user_version = \(schemaVersion)")
            return .commit
        }
    }

    private static func readClock(_ database: Database) throws -> StoreClock {
        guard let row = try Row.fetchOne(database.cachedStatement(sql: "SELECT last, logical FROM clock WHERE id = 0")) else { return StoreClock() }
        let (last, logical) = (Reservation.integer(row, 0), Reservation.integer(row, 1))
        // A clock that cannot be what was written begins anew, as if it had been set.
        return StoreClock(last: last.map { Int($0) }, logical: logical.map { Int($0) } ?? 0)
    }

    // MARK: Reserving

    /// Does all of `requests` or nothing; on the disk when it returns.
    func reserve(_ requests: [AllowanceBatch.QuotaRequest]) throws -> [AllowanceReplies.QuotaReply] {
        var replies: [AllowanceReplies.QuotaReply] = []
        replies.reserveCapacity(requests.count)
        var clock = clock
        var monotonic = 0
        try queue.writeWithoutTransaction { database in
            try database.inTransaction(.immediate) {
                // Read when nobody else can write any more: a process that was stopped before must not take its old time for the present.
                clock = try Self.readClock(database)
                monotonic = time.monotonic()
                let passed = monotonicAtLast.map { max(0, monotonic - $0) } ?? 0
                clock.advance(to: time.wall(), atMost: passed + StoreClock.jump)
                try database.cachedStatement(sql: "UPDATE clock SET last = ?, logical = ? WHERE id = 0").execute(arguments: [clock.last, clock.logical])
                let select = try database.cachedStatement(
                    sql: "SELECT number, reserved, lead FROM reservation WHERE owner = ? AND per_seconds = ? AND place = ?")
                let upsert = try database.cachedStatement(
                    sql: """
                        INSERT INTO reservation VALUES (?, ?, ?, ?, ?, ?)
                        ON CONFLICT DO UPDATE SET number = excluded.number, reserved = excluded.reserved, lead = excluded.lead
                        """)
                for request in requests { replies.append(try Self.reserve(request, clock, database, select, upsert)) }
                if clock.logical >= pruneAt { try prune(database, clock) }
                return .commit
            }
        }
        self.clock = clock
        monotonicAtLast = monotonic
        return replies
    }

    private static func reserve(
        _ request: AllowanceBatch.QuotaRequest, _ clock: StoreClock, _ database: Database, _ select: Statement, _ upsert: Statement
    ) throws -> AllowanceReplies.QuotaReply {
        let key = request.key
        let perSeconds = max(1, min(key.perSeconds, 1 << 40))
        let place = Int64(request.window & 1)
        var number: UInt64?
        var former: UInt64 = 0
        var lead = clock.lead
        let found = try Row.fetchOne(select, arguments: [key.owner, Int64(clamping: key.perSeconds), place])
        // A row that cannot be what was written counts as all of the window, which is then written anew.
        let isDamaged = found.map { Reservation($0) == nil } ?? false
        if let row = found.flatMap(Reservation.init), !clock.isOver(begunAt: row.lead, perSeconds: perSeconds) {
            number = row.number
            if number == request.window {
                former = row.reserved
                lead = row.lead
            }
        }
        let present = key.window(at: UInt64(clamping: clock.last ?? 0) / 1_000_000)
        let isFollowed = number.map { $0 > request.window } ?? false
        if isFollowed || request.window < present || request.window > present + 1 {
            // Nothing of a window that is over, or of one that a clock showed which has been set back since.
            return .init(granted: request.granted, total: max(request.limit, request.granted))
        }
        if number != request.window, request.window == present, request.wanted > 0, let other = key.other { former = try Self.takeOver(other, limit: request.limit, clock, database) }
        // What this process knows it holds counts also if the file has been put aside in between.
        var total = max(isDamaged ? request.limit : former - min(former, request.givenBack), request.granted)
        let granted = min(request.wanted, request.limit - min(request.limit, total))
        total += granted
        if isDamaged || (total != former || number != request.window) && (number == request.window || !request.beginsNothing) {
            try upsert.execute(
                arguments: [
                    key.owner, Int64(clamping: key.perSeconds), place, Int64(clamping: request.window), Int64(clamping: total), lead,
                ])
        }
        return .init(granted: request.granted + granted, total: total)
    }

    /// A caller's plan has another calendar than before: what was used in the present window goes over, in the same transaction. See `QuotaKey.other`.
    private static func takeOver(_ other: QuotaKey, limit: UInt64, _ clock: StoreClock, _ database: Database) throws -> UInt64 {
        let arguments: StatementArguments = [other.owner, Int64(clamping: other.perSeconds)]
        let rows = try Row.fetchAll(
            database.cachedStatement(sql: "SELECT number, reserved, lead FROM reservation WHERE owner = ? AND per_seconds = ?"), arguments: arguments)
        guard !rows.isEmpty else { return 0 }
        let present = other.window(at: UInt64(clamping: clock.last ?? 0) / 1_000_000)
        let reservations = rows.map(Reservation.init)
        let used = reservations.first { $0?.number == present && !clock.isOver(begunAt: $0?.lead ?? 0, perSeconds: other.perSeconds) } ?? nil
        try database.cachedStatement(sql: "DELETE FROM reservation WHERE owner = ? AND per_seconds = ?").execute(arguments: arguments)
        // Of what cannot be read nobody knows how much was used.
        return reservations.contains { $0 == nil } ? limit : used?.reserved ?? 0
    }

    /// What a row says of a window.
    private struct Reservation {
        let number: UInt64
        let reserved: UInt64
        let lead: Int

        /// Of `number`, `reserved` and `lead`, in this order. Nil for what cannot have been written here: somebody may have edited the file.
        init?(_ row: Row) {
            guard let number = Self.integer(row, 0).flatMap({ UInt64(exactly: $0) }), let reserved = Self.integer(row, 1).flatMap({ UInt64(exactly: $0) }),
                let lead = Self.integer(row, 2)
            else { return nil }
            (self.number, self.reserved, self.lead) = (number, reserved, Int(lead))
        }

        static func integer(_ row: Row, _ column: Int) -> Int64? {
            if case .int64(let value) = (row[column] as DatabaseValue).storage { value } else { nil }
        }
    }

    /// Rows of windows that ended this long before are no longer needed.
    private static let keptSeconds = 600
    /// Seconds of a month, as months pass in the long run: by it their numbers are months since 1970 to a day or two.
    private static let meanMonth = 2_629_746

    /// Removes some rows of conditions that were not used for long, most of which are no longer configured. By the logical clock: a wall clock
    /// that is wrong for a moment must not take what is right away.
    private func prune(_ database: Database, _ clock: StoreClock) throws {
        let most = 500
        try database.cachedStatement(
            sql: """
                DELETE FROM reservation WHERE (owner, per_seconds, place) IN (
                    SELECT owner, per_seconds, place FROM reservation
                    WHERE (number + 1) * CASE per_seconds WHEN \(QuotaKey.month) THEN \(Self.meanMonth) ELSE per_seconds END * 1000000 - lead + max(2 * per_seconds, \(Self.keptSeconds)) * 1000000 < ? LIMIT \(most))
                """
        ).execute(arguments: [clock.logical])
        // As long as there are more, every second; else the whole table is read for nothing every ten minutes.
        pruneAt = clock.logical &+ (database.changesCount == most ? 1 : Self.keptSeconds) * 1_000_000
    }

    // MARK: Looking and clearing

    func usage(seconds: UInt64) throws -> [(key: QuotaKey, window: UInt64, reserved: UInt64)] {
        try queue.writeWithoutTransaction { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT owner, per_seconds, number, reserved FROM reservation
                    WHERE number = CASE per_seconds WHEN \(QuotaKey.month) THEN ? ELSE ? / per_seconds END AND reserved > 0 AND lead - ? < per_seconds * 1000000 ORDER BY owner, per_seconds
                    """, arguments: [Int64(clamping: QuotaKey.window(at: seconds, perSeconds: QuotaKey.month)), Int64(clamping: seconds), try Self.readClock(database).lead])
            return rows.compactMap { row in
                guard case .string(let owner) = (row[0] as DatabaseValue).storage, let perSeconds = Reservation.integer(row, 1),
                    let window = Reservation.integer(row, 2), let reserved = Reservation.integer(row, 3)
                else { return nil }
                return (
                    key: QuotaKey(owner: owner, perSeconds: UInt64(clamping: perSeconds)), window: UInt64(clamping: window),
                    reserved: UInt64(clamping: reserved)
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
                    try database.execute(sql: "DELETE FROM reservation")
                }
                return .commit
            }
        }
    }
}
