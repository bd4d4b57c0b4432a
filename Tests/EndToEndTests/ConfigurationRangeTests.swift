import Testing

/// Every number of a configuration file, on both sides of both ends of its range.
@Suite("Ranges of a configuration", .loopback, .minutes(5))
struct ConfigurationRangeTests {
    /// Where a number stands, its range, and a line that sets it.
    private struct Number {
        let place: String
        let least: Int
        let most: Int
        var unit = ""

        /// The problem of a value beyond.
        func problem(_ value: Int) -> String {
            "\(place): found the integer \(value), allowed an integer from \(least) to \(most)" + (unit.isEmpty ? "" : " (\(unit))")
        }
    }

    private static let numbers = [
        Number(place: "listeners[0].maxConnections", least: 1, most: 10_000_000, unit: "connections"),
        Number(place: "projects.main.ceiling", least: 1, most: 10_000_000, unit: "requests per second"),
        Number(place: "domains[0].upstreamTimeoutMs", least: 1, most: 600_000, unit: "milliseconds"),
        Number(place: "domains[0].policies.maintenance.status", least: 200, most: 599),
        Number(place: "domains[0].policies.cors.maxAge", least: 0, most: 86_400, unit: "seconds"),
        Number(place: "domains[0].policies.usageQuota[0].limit", least: 0, most: (1 << 35) - 1),
        Number(place: "domains[0].policies.usageQuota[0].perSeconds", least: 1, most: 2_592_000),
        Number(place: "domains[0].policies.hmac.clockSkew", least: 0, most: 86_400, unit: "seconds"),
        Number(place: "domains[0].policies.hmac.replayCapacity", least: 64, most: 16_777_216, unit: "signatures"),
        Number(place: "domains[1].policies.jwt.clockSkew", least: 0, most: 86_400, unit: "seconds"),
        Number(place: "domains[1].endpoints[0].policies.preCall.cacheSeconds", least: 0, most: 86_400, unit: "seconds"),
        Number(place: "domains[1].endpoints[0].policies.preCall.timeoutMs", least: 1, most: 600_000, unit: "milliseconds"),
        Number(place: "domains[1].endpoints[0].policies.mock.status", least: 200, most: 599),
    ]

    /// The problems of a configuration whose numbers are these.
    private func problems(_ value: (Number) -> Int) throws -> [String] {
        let values = Self.numbers.map(value)
        let text = """
            listeners: [{address: "127.0.0.1:8080", maxConnections: \(values[0])}]
            projects: {main: {ceiling: \(values[1])}}
            domains:
              - key: one
                upstream: http://127.0.0.1:9
                upstreamTimeoutMs: \(values[2])
                policies:
                  maintenance: {enabled: false, status: \(values[3])}
                  cors: {origins: ["*"], maxAge: \(values[4])}
                  usageQuota: [{limit: \(values[5]), perSeconds: \(values[6])}]
                  hmac: {secret: s, clockSkew: \(values[7]), replayCapacity: \(values[8])}
                endpoints: [{path: /x}]
              - key: other
                policies:
                  jwt: {algorithm: HS256, secret: s, clockSkew: \(values[9])}
                endpoints:
                  - path: /x
                    policies:
                      preCall: {method: GET, url: "http://127.0.0.1:9/", cacheSeconds: \(values[10]), timeoutMs: \(values[11])}
                      mock: {status: \(values[12])}

            """
        let result = try run(["check", "--config", Folder().write("sluice.yaml", text)])
        // Without what is shown of the file.
        let lines = result.errors.split(separator: "\n").map(String.init).filter { !$0.hasPrefix(" ") }
        #expect(result.code == (lines.isEmpty ? 0 : 1), "\(result.everything)")
        // Behind file, line and column.
        return lines.map { line in String(line.split(separator: " ", maxSplits: 1).last ?? "") }
    }

    @Test("both ends of every range are taken")
    func ends() throws {
        #expect(try problems(\.least) == [])
        #expect(try problems(\.most) == [])
    }

    @Test("what lies beyond an end is a problem that names the range, all in one run")
    func beyond() throws {
        #expect(try problems { $0.least - 1 } == Self.numbers.map { $0.problem($0.least - 1) })
        #expect(try problems { $0.most + 1 } == Self.numbers.map { $0.problem($0.most + 1) })
    }
}
