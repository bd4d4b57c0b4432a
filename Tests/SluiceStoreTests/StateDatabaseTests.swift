import Foundation
import GRDB
import SluiceCounting
import Testing

@testable import SluiceStore

@Suite("State database")
struct StateDatabaseTests {
    private let key = QuotaKey(owner: "orders GET /v1", perSeconds: 60)

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
        let store = try StateDatabase(directory: folder.path)
        #expect(try ask(store, wanted: 9) == .init(granted: 9, total: 9))
        #expect(try ask(store, granted: 9, wanted: 5) == .init(granted: 10, total: 10))
        #expect(try ask(store, granted: 10, wanted: 1) == .init(granted: 10, total: 10))
        #expect(try ask(store, window: 101, wanted: 1) == .init(granted: 1, total: 1))
    }

    @Test("what was reserved stays so over a new opening, for a process that holds nothing of it")
    func reopened() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path)
        _ = try ask(store, wanted: 7)
        store.close()
        let second = try StateDatabase(directory: folder.path)
        #expect(try ask(second, wanted: 7) == .init(granted: 3, total: 10))
    }

    @Test("two processes on one file together get the limit")
    func together() throws {
        let folder = try TemporaryFolder()
        let first = try StateDatabase(directory: folder.path)
        let second = try StateDatabase(directory: folder.path)
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
        let store = try StateDatabase(directory: folder.path)
        _ = try ask(store, wanted: 10)
        #expect(try ask(store, granted: 6, givenBack: 4, wanted: 0) == .init(granted: 6, total: 6))
        #expect(try ask(store, granted: 0, wanted: 9) == .init(granted: 4, total: 10))
        #expect(try ask(store, granted: 4, givenBack: 99, wanted: 0) == .init(granted: 4, total: 4))
    }

    @Test("a lowered limit grants nothing more, a raised one the difference")
    func limits() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path)
        _ = try ask(store, limit: 10, wanted: 10)
        #expect(try ask(store, limit: 4, granted: 10, wanted: 1) == .init(granted: 10, total: 10))
        #expect(try ask(store, limit: 13, granted: 10, wanted: 9) == .init(granted: 13, total: 13))
    }

    @Test("a window that was followed by the next but one is over, also for a clock that is set back")
    func olderWindow() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path)
        _ = try ask(store, window: 100, wanted: 1)
        _ = try ask(store, window: 101, wanted: 1)
        #expect(try ask(store, window: 100, wanted: 1).granted == 1)
        _ = try ask(store, window: 102, wanted: 1)
        #expect(try ask(store, window: 100, wanted: 5) == .init(granted: 0, total: 10))
        #expect(try ask(store, window: 101, granted: 1, wanted: 5) == .init(granted: 6, total: 6))
    }

    @Test("rows of conditions that were not used for ten minutes are removed, and their windows stay over")
    func prune() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path)
        let old = QuotaKey(owner: "old", perSeconds: 1)
        store.countingSeconds = 6_000
        _ = try ask(store, window: 5_998, wanted: 3, key: old)
        _ = try ask(store, window: 100, wanted: 1)
        func rows() throws -> Int? {
            try DatabaseQueue(path: folder[StateDatabase.fileName]).read { try Int.fetchOne($0, sql: "SELECT count(*) FROM reservation") }
        }
        store.countingSeconds = 6_599
        _ = try ask(store, window: 109, wanted: 1)
        #expect(try rows() == 3)
        store.countingSeconds = 7_300
        _ = try ask(store, window: 121, wanted: 1)
        #expect(try rows() == 1)
        #expect(try ask(store, window: 5_998, wanted: 3, key: old) == .init(granted: 0, total: 10))
        #expect(try ask(store, window: 7_300, wanted: 3, key: old) == .init(granted: 3, total: 3))
    }

    @Test("usage lists the windows that contain a time; reset clears one condition, or all")
    func usage() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path)
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

    @Test("the latest counting time is found again, and never goes back")
    func highest() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path)
        #expect(store.highestSeconds == 0)
        store.countingSeconds = 6_030
        _ = try ask(store, wanted: 1)
        store.countingSeconds = 6_010
        _ = try ask(store, wanted: 1)
        store.close()
        #expect(try StateDatabase(directory: folder.path).highestSeconds == 6_030)
    }

    @Test("every commit is synchronised: write-ahead log and synchronous FULL")
    func pragmas() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path)
        let modes = try store.pragmas()
        #expect(modes.journal == "wal")
        #expect(modes.synchronous == 2)
    }

    @Test("folder and files are for their owner only")
    func modes() throws {
        let folder = try TemporaryFolder()
        let inner = folder["a/state"]
        let store = try StateDatabase(directory: inner)
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
        let store = try StateDatabase(directory: folder.path)
        var granted: UInt64 = 0
        for round in 0..<30 as Range<UInt64> {
            granted = try ask(store, limit: 1000, granted: granted, wanted: 1 + round % 3).granted
            guard round % 7 == 0 else { continue }
            let copy = try TemporaryFolder()
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(
                    atPath: folder[StateDatabase.fileName + suffix], toPath: copy[StateDatabase.fileName + suffix])
            }
            let found = try StateDatabase(directory: copy.path)
            #expect(try ask(found, limit: 1000, wanted: 0) == .init(granted: 0, total: granted))
        }
    }

    @Test("a file that was moved away while open is noticed: a new one takes over what this process holds")
    func movedAway() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path)
        _ = try ask(store, wanted: 6)
        try FileManager.default.moveItem(atPath: folder[StateDatabase.fileName], toPath: folder["aside.sqlite"])
        for suffix in ["-wal", "-shm"] { try FileManager.default.removeItem(atPath: folder[StateDatabase.fileName + suffix]) }
        #expect(try ask(store, granted: 6, wanted: 9) == .init(granted: 10, total: 10))
        store.close()
        #expect(try ask(StateDatabase(directory: folder.path), wanted: 0).total == 10)
    }
}
