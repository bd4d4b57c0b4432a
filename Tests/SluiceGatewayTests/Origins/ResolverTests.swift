import Foundation
import SluiceHTTP
import Synchronization
import Testing

@testable import SluiceGateway

@Suite("Resolver")
struct ResolverTests {
    private func origin(_ number: Int, _ host: String) throws -> Origin {
        Origin(number: number, url: try UpstreamURL("http://\(host):80"), tls: nil)
    }

    /// As a publication does.
    private func use(_ resolver: Resolver, _ origins: [Origin], waitingMilliseconds: UInt64 = 20_000) {
        resolver.prepare(origins, waitingMilliseconds: waitingMilliseconds)
        resolver.use(origins)
    }

    @Test("a name whose look-up does not end keeps no other from being resolved")
    func hanging() throws {
        let answered = DispatchSemaphore(value: 0)
        let order = Mutex<[String]>([])
        let resolver = Resolver(
            refreshSeconds: 86_400,
            lookUp: { host in
                // Ends when the other has its answer; the bound is for a resolver that asks for one after the other.
                if host == "hangs.test" { _ = answered.wait(timeout: .now() + 5) }
                order.withLock { $0.append(host) }
                return [IPAddress(v4: 0x7F00_0001)]
            },
            changed: { number, _ in
                if number != 0 { answered.signal() }
            })
        let thread = Foundation.Thread { resolver.run() }
        thread.start()
        use(resolver, [try origin(0, "hangs.test"), try origin(1, "answers.test")])
        resolver.stop()
        #expect(order.withLock { $0 } == ["answers.test", "hangs.test"])
        #expect(resolver.addresses.values.allSatisfy { !$0.isEmpty })
    }

    @Test("64 names are looked up at once, the next when one of them is through")
    func lookUpsAtOnce() throws {
        let (begun, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        struct Counts {
            var now = 0
            var most = 0
        }
        let atOnce = Mutex(Counts())
        let resolver = Resolver(
            // None of them counts as one that does not end.
            refreshSeconds: 86_400, patienceMilliseconds: 3_600_000,
            lookUp: { _ in
                atOnce.withLock {
                    $0.now += 1
                    $0.most = max($0.most, $0.now)
                }
                begun.signal()
                mayEnd.wait()
                atOnce.withLock { $0.now -= 1 }
                return [IPAddress(v4: 0x7F00_0001)]
            },
            changed: { _, _ in })
        let thread = Foundation.Thread { resolver.run() }
        thread.start()
        // Returns at once: no wait for any answer.
        use(resolver, try (0..<70).map { try origin($0, "name\($0).test") }, waitingMilliseconds: 0)
        for _ in 0..<64 { #expect(begun.wait(timeout: .now() + 20) == .success) }
        for _ in 64..<70 {
            mayEnd.signal()
            #expect(begun.wait(timeout: .now() + 20) == .success)
        }
        for _ in 0..<64 { mayEnd.signal() }
        resolver.stop()
        #expect(atOnce.withLock { $0.most } == 64)
    }

    @Test("a name that the configuration names no longer is not asked for again; named again, it is")
    func unused() throws {
        let asked = Mutex<[String: Int]>([:])
        let (first, second) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let resolver = Resolver(
            refreshSeconds: 1,
            lookUp: { host in
                asked.withLock { $0[host, default: 0] += 1 }
                (host == "first.test" ? first : second).signal()
                return []
            },
            changed: { _, _ in })
        let thread = Foundation.Thread { resolver.run() }
        thread.start()
        let (one, other) = (try origin(0, "first.test"), try origin(1, "second.test"))
        use(resolver, [one])
        use(resolver, [other])
        let before = asked.withLock { $0["first.test"] }
        // Both would be asked for as often.
        for _ in 0..<3 { #expect(second.wait(timeout: .now() + 20) == .success) }
        #expect(asked.withLock { $0["first.test"] } == before)
        while first.wait(timeout: .now()) == .success {}
        use(resolver, [one, other])
        #expect(first.wait(timeout: .now() + 20) == .success)
        resolver.stop()
    }

    @Test("130 names whose look-ups do not end keep a new one waiting for seconds, not for their end; names that were taken away keep no place")
    func dead() throws {
        let mayEnd = DispatchSemaphore(value: 0)
        let resolver = Resolver(
            refreshSeconds: 86_400, patienceMilliseconds: 100,
            lookUp: { host in
                guard host.hasPrefix("dead") else { return [IPAddress(v4: 0x7F00_0001)] }
                mayEnd.wait()
                return []
            },
            changed: { _, _ in })
        let thread = Foundation.Thread { resolver.run() }
        thread.start()
        let dead = try (0..<130).map { try origin($0, "dead\($0).test") }
        use(resolver, dead, waitingMilliseconds: 0)
        // Beside them, and in their place.
        use(resolver, dead + [try origin(200, "good.test")], waitingMilliseconds: 0)
        let end = Date.now + 20
        while resolver.addresses[200]?.isEmpty != false, Date.now < end { usleep(10_000) }
        #expect(resolver.addresses[200] == [IPAddress(v4: 0x7F00_0001)])
        use(resolver, [try origin(201, "other.test")])
        #expect(resolver.addresses == [201: [IPAddress(v4: 0x7F00_0001)]])
        for _ in 0..<130 { mayEnd.signal() }
        resolver.stop()
    }

    @Test("who has been handed what was known before a change is told of the change once more")
    func handedLate() throws {
        let told = Mutex<[Int: [[IPAddress]]]>([:])
        let resolver = Resolver(
            refreshSeconds: 86_400, lookUp: { _ in [IPAddress(v4: 0x7F00_0001)] },
            changed: { number, addresses in told.withLock { $0[number, default: []].append(addresses) } })
        let thread = Foundation.Thread { resolver.run() }
        thread.start()
        let origins = [try origin(0, "changes.test"), try origin(1, "stays.test")]
        use(resolver, origins)
        resolver.stop()
        let found = [IPAddress(v4: 0x7F00_0001)]
        let end = Date.now + 20
        while told.withLock({ $0.count }) < 2, Date.now < end { usleep(1000) }
        resolver.tellChanges(since: [0: [], 1: found])
        #expect(told.withLock { $0 } == [0: [found, found], 1: [found]])
    }
}
