import Foundation
import GRDB
import SluiceCounting
import Testing

@testable import SluiceStore

@Suite("State database: what can go wrong")
struct StateDatabaseFaultTests {
    private let key = QuotaKey(owner: "orders", perSeconds: 60)

    private func batch(_ count: Int = 1, granted: UInt64 = 0, wanted: UInt64 = 1, window: UInt64 = 100) -> AllowanceBatch {
        AllowanceBatch(
            sequence: 1,
            quotas: (0..<count).map { index in
                let owner = index == 0 ? "orders" : String(repeating: "x", count: 500) + "\(index)"
                return .init(key: .init(owner: owner, perSeconds: 60), window: window, limit: 10, granted: granted, wanted: wanted)
            })
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test("a file of a newer version is refused, and left as it is")
    func newer() throws {
        let folder = try TemporaryFolder()
        try StateDatabase(directory: folder.path, time: TestTime().store).close()
        let file = try DatabaseQueue(path: folder[StateDatabase.fileName])
        try file.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 3") }
        try file.close()
        let text = message { _ = try StateDatabase(directory: folder.path, time: TestTime().store) }
        #expect(text.hasSuffix("counts.sqlite: a newer Sluice has written this file (version 3; this Sluice knows version 2)"))
    }

    @Test("somebody else's database is refused")
    func foreign() throws {
        let folder = try TemporaryFolder()
        let file = try DatabaseQueue(path: folder[StateDatabase.fileName])
        try file.writeWithoutTransaction { try $0.execute(sql: "CREATE TABLE song (name TEXT)") }
        try file.close()
        #expect(message { _ = try StateDatabase(directory: folder.path, time: TestTime().store) }.hasSuffix("is a database that Sluice has not written"))
    }

    @Test("a damaged file is refused with what to do, and not touched")
    func corrupt() throws {
        let folder = try TemporaryFolder()
        let bytes = Data((0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        try bytes.write(to: URL(fileURLWithPath: folder[StateDatabase.fileName]))
        let text = message { _ = try StateDatabase(directory: folder.path, time: TestTime().store) }
        #expect(text.contains("counts.sqlite: damaged ("))
        #expect(text.contains("move it away"))
        #expect(!text.contains("\n"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder[StateDatabase.fileName])) == bytes)
    }

    @Test("a page damaged in the middle is found when the file is opened")
    func corruptPage() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: TestTime().store)
        _ = try store.exchange(batch(200))
        store.close()
        let file = try #require(FileHandle(forUpdatingAtPath: folder[StateDatabase.fileName]))
        try file.seek(toOffset: 4096 * 5)
        try file.write(contentsOf: Data(repeating: 0xA5, count: 4096))
        try file.close()
        #expect(message { _ = try StateDatabase(directory: folder.path, time: TestTime().store) }.contains("counts.sqlite: damaged ("))
    }

    @Test("a state directory that cannot be created is named, with the system's reason")
    func noDirectory() throws {
        let text = message { _ = try StateDatabase(directory: "/proc/sluice/state") }
        #expect(text == "/proc/sluice/state: the state folder cannot be created (No such file or directory)")
        let folder = try TemporaryFolder()
        try Data().write(to: URL(fileURLWithPath: folder["file"]))
        #expect(message { _ = try StateDatabase(directory: folder["file"]) }.contains("cannot be created"))
    }

    @Test("a folder that may not be written is said to be so", .enabled(if: geteuid() != 0, "root may write everywhere"))
    func readOnly() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.setAttributes([.posixPermissions: 0o500], ofItemAtPath: folder.path)
        #expect(message { _ = try StateDatabase(directory: folder.path, time: TestTime().store) }.contains("cannot be created (Permission denied)"))
    }

    @Test("a full disk grants nothing, and what was reserved before stays; with room again the same store goes on")
    func full() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: TestTime().store)
        _ = try store.exchange(batch(1, wanted: 4))
        try #require(store.connection).queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 6") }
        #expect(message { _ = try store.exchange(batch(400)) }.hasSuffix("no space left on its disk"))
        #expect(try store.exchange(batch(1, wanted: 9)).quotas == [.init(granted: 6, total: 10)])
        #expect(try store.exchange(batch(400)).quotas.count == 400)
    }

    @Test(
        "a disk that fills up under load: what was answered stays, nothing more is granted, and with room again the store goes on",
        .enabled(if: SmallDisk.isPossible, "needs the right to mount"))
    func fullDisk() throws {
        let disk = try #require(SmallDisk())
        let store = try StateDatabase(directory: disk.path + "/state", time: TestTime().store)
        _ = try store.exchange(batch(20, wanted: 2))
        let filler = disk.fill()
        var granted: UInt64 = 2
        var text = "no error"
        while text == "no error", granted < 10 {
            text = message {
                let replies = try store.exchange(batch(20, granted: granted, wanted: 1))
                granted = try #require(replies.quotas.first?.granted)
            }
        }
        #expect(text.contains("counts.sqlite: no space left on its disk") || text.contains("its disk failed or is full"), "\(text)")
        #expect(message { _ = try store.exchange(batch(20, granted: granted, wanted: 1)) } != "no error")
        try FileManager.default.removeItem(atPath: filler)
        #expect(try store.exchange(batch(20, granted: granted, wanted: 0)).quotas.allSatisfy { $0.total == granted })
        #expect(try store.exchange(batch(20, granted: granted, wanted: 9)).quotas.allSatisfy { $0.total == 10 })
    }

    @Test("a full disk at the start is said in one line", .enabled(if: SmallDisk.isPossible, "needs the right to mount"))
    func fullAtStart() throws {
        let disk = try #require(SmallDisk())
        _ = disk.fill()
        let text = message { _ = try StateDatabase(directory: disk.path + "/state", time: TestTime().store) }
        #expect(text != "no error")
        #expect(!text.contains("\n"))
    }

    @Test("a file that another process keeps locked is an error after about a second, and free again it is used")
    func locked() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: TestTime().store)
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: folder[StateDatabase.fileName], configuration: configuration)
        try other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
        let began = ContinuousClock.now
        #expect(message { _ = try store.exchange(batch()) }.hasSuffix("another process has locked it for more than a second"))
        let waited = ContinuousClock.now - began
        #expect(waited > .milliseconds(900) && waited < .seconds(5))
        try other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        #expect(try store.exchange(batch()).quotas == [.init(granted: 1, total: 1)])
    }

    @Test("after close the store opens the file again by itself")
    func afterClose() throws {
        let folder = try TemporaryFolder()
        let store = try StateDatabase(directory: folder.path, time: TestTime().store)
        _ = try store.exchange(batch(wanted: 3))
        store.close()
        #expect(try store.exchange(batch(wanted: 3)).quotas == [.init(granted: 3, total: 6)])
    }
}
