import Glibc
import SluiceClient
import SluiceConfiguration
import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import Synchronization
import Testing

@testable import SluiceGateway

@Suite("JWT with public keys and key sets")
struct JWTKeySetTests {
    let bench: AuthenticationBench
    var registry: KeySetRegistry { bench.snapshot.keySets }
    let wakes = Wakes()

    final class Wakes: Sendable {
        let count = Atomic<Int>(0)
    }

    final class Observer: KeySetObserver {
        let ended = Mutex<[Int]>([])
        func keySetFetchEnded(source number: Int) { ended.withLock { $0.append(number) } }
    }

    init() throws {
        bench = try AuthenticationBench()
        bench.monotonicNanoseconds = 1_000_000_000_000
        let wakes = wakes
        registry.setRefresher { wakes.count.add(1, ordering: .relaxed) }
    }

    static func text(_ set: String) -> [UInt8] { Array(JWTVectors.sets[set]!.utf8) }

    func publicKeyPolicy(_ pem: String = JWTVectors.firstPublicKey) throws -> JWT.Compiled {
        let configuration = JWT.Configuration(key: .publicKey(Located(value: TextOrFile(bytes: Array(pem.utf8)))))
        let compiled = try #require(JWT.compile(configuration, into: bench.snapshot))
        bench.takeOver()
        return compiled
    }

    /// A policy on a set behind a URI, which nobody has fetched yet.
    func setPolicy(_ uri: String = "http://idp.example.com/jwks") throws -> (policy: JWT.Compiled, source: KeySetSource) {
        let location = try #require(KeySetLocation(uri, resolve: { $0 }))
        let configuration = JWT.Configuration(key: .keySet(Located(value: location)))
        let compiled = try #require(JWT.compile(configuration, into: bench.snapshot))
        bench.takeOver()
        return (compiled, registry.source(for: location))
    }

    func outcome(_ policy: JWT.Compiled, _ name: String, hasAwaited: Bool = false) throws -> Outcome {
        var exchange = try bench.exchange("GET /", ["Authorization: Bearer \(JWTVectors.tokens[name]!)"])
        exchange.hasAwaitedKeys = hasAwaited
        return Outcome(policy.evaluate(&exchange))
    }

    /// What the refresher does, with a set instead of I/O.
    func fetch(_ set: String?) {
        let now = bench.monotonicNanoseconds
        registry.fetchDue(interval: 300_000_000_000, now: { now }) { _ in
            set.map { .success(Self.text($0)) } ?? .failure(KeySet.Fault(description: "down"))
        }
    }

    func move(seconds: UInt64) { bench.monotonicNanoseconds += seconds * 1_000_000_000 }

    @Test("a fetch that fails is reported once for the same reason, and the success after it")
    func reports() throws {
        let location = try #require(KeySetLocation("http://idp.test/keys?secret=1", resolve: { $0 }))
        let source = registry.source(for: location)
        var reports: [String] = []
        for outcome in ["up", "down", "down", "other", "up", "up"] {
            move(seconds: 400)
            let now = bench.monotonicNanoseconds
            registry.fetchDue(
                interval: 300_000_000_000, now: { now },
                load: { _ in outcome == "up" ? .success(Self.text("first")) : .failure(KeySet.Fault(description: outcome)) },
                report: { reports.append("\($0) \($1 ?? "up")") })
        }
        #expect(reports == ["http://idp.test/keys down", "http://idp.test/keys other", "http://idp.test/keys up"])
        withExtendedLifetime(source) {}
    }

    // MARK: - One public key

    @Test("public key: its tokens pass, whatever their kid", arguments: ["rsFirst", "rsFirstNoKid", "rsUnknownKid", "rsFirstAsSecond"])
    func publicKey(name: String) throws {
        #expect(try outcome(publicKeyPolicy(), name) == .proceed)
    }

    @Test(
        "public key: other keys, other algorithms and the key taken for a secret are invalid",
        arguments: ["rsSecond", "rsSecondNoKid", "rs512", "ps256", "valid", "algNone", "confusionHS256", "confusionRS256", "rsSmall"])
    func publicKeyRefuses(name: String) throws {
        #expect(try outcome(publicKeyPolicy(), name) == .refuse(.jwtInvalid))
    }

    @Test("public key: an expired token is expired")
    func publicKeyExpired() throws {
        #expect(try outcome(publicKeyPolicy(), "rsExpired") == .refuse(.jwtExpired))
    }

    @Test("public key: text that is no key, and a key of 1,024 bits, are problems", arguments: ["no key", JWTVectors.smallPublicKey])
    func publicKeyProblems(pem: String) throws {
        let configuration = JWT.Configuration(key: .publicKey(Located(value: TextOrFile(bytes: Array(pem.utf8)), keyPath: "publicKey")))
        #expect(JWT.compile(configuration, into: bench.snapshot) == nil)
        #expect(bench.problems.all.map(\.keyPath) == ["publicKey"])
    }

    // MARK: - Sets

    @Test("a set keeps the keys that signatures can be checked with and passes over all others")
    func parsing() throws {
        func names(_ set: String) throws -> [String?] { try KeySet(Self.text(set)).keys.map { $0.id.map { String(decoding: $0, as: UTF8.self) } } }
        #expect(try names("both") == ["ec", "rs512", "k1", "k2"])
        #expect(try KeySet(Self.text("first")).keys.count == 1)
        #expect(try KeySet(Self.text("repeatedKid")).keys.count == 1)
        #expect(try KeySet(Self.text("secondIsEleventh")).keys.count == 11)
        #expect(try names("none") == ["ec", "rs512"])
        #expect(try KeySet(Array(#"{"keys":[]}"#.utf8)).keys.isEmpty)
    }

    /// A set of so many keys, whose identifiers are their numbers, and of as many further members.
    private func set(keys: Int, members: Int = 0) -> [UInt8] {
        let list = (0..<keys).map { number in
            // 2,048 bits: 342 characters of base64url, of which the last has two.
            let modulus = "v" + String(repeating: "A", count: 337) + String(1024 + number, radix: 32) + "Q"
            return #"{"kty":"RSA","e":"AQAB","kid":"\#(number)","n":"\#(modulus)"}"#
        }
        let more = stride(from: 0, to: members, by: 32).map { start in
            "{" + (start..<min(start + 32, members)).map { "\"m\($0)\":1" }.joined(separator: ",") + "}"
        }
        return Array("{\"keys\":[\(list.joined(separator: ","))],\"more\":[\(more.joined(separator: ","))]}".utf8)
    }

    @Test("of a set 256 keys are taken, a further one is passed over", arguments: [(255, 255), (256, 256), (257, 256)])
    func keysMax(given: Int, taken: Int) throws {
        let keys = try KeySet(set(keys: given)).keys
        #expect(keys.count == taken && keys.last?.id == Array("\(taken - 1)".utf8))
    }

    @Test("a set may have any number of members besides")
    func manyMembers() throws {
        #expect(try KeySet(set(keys: 1, members: 50_000)).keys.count == 1)
    }

    @Test("texts that are no key set", arguments: ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "<html>"])
    func noSets(text: String) {
        #expect(throws: KeySet.Fault.self) { try KeySet(Array(text.utf8)) }
    }

    @Test("a set in a file is there as soon as the policy is compiled; a file without a set, or of more than 1 MiB, is a problem, one without a usable key a notice")
    func file() throws {
        func policy(on text: [UInt8]) throws -> JWT.Compiled? {
            var name = Array("/tmp/sluice-jwks-XXXXXX".utf8CString)
            let descriptor = mkstemp(&name)
            try #require(descriptor >= 0)
            defer { unlink(name) }
            try #require(write(descriptor, text, text.count) == text.count)
            close(descriptor)
            let path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let location = try #require(KeySetLocation(path, resolve: { $0 }))
            let configuration = JWT.Configuration(key: .keySet(Located(value: location, keyPath: "jwks")))
            return JWT.compile(configuration, into: bench.snapshot)
        }
        let compiled = try #require(try policy(on: Self.text("first")))
        bench.takeOver()
        #expect(try outcome(compiled, "rsFirst") == .proceed)
        let most = Self.text("first") + [UInt8](repeating: UInt8(ascii: " "), count: 1 << 20 - Self.text("first").count)
        #expect(try policy(on: most) != nil)
        #expect(bench.problems.all.isEmpty)
        #expect(try policy(on: most + [UInt8(ascii: " ")]) == nil)
        #expect(bench.problems.all.map(\.scope) == [.configuration])
        #expect(try policy(on: Self.text("none")) != nil)
        #expect(bench.problems.all.map(\.scope) == [.configuration, .notice])
        #expect(bench.problems.all.map(\.keyPath) == ["jwks", "jwks"])
    }

    @Test("a file is read at every compilation: what an older snapshot has read of it stays that one's")
    func fileAgain() throws {
        let folder = "/tmp/sluice-jwks-\(getpid())-\(Clock.monotonicNanoseconds())"
        defer { unlink(folder) }
        func write(_ text: [UInt8]) throws {
            let file = try #require(fopen(folder, "w"))
            try #require(fwrite(text, 1, text.count, file) == text.count)
            fclose(file)
        }
        let location = try #require(KeySetLocation(folder, resolve: { $0 }))
        let configuration = JWT.Configuration(key: .keySet(Located(value: location, keyPath: "jwks")))
        try write(Self.text("both"))
        let old = try #require(JWT.compile(configuration, into: bench.snapshot))
        bench.takeOver()
        #expect(try outcome(old, "rsSecond") == .proceed)
        try write(Self.text("first"))
        let later = try AuthenticationBench(keySets: registry)
        let new = try #require(JWT.compile(configuration, into: later.snapshot))
        // Two policies of one configuration read one text.
        _ = try #require(JWT.compile(configuration, into: later.snapshot))
        #expect(registry.sources.count == 2)
        later.takeOver()
        var exchange = try later.exchange("GET /", ["Authorization: Bearer \(JWTVectors.tokens["rsSecond"]!)"])
        exchange.hasAwaitedKeys = true
        #expect(Outcome(new.evaluate(&exchange)) == .refuse(.jwtInvalid))
        #expect(try outcome(old, "rsSecond") == .proceed)
        try write(Array("garbage".utf8))
        let refused = try AuthenticationBench(keySets: registry)
        #expect(JWT.compile(configuration, into: refused.snapshot) == nil)
        #expect(refused.problems.refuseConfiguration)
    }

    @Test("kid names the key; a signature of another key of the set is invalid")
    func keyID() throws {
        let (policy, _) = try setPolicy()
        fetch("both")
        #expect(try outcome(policy, "rsFirst") == .proceed)
        #expect(try outcome(policy, "rsSecond") == .proceed)
        #expect(try outcome(policy, "rsFirstAsSecond") == .refuse(.jwtInvalid))
        #expect(try outcome(policy, "confusionHS256") == .refuse(.jwtInvalid))
        #expect(try outcome(policy, "confusionRS256") == .refuse(.jwtInvalid))
    }

    @Test("a token without kid is tried against ten keys, not against the eleventh")
    func anonymous() throws {
        let (policy, _) = try setPolicy()
        fetch("secondIsTenth")
        #expect(try outcome(policy, "rsSecondNoKid") == .proceed)
        move(seconds: 300)
        fetch("secondIsEleventh")
        #expect(try outcome(policy, "rsSecondNoKid") == .refuse(.jwtInvalid))
        #expect(try outcome(policy, "rsFirstNoKid") == .proceed)
    }

    // MARK: - Unknown keys

    @Test("before the first set a token waits; afterwards it passes or is refused, and never waits twice")
    func firstSet() throws {
        let (policy, source) = try setPolicy()
        let observer = Observer()
        registry.setObserver(observer, worker: 3)
        bench.worker = 3
        var exchange = try bench.exchange("GET /", ["Authorization: Bearer \(JWTVectors.tokens["rsFirst"]!)"])
        guard case .suspend(.keySet(source.number)) = policy.evaluate(&exchange) else { return #expect(Bool(false), "the token does not wait for its key set") }
        #expect(exchange.hasAwaitedKeys)
        fetch("first")
        #expect(observer.ended.withLock { $0 } == [source.number])
        #expect(Outcome(policy.evaluate(&exchange)) == .proceed)
        move(seconds: 10)
        #expect(try outcome(policy, "rsUnknownKid", hasAwaited: true) == .refuse(.jwtInvalid))
        #expect(try outcome(policy, "rsUnknownKid") == .suspend)
    }

    @Test("when the first fetch fails, waiting tokens are refused; the set is fetched again after 1 s, and its tokens pass then")
    func firstFetchFailsOnce() throws {
        let (policy, source) = try setPolicy()
        #expect(try outcome(policy, "rsFirst") == .suspend)
        fetch(nil)
        #expect(try outcome(policy, "rsFirst", hasAwaited: true) == .refuse(.jwtInvalid))
        bench.monotonicNanoseconds += 999_999_999
        #expect(!source.begin(now: bench.monotonicNanoseconds))
        bench.monotonicNanoseconds += 1
        fetch("first")
        #expect(try outcome(policy, "rsFirst") == .proceed)
    }

    @Test("when the first fetch fails, an unknown kid may ask for another 10 s later")
    func firstFetchFails() throws {
        let (policy, source) = try setPolicy()
        #expect(try outcome(policy, "rsFirst") == .suspend)
        fetch(nil)
        #expect(source.lastFault == "down")
        #expect(try outcome(policy, "rsFirst", hasAwaited: true) == .refuse(.jwtInvalid))
        #expect(try outcome(policy, "rsFirst") == .refuse(.jwtInvalid))
        move(seconds: 10)
        #expect(try outcome(policy, "rsFirst") == .suspend)
        fetch("first")
        #expect(try outcome(policy, "rsFirst") == .proceed)
    }

    @Test("an unknown kid causes one fetch in 10 s: 9.999999999 s after the last one it is refused at once")
    func rateLimit() throws {
        let (policy, source) = try setPolicy()
        let observer = Observer()
        registry.setObserver(observer, worker: 0)
        fetch("first")
        let woken = wakes.count.load(ordering: .relaxed)
        bench.monotonicNanoseconds += 9_999_999_999
        #expect(try outcome(policy, "rsSecond") == .refuse(.jwtInvalid))
        #expect(wakes.count.load(ordering: .relaxed) == woken)
        bench.monotonicNanoseconds += 1
        #expect(try outcome(policy, "rsSecond") == .suspend)
        #expect(try outcome(policy, "rsUnknownKid") == .suspend)
        fetch("both")
        // Both waited for the one fetch, and the worker is told once.
        #expect(observer.ended.withLock { $0 } == [source.number])
        #expect(try outcome(policy, "rsSecond", hasAwaited: true) == .proceed)
        #expect(try outcome(policy, "rsUnknownKid", hasAwaited: true) == .refuse(.jwtInvalid))
        #expect(try outcome(policy, "rsUnknownKid") == .refuse(.jwtInvalid))
    }

    @Test("while a fetch is under way tokens join it, also in its first 10 s")
    func joining() throws {
        let (policy, source) = try setPolicy()
        let now = bench.monotonicNanoseconds
        #expect(source.begin(now: now))
        #expect(!source.begin(now: now))
        #expect(try outcome(policy, "rsFirst") == .suspend)
        #expect(source.end(.success(try KeySet(Self.text("first"))), now: now, interval: 300_000_000_000) == [0])
        #expect(try outcome(policy, "rsFirst", hasAwaited: true) == .proceed)
    }

    @Test("without a refresher nothing waits")
    func noRefresher() throws {
        registry.setRefresher(nil)
        let (policy, _) = try setPolicy()
        #expect(try outcome(policy, "rsFirst") == .refuse(.jwtInvalid))
    }

    @Test("a wrong signature under a known kid and a wrong algorithm cause no fetch")
    func noFetch() throws {
        let (policy, _) = try setPolicy()
        fetch("both")
        move(seconds: 60)
        let woken = wakes.count.load(ordering: .relaxed)
        #expect(try outcome(policy, "rsFirstAsSecond") == .refuse(.jwtInvalid))
        #expect(try outcome(policy, "valid") == .refuse(.jwtInvalid))
        #expect(wakes.count.load(ordering: .relaxed) == woken)
    }

    // MARK: - Refreshing

    @Test("a set without usable keys is the owner's word: tokens of the keys before it are refused, remembered ones too", arguments: [
        #"{"keys":[]}"#, #"{"keys":[{"kty":"EC","kid":"k1","crv":"P-256","x":"AA","y":"AA"}]}"#,
    ])
    func revoked(set: String) throws {
        let (policy, source) = try setPolicy()
        fetch("both")
        for _ in 0..<2 { #expect(try outcome(policy, "rsFirst") == .proceed) }
        move(seconds: 300)
        registry.fetchDue(interval: 300_000_000_000, now: { bench.monotonicNanoseconds }) { _ in .success(Array(set.utf8)) }
        #expect(source.lastFault == nil)
        // Within 10 s of a fetch nothing is asked for, and it is plain that there is no such key.
        for name in ["rsFirst", "rsSecond", "rsFirstNoKid"] { #expect(try outcome(policy, name) == .refuse(.jwtInvalid), "\(name)") }
        move(seconds: 10)
        #expect(try outcome(policy, "rsFirst") == .suspend)
        fetch("both")
        #expect(try outcome(policy, "rsFirst") == .proceed)
    }

    @Test("what is no set takes no key away", arguments: ["", "{}", "<html>", #"{"keys":null}"#, #"{"keys":[]"#])
    func noSetRevokesNothing(text: String) throws {
        let (policy, source) = try setPolicy()
        fetch("both")
        move(seconds: 300)
        registry.fetchDue(interval: 300_000_000_000, now: { bench.monotonicNanoseconds }) { _ in .success(Array(text.utf8)) }
        #expect(source.lastFault == "content that is not a JSON Web Key Set (RFC 7517)")
        #expect(try outcome(policy, "rsFirst") == .proceed)
    }

    @Test("a server that sends interim responses without end is listened to for no longer than one that sends nothing")
    func endless() throws {
        let listener = try Socket.listen(on: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: 0), backlog: 1, isFirst: true).get()
        let port = try #require(Socket.listeningAddress(listener)).port
        let server = try Thread(name: "test-server") {
            var client = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&client, 1, 20_000) > 0 else { return }
            let descriptor = accept(listener, nil, nil)
            let piece = Array(String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 1000).utf8)
            let end = Clock.monotonicNanoseconds() + 20_000_000_000
            // Until the other side has had enough.
            while Clock.monotonicNanoseconds() < end, send(descriptor, piece, piece.count, Int32(MSG_NOSIGNAL)) > 0 {}
            Socket.close(descriptor)
        }
        let location = try #require(KeySetLocation("http://127.0.0.1:\(port)/", resolve: { $0 }))
        let began = Clock.monotonicNanoseconds()
        let result = KeySetFetch.load(location, milliseconds: 5000) { Clock.monotonicNanoseconds() > began + 300_000_000 }
        #expect(Clock.monotonicNanoseconds() - began < 15_000_000_000)
        guard case .failure(let fault) = result else { return #expect(Bool(false), "a set was read") }
        #expect(fault.description == "no answer in time")
        server.join()
        Socket.close(listener)
    }

    @Test("a key set that hangs holds up no other")
    func hangingSource() throws {
        let registry = KeySetRegistry()
        let sources = try (0..<4).map { registry.source(for: try #require(KeySetLocation("http://idp\($0).test/", resolve: { $0 }))) }
        let fetched = Signal()
        let refresher = KeySetRefresher(registry: registry, load: { location, isEnding in
            // All but one answer only when the process ends.
            if location == sources[2].location {
                return .success(Self.text("first"))
            }
            while !isEnding() { sched_yield() }
            return .failure(KeySet.Fault(description: "hung"))
        }, report: { _, _ in fetched.raise() })
        try refresher.start()
        let patience = Clock.monotonicNanoseconds() + 60_000_000_000
        while sources[2].current == nil, Clock.monotonicNanoseconds() < patience { sched_yield() }
        #expect(sources[2].current != nil && sources.filter { $0.current == nil }.count == 3)
        refresher.stop()
    }

    @Test("files on a disk that does not answer hold up no URI, however many they are")
    func hangingFiles() throws {
        let registry = KeySetRegistry()
        let files = try (0..<KeySetRefresher.fetchesAtOnce + 4).map { registry.source(for: try #require(KeySetLocation("/dead/\($0).json", resolve: { $0 }))) }
        let source = registry.source(for: try #require(KeySetLocation("http://idp.test/", resolve: { $0 })))
        let refresher = KeySetRefresher(registry: registry, load: { location, isEnding in
            if location == source.location { return .success(Self.text("first")) }
            while !isEnding() { sched_yield() }
            return .failure(KeySet.Fault(description: "hung"))
        }, report: { _, _ in })
        try refresher.start()
        let patience = Clock.monotonicNanoseconds() + 60_000_000_000
        while source.current == nil, Clock.monotonicNanoseconds() < patience { sched_yield() }
        #expect(source.current != nil)
        refresher.stop()
        withExtendedLifetime(files) {}
    }

    @Test("the old set works while fetches fail; further attempts come after 1, 2, 4, 8 s, then every 10 s")
    func backoff() throws {
        let (policy, source) = try setPolicy()
        fetch("first")
        #expect(source.due == bench.monotonicNanoseconds + 300_000_000_000)
        move(seconds: 299)
        fetch("both")
        #expect(source.current?.keys.keys.count == 1)
        move(seconds: 1)
        for pause: UInt64 in [1, 2, 4, 8, 10, 10, 10] {
            fetch(nil)
            #expect(source.due == bench.monotonicNanoseconds + pause * 1_000_000_000)
            #expect(try outcome(policy, "rsFirst") == .proceed)
            move(seconds: pause)
        }
        fetch("both")
        #expect(source.lastFault == nil)
        #expect(try outcome(policy, "rsSecond") == .proceed)
    }

    @Test("a new set replaces the old one at once, remembered tokens included; an equal one changes nothing")
    func generations() throws {
        let (policy, source) = try setPolicy()
        fetch("both")
        #expect(try outcome(policy, "rsSecond") == .proceed)
        move(seconds: 300)
        fetch("both")
        #expect(source.current?.generation == 1)
        move(seconds: 300)
        fetch("first")
        #expect(source.current?.generation == 2)
        move(seconds: 9)
        #expect(try outcome(policy, "rsSecond") == .refuse(.jwtInvalid))
        #expect(try outcome(policy, "rsFirst") == .proceed)
    }

    @Test("registry: one source per location for as long as a snapshot holds it, each with a number of its own")
    func sources() throws {
        let (_, source) = try setPolicy()
        let (_, again) = try setPolicy()
        let (_, other) = try setPolicy("http://idp.example.com/other")
        #expect(source === again)
        #expect(source !== other && source.number != other.number)
        var released = try AuthenticationBench(keySets: registry)
        let location = try #require(KeySetLocation("http://idp.example.com/third", resolve: { $0 }))
        _ = JWT.compile(JWT.Configuration(key: .keySet(Located(value: location))), into: released.snapshot)
        #expect(registry.sources.count == 3)
        released = bench
        #expect(registry.sources.count == 2)
    }

    @Test("locations: paths and http or https URIs", arguments: [
        ("jwks.json", "file"), ("/etc/jwks.json", "file"), ("http://a/b?c", "a 80 a /b?c"), ("HTTPS://a.b:8443", "a.b 8443 a.b:8443 /"),
        ("https://[::1]/x", "::1 443 [::1] /x"), ("http://a?x", "a 80 a /?x"), ("ftp://a/b", nil), ("http://", nil), ("http://u@a/", nil),
        ("http://a/#x", nil), ("http://a/ b", nil), ("http://a:0/", nil), ("http://a:65536/", nil), ("", nil), ("http://a/\r\nX: y", nil),
    ] as [(String, String?)])
    func locations(text: String, expected: String?) {
        let location = KeySetLocation(text, resolve: { $0 })
        let found: String? = location.map { location in
            switch location.kind {
            case .file: "file"
            case .issuer: "issuer"
            case .uri(let uri): "\(uri.host) \(uri.port) \(uri.authority) \(uri.target)"
            }
        }
        #expect(found == expected)
    }
}
