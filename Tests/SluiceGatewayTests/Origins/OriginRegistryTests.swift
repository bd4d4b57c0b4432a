import Testing

@testable import SluiceGateway

@Suite("Origins")
struct OriginRegistryTests {
    private func url(_ text: String) throws -> UpstreamURL { try UpstreamURL(text) }

    @Test("the same place with the same trust is the same origin, whatever its path; another trust, port or scheme is another")
    func numbers() throws {
        let registry = OriginRegistry()
        let first = try registry.number(of: url("https://a.test/x"), trust: .init())
        #expect(try registry.number(of: url("https://a.test/y"), trust: .init()) == first)
        let others = try [
            registry.number(of: url("https://a.test/x"), trust: .init(verifies: false)), registry.number(of: url("https://a.test:444/"), trust: .init()),
            registry.number(of: url("http://a.test/"), trust: .init()), registry.number(of: url("https://b.test/"), trust: .init()),
        ]
        #expect(Set(others + [first]).count == 5)
        // How certificates would be checked makes no difference where there are none.
        #expect(try registry.number(of: url("http://a.test/"), trust: .init(verifies: false)) == others[2])
    }

    @Test("a service that may speak HTTP/2 is another origin, whose connections nobody gets who is to speak HTTP/1.1")
    func versions() throws {
        let registry = OriginRegistry()
        var negotiated = try url("https://a.test/")
        negotiated.versions = .negotiated
        let all = try [url("https://a.test/"), negotiated, url("http://a.test/"), url("h2c://a.test/")].map { try registry.number(of: $0, trust: .init()) }
        #expect(Set(all).count == 4)
        // What verifies the certificate is the same.
        #expect(registry.contextCount == 1)
    }

    @Test("origins that are verified in the same way share what that takes: a thousand of them are not a thousand copies of the authorities")
    func contexts() throws {
        let registry = OriginRegistry()
        for text in ["https://a.test/", "https://b.test/", "http://c.test/"] { _ = try registry.number(of: url(text), trust: .init()) }
        _ = try registry.number(of: url("https://a.test/"), trust: .init(verifies: false))
        let contexts = registry.all.map(\.tls)
        #expect(contexts[0] != nil && contexts[0] === contexts[1] && contexts[2] == nil)
        #expect(contexts[3] != nil && contexts[3] !== contexts[0])
    }

    @Test("what verifying takes is kept as long as one origin is verified so, and no longer")
    func contextsGo() throws {
        let registry = OriginRegistry()
        var holds = [registry.makeHold(), registry.makeHold()]
        _ = try holds[0].number(of: url("https://a.test/"), trust: .init(verifies: false))
        _ = try holds[1].number(of: url("https://b.test/"), trust: .init(verifies: false))
        #expect(registry.contextCount == 1)
        holds.removeFirst()
        #expect(registry.contextCount == 1)
        holds.removeFirst()
        #expect(registry.contextCount == 0)
    }

    @Test("an origin that no snapshot names any more is forgotten, and its number is nobody else's")
    func forgotten() throws {
        let registry = OriginRegistry()
        var first: OriginRegistry.Hold? = registry.makeHold()
        let second = registry.makeHold()
        let a = try #require(try first?.number(of: url("http://a.test/"), trust: .init()))
        let b = try #require(try first?.number(of: url("http://b.test/"), trust: .init()))
        #expect(try second.number(of: url("http://b.test/x"), trust: .init()) == b)
        #expect(registry.takeReleased().isEmpty)
        first = nil
        #expect(registry.takeReleased() == [a])
        #expect(registry.all.map(\.number) == [b])
        let again = try second.number(of: url("http://a.test/"), trust: .init())
        #expect(again != a && again != b)
    }
}
