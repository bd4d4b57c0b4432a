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
        resolver.resolve([try origin(0, "hangs.test"), try origin(1, "answers.test")], waitingMilliseconds: 20_000)
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
            refreshSeconds: 86_400,
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
        resolver.resolve(try (0..<70).map { try origin($0, "name\($0).test") }, waitingMilliseconds: 0)
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
        resolver.resolve([one], waitingMilliseconds: 20_000)
        resolver.resolve([other], waitingMilliseconds: 20_000)
        let before = asked.withLock { $0["first.test"] }
        // Both would be asked for as often.
        for _ in 0..<3 { #expect(second.wait(timeout: .now() + 20) == .success) }
        #expect(asked.withLock { $0["first.test"] } == before)
        while first.wait(timeout: .now()) == .success {}
        resolver.resolve([one, other], waitingMilliseconds: 20_000)
        #expect(first.wait(timeout: .now() + 20) == .success)
        resolver.stop()
    }
}
