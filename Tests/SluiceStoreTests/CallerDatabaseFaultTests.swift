import Foundation
import GRDB
import SluiceCallers
import Testing

@testable import SluiceStore

/// Files of callers that somebody has edited, or a disk has changed: what is damaged is unknown, and named; all else goes on.
@Suite("Database of callers: damaged rows")
struct CallerDatabaseFaultTests {
    private func digest(_ byte: UInt8) -> KeyDigest { KeyDigest([UInt8](repeating: byte, count: 32))! }

    private func caller(_ name: String, _ byte: UInt8, grants: [Caller.Grant] = [.init(domain: nil, plan: "gold")]) -> Caller {
        var caller = Caller(name: name)
        caller.primary = digest(byte)
        caller.grants = grants
        return caller
    }

    /// A file with two callers and two plans, edited by these statements. Constraints are those of SQLite's, or none at all.
    private func edited(_ statements: String, hasConstraints: Bool = true) throws -> (store: CallerDatabase, folder: TemporaryFolder) {
        let folder = try TemporaryFolder()
        let store = try CallerDatabase(directory: folder.path)
        try store.change {
            try store.put(Plan(name: "gold", requestsPerSecond: 5, quota: .init(limit: 9, per: .day)))
            try store.put(Plan(name: "silver", requestsPerSecond: 3))
            _ = try store.insert(caller("alice", 1))
            _ = try store.insert(caller("bob", 2, grants: [.init(domain: nil, plan: "silver"), .init(domain: "orders", plan: "silver")]))
        }
        store.close()
        let queue = try DatabaseQueue(path: folder[CallerDatabase.fileName])
        try queue.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA foreign_keys = OFF")
            if !hasConstraints {
                for table in ["caller", "caller_key", "access", "usage_plan"] {
                    try database.execute(sql: "CREATE TABLE other AS SELECT * FROM \(table); DROP TABLE \(table); ALTER TABLE other RENAME TO \(table)")
                }
            }
            try database.execute(sql: statements)
        }
        try queue.close()
        return (try CallerDatabase(directory: folder.path), folder)
    }

    private func all(_ store: CallerDatabase) throws -> (callers: [Caller], damaged: [String]) {
        var (callers, damaged): ([Caller], [String]) = ([], [])
        try store.forEachCaller(damaged: { damaged.append($0) }) { callers.append($0) }
        return (callers, damaged)
    }

    @Test("a caller of whom anything is damaged is unknown and named, and the other is known", arguments: [
        ("UPDATE caller SET enabled = 2 WHERE id = 1", "`enabled` must be 0 or 1"),
        ("UPDATE caller SET enabled = -1 WHERE id = 1", "`enabled` must be 0 or 1"),
        ("UPDATE caller SET enabled = 'yes' WHERE id = 1", "`enabled` must be 0 or 1"),
        ("UPDATE caller SET enabled = 1.5 WHERE id = 1", "`enabled` must be 0 or 1"),
        ("UPDATE caller SET not_before = 'soon' WHERE id = 1", "`not_before` must be a time, or NULL"),
        ("UPDATE caller SET expires = 9223372036854775807 WHERE id = 1", "`expires` must be a time, or NULL"),
        ("UPDATE caller SET expires = x'00' WHERE id = 1", "`expires` must be a time, or NULL"),
        ("UPDATE caller SET created = -9223372036854775808 WHERE id = 1", "`created` must be a time"),
        ("UPDATE caller SET description = x'ff' WHERE id = 1", "its description must be a text"),
        ("UPDATE caller SET description = 'a' || char(10) WHERE id = 1", "its description must be a text"),
        ("UPDATE caller SET name = 'a b' WHERE id = 1", "its name must have"),
        ("UPDATE caller SET name = x'fffe' WHERE id = 1", "its name must have"),
        ("UPDATE caller SET id = -5 WHERE id = 1", "its id is not one"),
        ("UPDATE caller SET id = 0 WHERE id = 1", "its id is not one"),
        ("UPDATE caller_key SET digest = x'01' WHERE caller = 1", "the digest of a key must have 32 bytes"),
        ("UPDATE caller_key SET digest = 'text' WHERE caller = 1", "the digest of a key must have 32 bytes"),
        ("UPDATE caller_key SET place = 2 WHERE caller = 1", "the `place` of a key must be 0 or 1"),
        ("UPDATE caller_key SET place = -1 WHERE caller = 1", "the `place` of a key must be 0 or 1"),
        ("UPDATE access SET plan = 7.5 || '' WHERE caller = 1", ""),
        ("UPDATE access SET plan = 'none' WHERE caller = 1", "`plan` must be a plan's name"),
        ("UPDATE access SET plan = '' WHERE caller = 1", "`plan` must be a plan's name"),
        ("UPDATE access SET plan = x'00' WHERE caller = 1", "`plan` must be a plan's name"),
        ("UPDATE access SET domain = x'00' WHERE caller = 1", "`domain` must be a domain's key"),
        ("UPDATE access SET domain = '*' WHERE caller = 1", "`domain` must be a domain's key"),
        ("UPDATE access SET clearings = -1 WHERE caller = 1", "`clearings` must be 0 to 65535"),
        ("UPDATE access SET clearings = 65536 WHERE caller = 1", "`clearings` must be 0 to 65535"),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO access SELECT 1, 'd' || i, NULL, 0 FROM n", "at most 64 rows"),
    ])
    func callers(_ statement: String, _ fault: String) throws {
        let (store, folder) = try edited(statement)
        let (callers, damaged) = try all(store)
        guard !fault.isEmpty else { return #expect(callers.count == 2 && damaged.isEmpty) }
        #expect(callers.map(\.name) == ["bob"] && callers[0].grants.count == 2)
        #expect(damaged.count == 1 && damaged[0].contains("in keys.sqlite is damaged: ") && damaged[0].contains(fault), "\(damaged)")
        var listed: [String] = []
        #expect(try store.callers(behind: "", count: 1) { listed.append($0) }.map(\.name) == ["bob"])
        // One by one it is refused in the same words, and can be forgotten; a healthy one cannot be forgotten like that.
        if !statement.contains("SET name") {
            #expect { _ = try store.caller(named: "alice") } throws: { error in
                (error as? CallerStoreError)?.isOfRow == true && "\(error)".contains(fault)
            }
            #expect(listed == damaged)
            #expect(try store.deleteDamaged(callerNamed: "alice"))
            #expect(try store.caller(named: "alice") == nil)
        }
        #expect(try !store.deleteDamaged(callerNamed: "bob"))
        #expect(try store.caller(named: "bob") != nil)
        _ = folder
    }

    @Test("NULL where something must be, and parts that no caller has: with tables that somebody has made anew", arguments: [
        ("UPDATE caller SET enabled = NULL WHERE id = 1", 1), ("UPDATE caller SET name = NULL WHERE id = 1", 1), ("UPDATE caller SET description = NULL WHERE id = 1", 1),
        ("UPDATE caller SET created = NULL WHERE id = 1", 1), ("UPDATE caller SET id = 'x' WHERE id = 1", 1), ("UPDATE caller SET id = NULL WHERE id = 1", 1),
        ("UPDATE caller_key SET digest = NULL WHERE caller = 1", 1), ("UPDATE caller_key SET place = NULL WHERE caller = 1", 1),
        ("UPDATE access SET domain = NULL WHERE caller = 1", 1), ("UPDATE access SET clearings = NULL WHERE caller = 1", 1),
        ("INSERT INTO access VALUES (1, '', 'gold', 0)", 1), ("INSERT INTO caller_key VALUES (x'00', 1, 0)", 1),
        // What cannot be a caller's is passed over, and alice is known.
        ("INSERT INTO access VALUES (NULL, '', NULL, 0), ('x', '', NULL, 0), (1.5, '', NULL, 0)", 2), ("INSERT INTO caller_key VALUES (x'00', NULL, 0)", 2),
        ("INSERT INTO access VALUES (77, '', NULL, 0), (-3, '', NULL, 0)", 2),
    ])
    func nulls(_ statement: String, _ known: Int) throws {
        let (store, folder) = try edited(statement, hasConstraints: false)
        let (callers, damaged) = try all(store)
        #expect(callers.count == known && callers.last?.name == "bob")
        #expect(damaged.count == (statement.contains("77") ? 0 : 1), "\(damaged)")
        _ = try store.callers(behind: "", count: 9) { _ in }
        _ = try store.owner(of: digest(1))
        _ = folder
    }

    @Test("NULL in a column that has a constraint: the file is read all the same")
    func constraint() throws {
        let (store, folder) = try edited("""
            PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = replace(sql, 'enabled INTEGER NOT NULL', 'enabled INTEGER         ') WHERE name = 'caller';
            PRAGMA writable_schema = RESET;
            UPDATE caller SET enabled = NULL WHERE id = 1;
            PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = replace(sql, 'enabled INTEGER         ', 'enabled INTEGER NOT NULL') WHERE name = 'caller';
            """)
        let (callers, damaged) = try all(store)
        #expect(callers.map(\.name) == ["bob"] && damaged.count == 1)
        _ = folder
    }

    @Test("a plan that is damaged is no plan, so that its callers are refused; never one without a limit", arguments: [
        "per_second = -5", "per_second = 0", "per_second = 5001", "per_second = 'many'", "per_second = 1.5", "quota = 0", "quota = -1", "quota = 2147483648",
        "quota = NULL", "period = NULL", "period = 'week'", "period = x'00'", "quota = 'x'", "name = 'none'", "name = 'a b'", "name = x'00'",
    ])
    func plans(_ assignment: String) throws {
        let (store, folder) = try edited("UPDATE usage_plan SET \(assignment) WHERE name = 'gold'")
        var damaged: [String] = []
        #expect(try store.plans { damaged.append($0) } == [Plan(name: "silver", requestsPerSecond: 3)])
        #expect(damaged.count == 1 && damaged[0].contains("plan") && damaged[0].contains("in keys.sqlite is damaged: "), "\(damaged)")
        // Its callers are known, and have a plan that does not exist.
        #expect(try all(store).callers.first?.grants == [.init(domain: nil, plan: "gold")])
        // Made again, it is whole.
        if !assignment.hasPrefix("name") {
            try store.change { try store.put(Plan(name: "gold", requestsPerSecond: 1)) }
            #expect(try store.plans { _ in Issue.record("still damaged") }.count == 2)
        }
        _ = folder
    }

    @Test("where a caller may call no more, what it had cleared there is known if it comes back")
    func comesBack() throws {
        let folder = try TemporaryFolder()
        let store = try CallerDatabase(directory: folder.path)
        var alice = caller("alice", 1, grants: [.init(domain: "a", plan: "gold", clearings: 7), .init(domain: nil, plan: nil)])
        try store.change { alice.id = try store.insert(alice) }
        #expect(try store.clearings(ofCaller: alice.id, formerlyIn: "a") == nil)
        alice.grants = [.init(domain: "b", plan: nil)]
        try store.change { try store.update(alice) }
        #expect(try store.clearings(ofCaller: alice.id, formerlyIn: "a") == 7 && store.clearings(ofCaller: alice.id, formerlyIn: nil) == 0)
        #expect(try store.clearings(ofCaller: alice.id, formerlyIn: "b") == nil)
        alice.grants = [.init(domain: "a", plan: nil, clearings: 8)]
        try store.change { try store.update(alice) }
        #expect(try store.clearings(ofCaller: alice.id, formerlyIn: "a") == nil)
        try store.change { try store.delete(callerID: alice.id) }
        #expect(try store.clearings(ofCaller: alice.id, formerlyIn: "b") == nil)
    }

    @Test("clearings begin again behind the last, and none of another plan is touched")
    func clearings() throws {
        let folder = try TemporaryFolder()
        let store = try CallerDatabase(directory: folder.path)
        try store.change {
            _ = try store.insert(caller("alice", 1, grants: [.init(domain: nil, plan: "gold", clearings: 65_535), .init(domain: "b", plan: "gold", clearings: 4)]))
            _ = try store.insert(caller("bob", 2, grants: [.init(domain: nil, plan: "silver", clearings: 4)]))
            try store.clearUse(ofPlan: "gold")
        }
        #expect(try store.caller(named: "alice")?.grants.map(\.clearings) == [0, 5] && store.caller(named: "bob")?.grants.map(\.clearings) == [4])
    }
}
