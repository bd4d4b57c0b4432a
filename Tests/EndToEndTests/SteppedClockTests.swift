import Foundation
import Testing

/// A wall clock that is set under a running gateway.
@Suite("Stepped clock", .loopback, .minutes(5), .disabled(if: Sanitizer.isOn, "a sanitizer must be loaded first"))
struct SteppedClockTests {
    private static let month: Int64 = 30 * 86_400

    /// Seconds until the day is over, by the machine's clock.
    private var leftOfDay: Int { 86_400 - Int(Date.now.timeIntervalSince1970) % 86_400 }

    private func expectRefused(_ gateway: Gateway, _ path: String) throws {
        let refused = try gateway.get(path)
        #expect(refused.status == 403, "\(path)")
        expect(refused, is: .quota)
        let seconds = try #require(refused["Retry-After"].flatMap(Int.init))
        #expect(abs(seconds - leftOfDay) <= 3, "\(seconds) s, and \(leftOfDay) s are left of the day")
    }

    @Test("a clock that is a month ahead for three seconds closes no quota, and Retry-After is right, over a restart too")
    func monthAhead() throws {
        alignToWindow(seconds: 86_400, margin: 60)
        let clock = try SteppedClock()
        let folder = try Folder()
        let quota = { (path: String) in EndpointText(path, "\(helloMock), usageQuota: [{limit: 5, perSeconds: 86400}]") }
        let text = configuration([quota("/some"), quota("/all"), quota("/none")])
        let environment = clock.environment.merging(["SLUICE_COUNT_WAIT_MS": "10000"]) { $1 }
        let gateway = try Gateway(text, folder: folder, environment: environment)
        for _ in 0..<2 { #expect(try gateway.get("/api/some").status == 200) }
        for _ in 0..<5 { #expect(try gateway.get("/api/all").status == 200) }
        try expectRefused(gateway, "/api/all")

        try clock.set(ahead: Self.month)
        #expect(eventually { gateway.log.contains("the clock was set forward") }, "\(gateway.log)")
        // That is another day.
        #expect(try eventually { try gateway.get("/api/all").status == 200 })
        pause(3)
        try clock.set(ahead: 0)
        #expect(eventually { gateway.log.contains("the clock was set back") }, "\(gateway.log)")

        // What was used of this day is used, or counts for one window that begins anew; the other quota has waited for nothing.
        #expect(try eventually { try gateway.get("/api/none").status == 200 })
        for path in ["/api/some", "/api/all"] {
            var admitted = 0
            while admitted <= 5, try gateway.get(path).status == 200 { admitted += 1 }
            #expect(admitted <= 5, "\(path)")
            try expectRefused(gateway, path)
        }

        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
        let again = try Gateway(text, folder: folder, environment: environment)
        for _ in 0..<4 { #expect(try again.get("/api/none").status == 200) }
        for path in ["/api/some", "/api/all", "/api/none"] { try expectRefused(again, path) }
    }
}
