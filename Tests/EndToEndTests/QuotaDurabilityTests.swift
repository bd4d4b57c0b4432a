import Foundation
import Testing

/// Quotas outlive what becomes of the process and of the disk.
@Suite("Durable quotas", .loopback, .serialized, .minutes(5))
struct QuotaDurabilityTests {
    private func text(limit: Int, perSeconds: Int = 86_400) -> String {
        configuration(
            ceiling: 1_000_000, policies: "usageQuota: [{limit: \(limit), perSeconds: \(perSeconds)}]", [EndpointText("/**", helloMock)])
    }

    /// A disk that is slow to synchronise must not look like a quota that is used up.
    private let patient = ["SLUICE_COUNT_WAIT_MS": "10000"]

    @Test("ten times kill -9 in mid-window under load: never more than the quota is admitted, and little of it is lost")
    func killed() throws {
        let limit = 3000
        let folder = try Folder()
        var (admitted, lost) = (0, 0)
        for turn in 1...10 {
            let gateway = try Gateway(text(limit: limit), folder: folder, environment: patient)
            let demand = Demand([gateway], clients: 4)
            // Each life spends about a tenth of what is there.
            _ = eventually(within: 10) { demand.admitted >= limit / 12 || turn == 10 && demand.admitted > 0 }
            gateway.process.signal(SIGKILL)
            #expect(demand.hasEnded())
            admitted += demand.admitted
            lost += demand.unanswered
        }
        let gateway = try Gateway(text(limit: limit), folder: folder, environment: patient)
        while try gateway.get("/api/x").status == 200 { admitted += 1 }
        #expect(admitted <= limit, "\(admitted) of \(limit)")
        // A life wastes at most its two purses, one block of 1 % each; a request without an answer may have been admitted.
        #expect(admitted + lost >= limit - 10 * 2 * limit / 100, "\(admitted) admitted, \(lost) unanswered")
        #expect(lost <= 40)
    }

    @Test("an orderly end wastes nothing: what was left before it is left after it, to the last unit")
    func orderlyEnd() throws {
        let folder = try Folder()
        for turn in 0..<4 {
            let gateway = try Gateway(text(limit: 400), folder: folder, environment: patient)
            for _ in 0..<100 { #expect(try gateway.get("/api/x").status == 200) }
            if turn == 3 { expect(try gateway.get("/api/x"), is: .quota) }
            gateway.process.signal(SIGTERM)
            #expect(gateway.process.waitForExit(10) == 0)
        }
    }

    @Test("SLUICE_STATE_DIR=off keeps counts in memory: they are exact, and end with the process")
    func memory() throws {
        let folder = try Folder()
        for _ in 0..<2 {
            let gateway = try Gateway(text(limit: 3), folder: folder, environment: ["SLUICE_STATE_DIR": "off"])
            for _ in 0..<3 { #expect(try gateway.get("/api/x").status == 200) }
            expect(try gateway.get("/api/x"), is: .quota)
        }
    }

    /// A process that holds the database so that nothing can be written to it.
    private func lock(_ folder: Folder) throws -> ChildProcess {
        let script = """
            import sqlite3, sys, time
            db = sqlite3.connect(sys.argv[1], isolation_level=None)
            db.execute("BEGIN EXCLUSIVE")
            print("locked", flush=True)
            time.sleep(60)
            """
        let child = try ChildProcess(["/usr/bin/env", "python3", "-c", script, folder.file("state/counts.sqlite")], folder: folder)
        guard eventually(within: 10, { child.standardOutput.contains("locked") }) else { throw HarnessError("not locked: \(child.standardError)") }
        return child
    }

    @Test("a store that cannot be written: closed refuses what is not reserved, at once after the first; it is logged, and over by itself")
    func storeFails() throws {
        let folder = try Folder()
        let gateway = try Gateway(text(limit: 5), folder: folder, admin: true)
        #expect(try gateway.get("/api/x").status == 200)
        let locker = try lock(folder)
        // What was reserved before can still be spent.
        var admitted = 1
        var refusal = try gateway.get("/api/x")
        while refusal.status == 200 {
            admitted += 1
            refusal = try gateway.get("/api/x")
        }
        expect(refusal, is: .quota)
        #expect(admitted <= 2)
        #expect(eventually(within: 5) { gateway.log.contains("the count store does not answer") }, "\(gateway.log)")
        let start = monotonicSeconds()
        let refused = try gateway.get("/api/x")
        #expect(refused.status == 403 && monotonicSeconds() - start < 0.4)
        #expect(refused["Retry-After"] == nil, "nobody can say when")
        locker.signal(SIGKILL)
        #expect(try eventually(within: 10) { try gateway.get("/api/x").status == 200 })
        #expect(eventually(within: 5) { gateway.log.contains("answers again") })
        #expect(try gateway.get("/metrics", port: gateway.adminPort).text.contains("\nsluice_count_store_away 0\n"))
        // The refused ones were not charged.
        admitted += 1
        while try gateway.get("/api/x").status == 200 { admitted += 1 }
        #expect(admitted == 5)
    }

    @Test("a store that cannot be written: open admits what is not reserved")
    func storeFailsOpen() throws {
        let folder = try Folder()
        let gateway = try Gateway(text(limit: 50), folder: folder, environment: ["SLUICE_QUOTA_AWAY": "open", "SLUICE_COUNT_WAIT_MS": "50"])
        #expect(try gateway.get("/api/x").status == 200)
        let locker = try lock(folder)
        for _ in 0..<10 { #expect(try gateway.get("/api/x").status == 200) }
        locker.signal(SIGKILL)
        #expect(try eventually(within: 20) { try gateway.get("/api/x").status == 403 }, "counted again")
    }

    @Test("a state folder that cannot be used keeps a gateway with quotas from starting, and says which")
    func badFolder() throws {
        let folder = try Folder()
        try folder.write("state", "a file where a folder should be")
        try folder.write("sluice.yaml", text(limit: 2))
        let result = try run(["run", "--config", folder.file("sluice.yaml")], environment: Gateway.environment(folder: folder, port: Ports.free()))
        #expect(result.code == 1 && result.errors.contains("SLUICE_STATE_DIR"), "\(result.everything)")
    }

    // MARK: sluice quota

    @Test("quota list: stopped and continued by its terminal while it waits, it still takes the answer")
    func stopped() throws {
        let folder = try Folder()
        let listener = try RawSocket.listen(path: folder.file("control-0.sock"))
        let process = try ChildProcess([Gateway.binary(), "quota", "list"], environment: ["SLUICE_STATE_DIR": folder.file("")], folder: folder)
        let connection = try #require(listener.accept())
        _ = try connection.receive()
        pause(0.1)
        process.signal(SIGSTOP)
        #expect(eventually { process.isStopped })
        process.signal(SIGCONT)
        pause(0.1)
        try connection.send("HTTP/1.1 200 OK\r\n\r\n{\"quotas\":[]}")
        connection.close()
        #expect(process.waitForExit(10) == 0, "\(process.standardError)")
        #expect(process.standardOutput == "no quotas\n")
    }

    @Test("quota asks its own gateway, whatever listens on the admin port, and says where that has none")
    func ownGateway() throws {
        let foreign = try RawSocket.listen()
        let folder = try Folder()
        let path = folder.file("state")
        let gateway = try Gateway(text(limit: 3), folder: folder)
        #expect(eventually { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).contains { $0.hasSuffix(".sock") } })
        let variables = Gateway.environment(folder: folder, port: gateway.port).merging(["SLUICE_ADMIN_LISTEN": "127.0.0.1:\(foreign.localPort)"]) { $1 }
        #expect(try gateway.get("/api/x").status == 200)
        #expect(try run(["quota", "list"], environment: variables).output.contains("api    86400        1     3 "))
        #expect(try run(["quota", "reset", "--all"], environment: variables).output == "reset\n")
        let doors = { try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".sock") } }
        let names = try doors()
        #expect(names.count == 1)
        #expect(try FileManager.default.attributesOfItem(atPath: path + "/" + names[0])[.posixPermissions] as? Int == 0o600)
        // A second gateway on the folder is asked too.
        let second = try Gateway(text(limit: 3), folder: folder)
        #expect(try eventually { try doors().count == 2 })
        // Of the three, the first holds one in advance.
        for _ in 0..<2 { #expect(try second.get("/api/x").status == 200) }
        expect(try second.get("/api/x"), is: .quota)
        #expect(try run(["quota", "reset", "--all"], environment: variables).output == "reset\n")
        #expect(try second.get("/api/x").status == 200)
        second.process.signal(SIGTERM)
        #expect(second.process.waitForExit(10) == 0)
        #expect(try doors() == names)
        // One that was killed leaves its socket, which is nobody's, and is taken away by the next.
        gateway.process.signal(SIGKILL)
        #expect(gateway.process.waitForExit(10) != nil)
        #expect(try run(["quota", "list"], environment: variables).code == 0)
        let third = try Gateway(text(limit: 3), folder: folder)
        #expect(try eventually { try doors().count == 1 && doors() != names })
        #expect(try third.get("/api/x").status == 200)
    }

    @Test("quota follows no link in the state folder, and takes a path longer than a socket's address")
    func links() throws {
        let folder = try Folder()
        let deep = folder.file(String(repeating: "deep-folder/", count: 12) + "state")
        let gateway = try Gateway(text(limit: 3), folder: folder, environment: ["SLUICE_STATE_DIR": deep])
        #expect(try gateway.get("/api/x").status == 200)
        #expect(try run(["quota", "list"], environment: ["SLUICE_STATE_DIR": deep]).output.contains("api    86400        1     3 "))
        let listener = try RawSocket.listen(path: folder.file("victim"))
        try FileManager.default.createDirectory(atPath: folder.file("other"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: folder.file("other/control-0.sock"), withDestinationPath: folder.file("victim"))
        let result = try run(["quota", "reset", "--all"], environment: ["SLUICE_STATE_DIR": folder.file("other")])
        #expect(result.code == 0)
        #expect(!listener.hasCaller)
        let off = try run(["quota", "list"], environment: ["SLUICE_STATE_DIR": "off"])
        #expect(off.code == 1 && off.errors.contains("SLUICE_STATE_DIR is off"))
    }

    @Test("a default admin port that another program has: the gateway serves, and its commands say that it has no admin listener")
    func takenPort() throws {
        let folder = try Folder()
        let port = try Ports.free()
        try folder.write("sluice.yaml", text(limit: 3))
        // Whoever has it, a test's own or another program's.
        let taken = try? RawSocket.listen(port: 9901)
        defer { taken?.close() }
        var variables = Gateway.environment(folder: folder, port: port)
        variables["SLUICE_ADMIN_LISTEN"] = nil
        let process = try ChildProcess([Gateway.binary(), "run", "--config", folder.file("sluice.yaml")], environment: variables, folder: folder)
        #expect(eventually { process.standardError.contains("serving") }, "\(process.standardError)")
        let list = try run(["quota", "list"], environment: variables)
        #expect(list.code == 0 && list.errors.contains("note: the gateway runs without an admin listener: cannot listen on 127.0.0.1:9901"), "\(list.everything)")
        variables["SLUICE_ADMIN_LISTEN"] = "127.0.0.1:9901"
        variables["SLUICE_LISTEN"] = "127.0.0.1:\(try Ports.free())"
        let refused = try run(["run", "--config", folder.file("sluice.yaml")], environment: variables)
        #expect(refused.code == 1 && refused.errors.contains("SLUICE_ADMIN_LISTEN"))
    }

    @Test("quota list and reset: of a running gateway, and of the store when none runs")
    func quotaCommand() throws {
        let folder = try Folder()
        let gateway = try Gateway(text(limit: 3), folder: folder, admin: true)
        let variables = Gateway.environment(folder: folder, port: gateway.port, adminPort: gateway.adminPort)
        for _ in 0..<3 { #expect(try gateway.get("/api/x").status == 200) }
        expect(try gateway.get("/api/x"), is: .quota)
        let list = try run(["quota", "list"], environment: variables).output
        #expect(list.contains("api    86400        3     3 "), "\(list)")
        #expect(try run(["quota", "reset", "nobody"], environment: variables).code == 1)
        #expect(try run(["quota", "reset"], environment: variables).code == 2)
        #expect(try run(["quota", "reset", "api", "--per-seconds", "86400"], environment: variables).output == "reset\n")
        for _ in 0..<3 { #expect(try gateway.get("/api/x").status == 200) }
        expect(try gateway.get("/api/x"), is: .quota)
        #expect(try run(["quota", "reset", "--all"], environment: variables).output == "reset\n")
        #expect(try gateway.get("/api/x").status == 200)
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
        let stored = try run(["quota", "list", "--json"], environment: variables).output
        #expect(stored.contains("\"used\" : 1"), "\(stored)")
        // Settings are flags here too.
        let flags = ["--state-dir", folder.file("state"), "--admin-listen=off"]
        #expect(try run(["quota", "list", "--json"] + flags, environment: ["SLUICE_STATE_DIR": "off"]).output == stored)
        #expect(try run(["quota", "reset", "api"], environment: variables).code == 0)
        #expect(try run(["quota", "list"], environment: variables).output == "no quotas\n")
    }

    @Test("a reset asks for POST and JSON: no page of another origin can send one")
    func resetRequest() throws {
        let gateway = try Gateway(text(limit: 3), admin: true)
        #expect(try gateway.get("/quotas/reset", port: gateway.adminPort).status == 405)
        #expect(try gateway.request("POST", "/quotas/reset", ["Content-Type: text/plain"], body: "{\"all\":true}", port: gateway.adminPort).status == 415)
        for body in ["", "{}", "[]", "{\"all\":false}", "{\"all\":true,\"owner\":\"api\"}", "{\"owner\":7}"] {
            let response = try gateway.request("POST", "/quotas/reset", ["Content-Type: application/json"], body: body, port: gateway.adminPort)
            #expect(response.status == 400, "\(body)")
        }
    }
}
