import SluiceConfiguration
import SluiceCrypto
import Synchronization

/// Where requests can be sent: scheme, host and port, which HTTP is spoken there, and how the certificate of an `https` one is checked.
final class Origin: Sendable {
    /// How the certificate is checked.
    struct Trust: Hashable, Sendable {
        /// A PEM file of authorities; nil for the system's.
        var authorityFile: String?
        /// False: any certificate is taken.
        var verifies = true
    }

    let number: Int
    let url: UpstreamURL
    let tls: TLSClientContext?

    /// Set by workers that have found all its addresses failing, taken by the resolver.
    private let isSuspected = Atomic<Bool>(false)

    init(number: Int, url: UpstreamURL, tls: TLSClientContext?) {
        self.number = number
        self.url = url
        self.tls = tls
    }

    /// None of its addresses can be used: they may have changed. Any thread; only after failures.
    func suspect() { isSuspected.store(true, ordering: .relaxed) }

    func takeSuspicion() -> Bool { isSuspected.load(ordering: .relaxed) && isSuspected.exchange(false, ordering: .relaxed) }
}

/// All origins that a snapshot names, by number. The same origin keeps its number over every reload, and with it its pools. One that no snapshot
/// names any more is forgotten; its number is not given to another, so that what still comes in for it, a looked-up address perhaps, can
/// be nobody else's.
///
/// Used where snapshots are compiled and names resolved, never by a request.
final class OriginRegistry: Sendable {
    private struct Key: Hashable {
        var host: String
        var port: UInt16
        var versions: UpstreamURL.Versions
        /// Nil for plain HTTP.
        var verification: Verification?
    }

    private struct Verification: Hashable {
        var trust: Origin.Trust
        /// Of the trust's file: with other authorities it is another origin, whose connections are made and verified anew.
        var authorities: [UInt8]?
    }

    private struct Table {
        var numbers: [Key: Int] = [:]
        var keys: [Int: Key] = [:]
        var origins: [Int: Origin] = [:]
        /// Snapshots that name an origin, by its number.
        var holds: [Int: Int] = [:]
        /// The number of the next one.
        var next = 0
        /// Numbers that have been forgotten since somebody asked.
        var released: [Int] = []

        /// The number of an origin that is known, which counts as held once more if it is new to whoever asks.
        mutating func held(_ key: Key, _ isNew: (Int) -> Bool) -> Int? {
            guard let number = numbers[key] else { return nil }
            if isNew(number) { holds[number, default: 0] += 1 }
            return number
        }
        /// One for all origins that are verified in the same way: the system's authorities alone take most of a megabyte.
        var contexts: [Verification: TLSClientContext] = [:]
        /// How many origins are verified so.
        var users: [Verification: Int] = [:]

        mutating func add(_ key: Key, _ number: Int) {
            numbers[key] = number
            keys[number] = key
            if let verification = key.verification { users[verification, default: 0] += 1 }
        }

        mutating func forget(_ number: Int) {
            guard let key = keys.removeValue(forKey: number) else { return }
            numbers[key] = nil
            origins[number] = nil
            released.append(number)
            guard let verification = key.verification else { return }
            let left = (users[verification] ?? 1) - 1
            users[verification] = left > 0 ? left : nil
            if left <= 0 { contexts[verification] = nil }
        }
    }

    private let table = Mutex(Table())

    /// What one snapshot names, which it keeps for as long as it lives.
    func makeHold() -> Hold { Hold(self) }

    /// Keeps origins for a snapshot. Filled while it is compiled; given up on whichever thread lets the snapshot go last.
    final class Hold: Sendable {
        private let registry: OriginRegistry
        private let held = Mutex<Set<Int>>([])

        fileprivate init(_ registry: OriginRegistry) { self.registry = registry }

        deinit { registry.release(held.withLock { $0 }) }

        /// The origin's number. Throws if the trust's authorities cannot be read.
        func number(of url: UpstreamURL, trust: Origin.Trust) throws(CryptoError) -> Int {
            try registry.number(of: url, trust: trust) { number in self.held.withLock { $0.insert(number).inserted } }
        }
    }

    private func release(_ numbers: Set<Int>) {
        table.withLock { table in
            for number in numbers {
                let left = (table.holds[number] ?? 1) - 1
                table.holds[number] = left > 0 ? left : nil
                if left <= 0 { table.forget(number) }
            }
        }
    }

    /// Origins that have been forgotten since the last call: for workers to let go of.
    func takeReleased() -> [Int] {
        table.withLock { table in
            defer { table.released = [] }
            return table.released
        }
    }

    /// The origin's number. Throws if the trust's authorities cannot be read.
    ///
    /// - Parameter isNew: whether whoever asks has to hold it for the first time.
    func number(of url: UpstreamURL, trust: Origin.Trust, isNew: (Int) -> Bool = { _ in true }) throws(CryptoError) -> Int {
        let authorities = url.isSecure ? try Self.authorities(trust) : nil
        let verification = url.isSecure ? Verification(trust: trust, authorities: authorities?.fingerprint) : nil
        let key = Key(host: url.host, port: url.port, versions: url.versions, verification: verification)
        if let known = table.withLock({ $0.held(key, isNew) }) { return known }
        let tls = try verification.map { verification throws(CryptoError) in try context(verification, authorities) }
        return table.withLock { table in
            let number = table.next
            table.next += 1
            table.origins[number] = Origin(number: number, url: url, tls: tls)
            table.add(key, number)
            return table.held(key, isNew) ?? number
        }
    }

    private static func authorities(_ trust: Origin.Trust) throws(CryptoError) -> TLSClientContext.Authorities? {
        try trust.authorityFile.map { file throws(CryptoError) in
            let reading = FilesUnderWay.begin(file)
            defer { FilesUnderWay.end(reading) }
            return try TLSClientContext.Authorities(file: file)
        }
    }

    private func context(
        _ verification: Verification, _ authorities: TLSClientContext.Authorities?
    ) throws(CryptoError) -> TLSClientContext {
        if let known = table.withLock({ $0.contexts[verification] }) { return known }
        let made = try TLSClientContext(authorities: authorities, verify: verification.trust.verifies)
        table.withLock { $0.contexts[verification] = made }
        return made
    }

    /// How many ways of verifying have what that takes: for tests.
    var contextCount: Int { table.withLock { $0.contexts.count } }

    /// All origins, in the order of their numbers.
    var all: [Origin] { table.withLock { $0.origins.values.sorted { $0.number < $1.number } } }
}
