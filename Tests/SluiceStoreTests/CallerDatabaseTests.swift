import Foundation
import SluiceCallers
import Testing

@testable import SluiceStore

/// Callers on disk.
@Suite("Database of callers")
struct CallerDatabaseTests {
    private final class Folder {
        let path = NSTemporaryDirectory() + "sluice-callers-\(UUID().uuidString)"
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private func digest(_ byte: UInt8) -> KeyDigest { KeyDigest([UInt8](repeating: byte, count: 32))! }

    private func caller(_ name: String, _ first: UInt8, _ second: UInt8? = nil) -> Caller {
        var caller = Caller(name: name)
        caller.primary = digest(first)
        caller.secondary = second.map(digest)
        return caller
    }

    private func all(_ store: CallerDatabase) throws -> [Caller] {
        var found: [Caller] = []
        try store.forEachCaller(damaged: { Issue.record("\($0)") }) { found.append($0) }
        return found
    }

    @Test("what is kept is there after the file was closed, to the letter")
    func keeps() throws {
        let folder = Folder()
        var alice = caller("alice", 1, 2)
        alice.description = "Ä test"
        alice.isEnabled = false
        alice.notBefore = 5
        alice.expires = 1 << 40
        alice.created = 9
        alice.grants = [.init(domain: nil, plan: nil), .init(domain: "orders", plan: "gold")]
        let plan = Plan(name: "gold", requestsPerSecond: 5000, quota: .init(limit: 2_147_483_647, per: .month))
        do {
            let store = try CallerDatabase(directory: folder.path)
            try store.change {
                try store.put(plan)
                alice.id = try store.insert(alice)
                _ = try store.insert(caller("bob", 3))
            }
            store.close()
        }
        #expect(CallerDatabase.exists(in: folder.path))
        let store = try CallerDatabase(directory: folder.path)
        #expect(try store.caller(named: "alice") == alice && store.plans { _ in } == [plan] && store.owner(of: digest(2)) == "alice")
        #expect(try all(store).map(\.name) == ["alice", "bob"] && all(store)[0] == alice)
        #expect(try store.callerCount(ofPlan: "gold") == 1)
        #expect(try store.callers(behind: "alice", count: 5) { _ in }.map(\.name) == ["bob"])
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/keys.sqlite")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("of keys the file has digests alone, and each is one caller's")
    func unique() throws {
        let folder = Folder()
        let store = try CallerDatabase(directory: folder.path)
        try store.change { _ = try store.insert(caller("alice", 1, 2)) }
        for other in [caller("bob", 2), caller("alice", 3), caller("bob", 4, 1)] {
            #expect(throws: CallerStoreError.self) { try store.change { _ = try store.insert(other) } }
        }
        #expect(try all(store).map(\.name) == ["alice"])
    }

    @Test("a change that fails is undone as a whole")
    func undone() throws {
        let folder = Folder()
        let store = try CallerDatabase(directory: folder.path)
        #expect(throws: CallerStoreError.self) {
            try store.change {
                _ = try store.insert(caller("alice", 1))
                throw CallerFault(.unusable, "no")
            }
        }
        #expect(try all(store).isEmpty)
        try store.change { _ = try store.insert(caller("alice", 1)) }
        var alice = try #require(try store.caller(named: "alice"))
        alice.primary = digest(7)
        alice.grants = [.init(domain: "a", plan: nil)]
        try store.change { try store.update(alice) }
        #expect(try store.caller(named: "alice") == alice && store.owner(of: digest(1)) == nil)
        try store.change { try store.delete(callerID: alice.id) }
        #expect(try all(store).isEmpty && store.owner(of: digest(7)) == nil)
    }

    @Test("a second process sees what the first has changed, and that it has")
    func versions() throws {
        let folder = Folder()
        let (one, two) = (try CallerDatabase(directory: folder.path), try CallerDatabase(directory: folder.path))
        let before = try two.version()
        try two.change { _ = try two.insert(caller("alice", 1)) }
        #expect(try two.version() == before)
        try one.change { _ = try one.insert(caller("bob", 2)) }
        #expect(try two.version() != before)
        #expect(try all(two).map(\.name) == ["alice", "bob"])
        // An id is never given again.
        let bob = try #require(try one.caller(named: "bob"))
        try one.change { try one.delete(callerID: bob.id) }
        try two.change { _ = try two.insert(caller("carol", 3)) }
        #expect(try #require(try one.caller(named: "carol")).id > bob.id)
    }

    @Test("a file that was moved away or replaced takes no change")
    func moved() throws {
        let folder = Folder()
        let store = try CallerDatabase(directory: folder.path)
        try store.change { _ = try store.insert(caller("alice", 1)) }
        try FileManager.default.moveItem(atPath: folder.path + "/keys.sqlite", toPath: folder.path + "/old.sqlite")
        for _ in 0..<2 {
            #expect(throws: CallerStoreError.self) { try store.change { _ = try store.insert(caller("bob", 2)) } }
            #expect(throws: CallerStoreError.self) { _ = try store.version() }
            try Data().write(to: URL(fileURLWithPath: folder.path + "/keys.sqlite"))
        }
    }

    @Test("what is not ours, newer or damaged is not touched, and the error says what to do")
    func foreign() throws {
        let folder = Folder()
        let store = try CallerDatabase(directory: folder.path)
        store.close()
        let path = folder.path + "/keys.sqlite"
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: path))
        #expect { _ = try CallerDatabase(directory: folder.path) } throws: { error in
            "\(error)".contains("keys.sqlite: damaged") && "\(error)".contains("move it away")
        }
    }
}
