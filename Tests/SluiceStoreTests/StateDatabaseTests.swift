import Foundation
import GRDB
import SluiceCounting
import Testing

@testable import SluiceStore

@Suite("State database")
struct StateDatabaseTests {
    private let key = QuotaKey(owner: "orders GET /v1", perSeconds: 60)
    /// In the middle of window 100.
    private let time = TestTime(seconds: 6_030)

    private func ask(
        _ store: StateDatabase, window: UInt64 = 100, limit: UInt64 = 10, granted: UInt64 = 0, givenBack: UInt64 = 0, wanted: UInt64,
        key: QuotaKey? = nil
    ) throws -> AllowanceReplies.QuotaReply {
        let request = AllowanceBatch.QuotaRequest(
            key: key ?? self.key, window: window, limit: limit, granted: granted, givenBack: givenBack, wanted: wanted)
        return try #require(try store.exchange(AllowanceBatch(sequence: 1, quotas: [request])).quotas.first)
    }

    @Test("the limit is granted, and not one more")
    func limit() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(store, wanted: 9) == .init(granted: 9, total: 9))
        #expect(try ask(store, granted: 9, wanted: 5) == .init(granted: 10, total: 10))
        #expect(try ask(store, granted: 10, wanted: 1) == .init(granted: 10, total: 10))
        #expect(try ask(store, window: 101, wanted: 1) == .init(granted: 1, total: 1))
    }

    @Test("what was reserved stays so over a new opening, for a process that holds nothing of it")
    func reopened() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        _ = try ask(store, wanted: 7)
        store.close()
        let second = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(second, wanted: 7) == .init(granted: 3, total: 10))
    }

    @Test("two processes on one file together get the limit")
    func together() throws {
        let folder = try TemporaryFolder()
        let first = try StateDatabase(directory: folder.path, time: time.store)
        let second = try StateDatabase(directory: folder.path, time: time.store)
        var granted: (UInt64, UInt64) = (0, 0)
        for _ in 0..<40 {
            granted.0 = try ask(first, limit: 50, granted: granted.0, wanted: 1).granted
            granted.1 = try ask(second, limit: 50, granted: granted.1, wanted: 1).granted
        }
        #expect(granted.0 + granted.1 == 50)
        #expect(granted.0 == 25)
    }

    @Test("what is given back can be granted again; more than there was frees nothing of others")
    func givenBack() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        _ = try ask(store, wanted: 10)
        #expect(try ask(store, granted: 6, givenBack: 4, wanted: 0) == .init(granted: 6, total: 6))
        #expect(try ask(store, granted: 0, wanted: 9) == .init(granted: 4, total: 10))
        #expect(try ask(store, granted: 4, givenBack: 99, wanted: 0) == .init(granted: 4, total: 4))
    }

    @Test("a lowered limit grants nothing more, a raised one the difference")
    func limits() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        _ = try ask(store, limit: 10, wanted: 10)
        #expect(try ask(store, limit: 4, granted: 10, wanted: 1) == .init(granted: 10, total: 10))
        #expect(try ask(store, limit: 13, granted: 10, wanted: 9) == .init(granted: 13, total: 13))
    }

    @Test("something is granted for the present window and the next, and nothing for others")
    func otherWindows() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(store, window: 99, wanted: 5) == .init(granted: 0, total: 10))
        #expect(try ask(store, window: 100, wanted: 1).granted == 1)
        #expect(try ask(store, window: 101, wanted: 1).granted == 1)
        #expect(try ask(store, window: 102, wanted: 5) == .init(granted: 0, total: 10))
        time.pass(seconds: 60)
        #expect(try ask(store, window: 100, wanted: 5) == .init(granted: 0, total: 10))
        #expect(try ask(store, window: 101, granted: 1, wanted: 5) == .init(granted: 6, total: 6))
        #expect(try ask(store, window: .max, wanted: 5) == .init(granted: 0, total: 10))
    }

    @Test("rows of conditions that were not used for ten minutes are removed")
    func prune() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        let old = QuotaKey(owner: "old", perSeconds: 1)
        _ = try ask(store, window: 6_030, wanted: 3, key: old)
        _ = try ask(store, window: 100, wanted: 1)
        func rows() throws -> Int? {
            try DatabaseQueue(path: folder[StateDatabase.fileName]).read { try Int.fetchOne($0, sql: "SELECT count(*) FROM reservation") }
        }
        time.pass(seconds: 599)
        _ = try ask(store, window: 110, wanted: 1)
        #expect(try rows() == 2)
        time.pass(seconds: 700)
        _ = try ask(store, window: 122, wanted: 1)
        #expect(try rows() == 1)
    }

    // MARK: Clocks

    @Test("a clock that is set back by less than a window's length leaves the window as it is", arguments: [0.3, 29, 59])
    func backWithinWindow(step: Double) throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        _ = try ask(store, wanted: 10)
        time.step(seconds: -step)
        // The same window, or the one before, of which the file knows nothing.
        if step < 30 { #expect(try ask(store, wanted: 5) == .init(granted: 0, total: 10)) }
        time.pass(seconds: 59)
        #expect(try ask(store, wanted: 5) == .init(granted: 0, total: 10))
    }

    @Test(
        "a clock that is set back by a window's length or more costs no more than that window: it begins anew, and so do those that come again",
        arguments: [60, 61, 3_600, 2_592_000] as [Double], [false, true])
    func backBeyondWindow(step: Double, isRestarted: Bool) throws {
        let folder = try TemporaryFolder()
        time.step(seconds: 3_000_000)
        var store = try StateDatabase(directory: folder.path, time: time.store)
        let window = { UInt64(self.time.store.wall() / 60_000_000) }
        #expect(try ask(store, window: window(), wanted: 10).granted == 10)
        time.pass(seconds: 60)
        #expect(try ask(store, window: window(), wanted: 10).granted == 10)
        time.step(seconds: -step)
        if isRestarted {
            store.close()
            store = try StateDatabase(directory: folder.path, time: time.store)
        }
        for _ in 0..<4 {
            #expect(try ask(store, window: window(), wanted: 12).granted == 10)
            #expect(try ask(store, window: window(), wanted: 12).granted == 0)
            time.pass(seconds: 60)
        }
    }

    @Test("a clock that was a month ahead for three seconds closes nothing: the quota is there as before, in all windows but the one that it showed")
    func ahead() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        let day = QuotaKey(owner: "day", perSeconds: 86_400)
        _ = try ask(store, wanted: 4)
        _ = try ask(store, window: 0, wanted: 4, key: day)
        time.step(seconds: 2_592_000)
        #expect(try ask(store, window: 43_300, wanted: 10).granted == 10)
        #expect(try ask(store, window: 30, wanted: 10, key: day).granted == 10)
        time.pass(seconds: 3)
        time.step(seconds: -2_592_000)
        // The window of the same place was lost to the one that was ahead: it begins anew. The day's rows had the same place, too.
        #expect(try ask(store, wanted: 12).granted == 10)
        #expect(try ask(store, wanted: 12).granted == 0)
        #expect(try ask(store, window: 0, wanted: 12, key: day).granted == 10)
        time.pass(seconds: 60)
        #expect(try ask(store, window: 101, wanted: 12).granted == 10)
    }

    @Test("a process that was stopped before its batch goes by the present, not by the time at which it was stopped")
    func stopped() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        let other = try StateDatabase(directory: folder.path, time: time.store)
        _ = try ask(store, wanted: 1)
        time.pass(seconds: 600)
        #expect(try ask(other, window: 110, wanted: 9).granted == 9)
        #expect(try ask(store, window: 100, wanted: 9).granted == 0)
        #expect(try ask(other, window: 110, granted: 9, wanted: 9).granted == 10)
    }

    @Test("a file of the first version is taken over with what it holds")
    func migrated() throws {
        let folder = try TemporaryFolder()
        let file = try DatabaseQueue(path: folder[StateDatabase.fileName])
        try file.writeWithoutTransaction { database in
            try database.execute(
                sql: """
                    CREATE TABLE reservation (owner TEXT NOT NULL, per_seconds INTEGER NOT NULL, place INTEGER NOT NULL,
                        number INTEGER NOT NULL, reserved INTEGER NOT NULL, PRIMARY KEY (owner, per_seconds, place)) WITHOUT ROWID;
                    CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 0), highest INTEGER NOT NULL);
                    INSERT INTO clock VALUES (0, 99999999);
                    INSERT INTO reservation VALUES ('orders GET /v1', 60, 0, 100, 7);
                    PRAGMA application_id = \(StateConnection.applicationID);
                    PRAGMA user_version = 1;
                    """)
        }
        try file.close()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(store, wanted: 9) == .init(granted: 3, total: 10))
        #expect(try ask(store, window: 101, wanted: 9).granted == 9)
    }

    @Test("usage lists the windows that contain a time; reset clears one condition, or all")
    func usage() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        let other = QuotaKey(owner: "other", perSeconds: 3600)
        _ = try ask(store, window: 100, wanted: 2)
        _ = try ask(store, window: 101, wanted: 1)
        _ = try ask(store, window: 1, limit: 9, wanted: 5, key: other)
        let listed = try store.usage(wallSeconds: 6_059)
        #expect(listed.map(\.key) == [key, other])
        #expect(listed.map(\.window) == [100, 1])
        #expect(listed.map(\.reserved) == [2, 5])
        try store.reset(key)
        #expect(try store.usage(wallSeconds: 6_059).map(\.key) == [other])
        try store.reset(nil)
        #expect(try store.usage(wallSeconds: 6_059).isEmpty)
        #expect(try ask(store, window: 1, limit: 9, wanted: 9, key: other).granted == 9)
    }

    @Test("what the clock showed at the last batch is found again")
    func latest() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(store.latestSeconds == 0)
        _ = try ask(store, wanted: 1)
        store.close()
        #expect(try StateDatabase(directory: folder.path, time: time.store).latestSeconds == 6_030)
    }

    @Test("every commit is synchronised: write-ahead log and synchronous FULL")
    func pragmas() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        let queue = try #require(store.connection).queue
        #expect(try queue.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal")
        #expect(try queue.read { try Int.fetchOne($0, sql: "PRAGMA synchronous") } == 2)
    }

    @Test("folder and files are for their owner only")
    func modes() throws {
        let folder = try TemporaryFolder()
        let inner = folder["a/state"]
        let store = try StateDatabase(directory: inner, time: time.store)
        _ = try ask(store, wanted: 1)
        func mode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        #expect(try mode(inner) == 0o700)
        for suffix in ["", "-wal", "-shm"] { #expect(try mode("\(inner)/\(StateDatabase.fileName)\(suffix)") == 0o600) }
    }

    @Test("a copy taken without closing holds every reservation that was answered")
    func copyOfRunning() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        var granted: UInt64 = 0
        for round in 0..<30 as Range<UInt64> {
            granted = try ask(store, limit: 1000, granted: granted, wanted: 1 + round % 3).granted
            guard round % 7 == 0 else { continue }
            let copy = try TemporaryFolder()
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(
                    atPath: folder[StateDatabase.fileName + suffix], toPath: copy[StateDatabase.fileName + suffix])
            }
            let found = try StateDatabase(directory: copy.path, time: time.store)
            #expect(try ask(found, limit: 1000, wanted: 0) == .init(granted: 0, total: granted))
        }
    }

    @Test("a file that was moved away while open is noticed: a new one takes over what this process holds")
    func movedAway() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        _ = try ask(store, wanted: 6)
        try FileManager.default.moveItem(atPath: folder[StateDatabase.fileName], toPath: folder["aside.sqlite"])
        for suffix in ["-wal", "-shm"] { try FileManager.default.removeItem(atPath: folder[StateDatabase.fileName + suffix]) }
        #expect(try ask(store, granted: 6, wanted: 9) == .init(granted: 10, total: 10))
        store.close()
        #expect(try ask(StateDatabase(directory: folder.path, time: time.store), wanted: 0).total == 10)
    }

    // MARK: Callers' plans

    @Test("a month is the calendar's: granted in it and for the next, over a new opening, and nothing of it in another")
    func months() throws {
        let folder = try TemporaryFolder()
        // 2028-02-29T23:59:50Z: month 697.
        let time = TestTime(seconds: 1_835_481_590)
        let key = QuotaKey(caller: "alice/*", perSeconds: QuotaKey.month)
        var store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(store, window: 697, limit: 5, wanted: 4, key: key) == .init(granted: 4, total: 4))
        #expect(try ask(store, window: 696, limit: 5, wanted: 1, key: key).granted == 0)
        #expect(try ask(store, window: 699, limit: 5, wanted: 1, key: key).granted == 0)
        store.close()
        store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(store, window: 697, limit: 5, wanted: 9, key: key) == .init(granted: 1, total: 5))
        #expect(try store.usage(wallSeconds: 1_835_481_590).map(\.reserved) == [5])
        time.pass(seconds: 11)
        #expect(try store.usage(wallSeconds: 1_835_481_601).isEmpty)
        #expect(try ask(store, window: 698, limit: 5, wanted: 9, key: key) == .init(granted: 5, total: 5))
        #expect(try ask(store, window: 697, limit: 9, granted: 1, wanted: 1, key: key).granted == 1)
    }

    @Test("what a caller has used goes over between its day and its month, once, in one transaction; another caller's does not")
    func otherCalendar() throws {
        let folder = try TemporaryFolder()
        // 2027-01-15T08:00:00Z: day 20,833, month 684.
        let time = TestTime(seconds: 1_800_000_000)
        let (day, month) = (QuotaKey(caller: "alice/*", perSeconds: QuotaKey.day), QuotaKey(caller: "alice/*", perSeconds: QuotaKey.month))
        var store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(store, window: 20_833, limit: 10, wanted: 6, key: day).granted == 6)
        #expect(try ask(store, window: 684, limit: 10, wanted: 1, key: QuotaKey(caller: "bob/*", perSeconds: QuotaKey.month)) == .init(granted: 1, total: 1))
        #expect(try ask(store, window: 684, limit: 10, wanted: 1, key: month) == .init(granted: 1, total: 7))
        store.close()
        store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(store, window: 684, limit: 10, wanted: 9, key: month) == .init(granted: 3, total: 10))
        // And back; a month's use is the day's then.
        #expect(try ask(store, window: 20_833, limit: 12, wanted: 9, key: day) == .init(granted: 2, total: 12))
        // What was used on an earlier day is not.
        time.pass(seconds: 86_400)
        #expect(try ask(store, window: 684, limit: 5, wanted: 9, key: month) == .init(granted: 5, total: 5))
    }

    @Test("a clock that is set a month ahead and back grants no month twice, and the store heals")
    func steppedMonth() throws {
        let folder = try TemporaryFolder()
        let time = TestTime(seconds: 1_800_000_000)
        let month = QuotaKey(caller: "alice/*", perSeconds: QuotaKey.month)
        let store = try StateDatabase(directory: folder.path, time: time.store)
        #expect(try ask(store, window: 684, limit: 10, wanted: 10, key: month).granted == 10)
        time.step(seconds: 31 * 86_400)
        #expect(try ask(store, window: 685, limit: 10, wanted: 10, key: month).granted == 10)
        time.step(seconds: -31 * 86_400)
        time.pass(seconds: 1)
        #expect(try ask(store, window: 684, limit: 10, wanted: 10, key: month).granted == 0)
    }
}
