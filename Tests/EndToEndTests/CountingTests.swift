import Foundation
import Testing

/// Ceilings and quotas under load on several workers.
@Suite("Counting", .loopback, .serialized, .minutes(5))
struct CountingTests {
    @Test("the ceiling holds for every interval of a second, on two workers, and nearly all of it is used")
    func ceiling() throws {
        let ceiling = 200
        let gateway = try Gateway(configuration(ceiling: ceiling, [EndpointText("/**", helloMock)]))
        let demand = Demand([gateway], clients: 8)
        pause(3.2)
        let admitted = demand.stop()
        #expect(demand.unanswered == 0)
        #expect(demand.refused > 0, "the load was below the ceiling: the test proves nothing")
        // Clients see responses a little later than the gateway admits, unevenly: a tenth more in a client's second is not an excess.
        let most = Demand.mostInASecond(admitted)
        #expect(most <= ceiling + ceiling / 10, "\(most) in one second")
        #expect(admitted.count <= ceiling * 4 + ceiling / 10)
        // How evenly it is used is for the simulation to show: here a loaded machine may keep the clients from asking.
        #expect(admitted.count >= 2 * ceiling, "\(admitted.count) admitted in 3.2 s")
    }

    @Test("concurrent workers never exceed a quota, and use all of it")
    func quota() throws {
        let gateway = try Gateway(
            configuration(ceiling: 1_000_000, policies: "usageQuota: [{limit: 100, perSeconds: 86400}]", [EndpointText("/**", helloMock)]))
        let demand = Demand([gateway], clients: 8, requests: 50)
        #expect(demand.hasEnded())
        #expect(demand.admitted == 100 && demand.refused == 300, "\(demand.admitted) admitted, \(demand.refused) refused")
    }

    @Test("a project's domains share its ceiling; another project has its own")
    func projects() throws {
        var lines = ["projects:", "  main: {ceiling: 4}", "  other: {ceiling: 4}", "domains:"]
        for key in ["one", "two"] { lines += domainLines(key: key, upstream: "http://127.0.0.1:9", [EndpointText("/**", helloMock)]) }
        lines += domainLines(key: "three", upstream: "http://127.0.0.1:9", [EndpointText("/**", helloMock)]).map {
            $0.replacingOccurrences(of: "project: main", with: "project: other")
        }
        let gateway = try Gateway(lines.joined(separator: "\n"))
        for turn in 0..<4 { #expect(try gateway.get(turn % 2 == 0 ? "/one/x" : "/two/x").status == 200) }
        expect(try gateway.get("/one/x"), is: .ceiling)
        expect(try gateway.get("/two/x"), is: .ceiling)
        #expect(try gateway.get("/three/x").status == 200)
        pause(1.1)
        #expect(try gateway.get("/one/x").status == 200, "a second later there is room again")
    }

    @Test("SLUICE_PROJECT_CEILING is the ceiling of projects that name none")
    func defaultCeiling() throws {
        let text = configuration([EndpointText("/**", helloMock)]).replacingOccurrences(of: "main: {ceiling: 10000}", with: "main: {}")
        let gateway = try Gateway(text, environment: ["SLUICE_PROJECT_CEILING": "2"])
        for _ in 0..<2 { #expect(try gateway.get("/api/x").status == 200) }
        expect(try gateway.get("/api/x"), is: .ceiling)
    }

    @Test("a configuration that is refused changes neither ceilings nor quotas; the one after it does")
    func refusedReload() throws {
        let text = { (ceiling: Int, limit: Int, key: String) in
            configuration(key: key, ceiling: ceiling, policies: "usageQuota: [{limit: \(limit), perSeconds: 86400}]", [EndpointText("/**", helloMock)])
        }
        let gateway = try Gateway(text(50, 3, "api"), admin: true)
        let ceiling = { try gateway.get("/metrics", port: gateway.adminPort).text.contains("sluice_ceiling_requests{project=\"main\"} \($0 as Int)\n") }
        let limit = { try gateway.get("/quotas", port: gateway.adminPort).text.filter { !$0.isWhitespace }.contains("\"limit\":\($0 as Int),") }
        #expect(try ceiling(50) && limit(3))
        try gateway.reload(text(500, 30, "api") + "nonsense: 1\n")
        #expect(eventually { gateway.log.contains("nonsense") }, "\(gateway.log)")
        try gateway.reload(text(500, 30, "ghost") + "rubbish: 1\n")
        #expect(eventually { gateway.log.contains("rubbish") }, "\(gateway.log)")
        for page in ["/metrics", "/quotas"] { #expect(try !gateway.get(page, port: gateway.adminPort).text.contains("ghost"), "\(page)") }
        #expect(try ceiling(50) && limit(3))
        for _ in 0..<3 { #expect(try gateway.get("/api/x").status == 200) }
        expect(try gateway.get("/api/x"), is: .quota)
        try gateway.reload(text(400, 4, "api"))
        #expect(try eventually { try ceiling(400) && limit(4) })
        #expect(try eventually { try gateway.get("/api/x").status == 200 })
        expect(try gateway.get("/api/x"), is: .quota)
    }

    @Test("counts outlive a reload: neither a quota nor a ceiling begins anew")
    func reload() throws {
        let text = configuration(policies: "usageQuota: [{limit: 3, perSeconds: 86400}]", [EndpointText("/**", helloMock)])
        let gateway = try Gateway(text, admin: true)
        for _ in 0..<3 { #expect(try gateway.get("/api/x").status == 200) }
        expect(try gateway.get("/api/x"), is: .quota)
        try gateway.reload(text + "# another text\n")
        pause(0.5)
        expect(try gateway.get("/api/x"), is: .quota)
        try gateway.reload(text.replacingOccurrences(of: "limit: 3", with: "limit: 5"))
        #expect(try eventually { try gateway.get("/api/x").status == 200 }, "a higher limit has room again")
    }
}
