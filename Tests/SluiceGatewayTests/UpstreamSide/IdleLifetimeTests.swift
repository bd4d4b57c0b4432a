import SluiceHTTP
import Testing

@testable import SluiceGateway

/// Which idle connections a request may go to that must not be sent twice.
@Suite("Idle lifetime")
struct IdleLifetimeTests {
    private let now: UInt64 = 5_000_000

    private func announced(_ text: String) -> IdleLifetime {
        var lifetime = IdleLifetime()
        Array(text.utf8).withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            lifetime.noteAnnounced(ByteView(base: base, count: bytes.count))
        }
        return lifetime
    }

    /// The longest idle time that is young, found by trying.
    private func bound(_ lifetime: IdleLifetime, at now: UInt64) -> UInt64? {
        (0...40_000).last { lifetime.isYoung($0, at: now) }
    }

    @Test("nothing is known: half of what is assumed, also in the process's first minutes")
    func unknown() {
        #expect(bound(IdleLifetime(), at: now) == 50)
        #expect(bound(IdleLifetime(), at: 0) == 50)
    }

    @Test("half of the shortest time after which one was closed; longer ones change nothing; what ends at once is no timeout")
    func closed() {
        var lifetime = IdleLifetime()
        lifetime.noteClosed(after: 5000, at: now)
        #expect(bound(lifetime, at: now) == 2500)
        lifetime.noteClosed(after: 9000, at: now + 1)
        #expect(bound(lifetime, at: now + 1) == 2500)
        lifetime.noteClosed(after: 3000, at: now + 2)
        #expect(bound(lifetime, at: now + 2) == 1500)
        lifetime.noteClosed(after: 1, at: now + 3)
        #expect(bound(lifetime, at: now + 3) == 50)
    }

    @Test("what was seen ten minutes ago is forgotten, unless it was seen again")
    func forgotten() {
        var lifetime = IdleLifetime()
        lifetime.noteOpen(after: 60_000)
        lifetime.noteClosed(after: 3000, at: now)
        #expect(bound(lifetime, at: now + 599_999) == 1500)
        #expect(bound(lifetime, at: now + 600_000) == 30_000)
        lifetime.noteClosed(after: 3000, at: now + 500_000)
        #expect(bound(lifetime, at: now + 1_000_000) == 1500)
        lifetime.noteClosed(after: 7000, at: now + 1_100_000)
        #expect(bound(lifetime, at: now + 1_100_000) == 3500)
    }

    @Test("one that stayed open says more than the assumption, and less than one that was closed")
    func open() {
        var lifetime = IdleLifetime()
        lifetime.noteOpen(after: 60_000)
        #expect(bound(lifetime, at: now) == 30_000)
        lifetime.noteOpen(after: 10)
        #expect(bound(lifetime, at: now) == 30_000)
        lifetime.noteClosed(after: 3000, at: now)
        #expect(bound(lifetime, at: now) == 1500)
    }

    @Test("what Keep-Alive says", arguments: [
        ("timeout=5", 2500), ("timeout=5, max=100", 2500), ("max=100,  TIMEOUT=5", 2500), ("timeout=0", 0), ("timeout=", 50), ("timeout=x", 50),
        ("timeout", 50), ("", 50), ("max=5", 50), ("timeout=99999999999999999999", 50), ("xtimeout=5", 50),
    ] as [(String, UInt64)])
    func keepAlive(text: String, expected: UInt64) {
        #expect(bound(announced(text), at: now) == expected)
    }

    @Test("the shorter of what it says and what it does")
    func announcedAndClosed() {
        var lifetime = announced("timeout=5")
        lifetime.noteClosed(after: 2000, at: now)
        #expect(bound(lifetime, at: now) == 1000)
        #expect(bound(lifetime, at: now + 600_000) == 2500)
        lifetime = announced("timeout=5")
        lifetime.noteClosed(after: 20_000, at: now)
        #expect(bound(lifetime, at: now) == 2500)
    }
}
