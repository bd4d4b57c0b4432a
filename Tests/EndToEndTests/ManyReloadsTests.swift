import Foundation
import Testing

/// What was configured once and is no more.
@Suite("Many reloads", .loopback, .minutes(5))
struct ManyReloadsTests {
    @Test("a hundred and fifty configurations with fresh names: metrics show as much as after the first ones, and descriptors stay")
    func metrics() throws {
        let upstream = try ScriptedUpstream()
        let text = { (number: Int) in
            configuration(key: "fresh\(number)", upstream: upstream.url, policies: "usageQuota: [{limit: 1000, perSeconds: 3600}]", [EndpointText("/p\(number)")])
                .replacingOccurrences(of: " main", with: " project\(number)")
        }
        let gateway = try Gateway(text(0), admin: true)
        var series: [Int: Int] = [:]
        for number in 0...150 {
            if number > 0 {
                try gateway.reload(text(number))
                #expect(try eventually(within: 15) { try gateway.get("/fresh\(number)/p\(number)").status == 200 }, "\(gateway.log.suffix(2000))")
            }
            let page = try gateway.get("/metrics", port: gateway.adminPort).text
            #expect(page.contains("project\(number)\""))
            series[number] = page.split(separator: "\n").count { !$0.hasPrefix("#") }
        }
        let (early, late) = (series[10] ?? 0, series[150] ?? 0)
        #expect(early > 0 && late <= early + early / 20, "\(early) series after ten reloads, \(late) after 150")
        let last = { try gateway.get("/metrics", port: gateway.adminPort).text }
        // What the configurations before it had is shown no more, but for the one whose exchanges may be under way.
        #expect(try eventually(within: 10) { try !last().contains("project120\"") && !last().contains("fresh120\"") })
        #expect(gateway.process.openDescriptors() < 200)
    }
}
