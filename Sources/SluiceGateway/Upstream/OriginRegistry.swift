import SluiceCrypto
import Synchronization

/// Where requests can be sent: scheme, host and port, and how the certificate of an `https` one is checked.
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

/// All origins that any snapshot has named, by number. The same origin keeps its number over every reload, and with it its pools.
///
/// Used where snapshots are compiled and names resolved, never by a request.
final class OriginRegistry: Sendable {
    private struct Key: Hashable {
        var host: String
        var port: UInt16
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
        var origins: [Origin] = []
        /// One for all origins that are verified in the same way: the system's authorities alone take most of a megabyte.
        var contexts: [Verification: TLSClientContext] = [:]
    }

    private let table = Mutex(Table())

    /// The origin's number. Throws if the trust's authorities cannot be read.
    func number(of url: UpstreamURL, trust: Origin.Trust) throws(CryptoError) -> Int {
        let authorities = url.isSecure ? try Self.authorities(trust) : nil
        let verification = url.isSecure ? Verification(trust: trust, authorities: authorities?.fingerprint) : nil
        let key = Key(host: url.host, port: url.port, verification: verification)
        if let known = table.withLock({ $0.numbers[key] }) { return known }
        let tls = try verification.map { verification throws(CryptoError) in try context(verification, authorities) }
        return table.withLock { table in
            let number = table.origins.count
            table.origins.append(Origin(number: number, url: url, tls: tls))
            table.numbers[key] = number
            return number
        }
    }

    private static func authorities(_ trust: Origin.Trust) throws(CryptoError) -> TLSClientContext.Authorities? {
        try trust.authorityFile.map { file throws(CryptoError) in try TLSClientContext.Authorities(file: file) }
    }

    private func context(
        _ verification: Verification, _ authorities: TLSClientContext.Authorities?
    ) throws(CryptoError) -> TLSClientContext {
        if let known = table.withLock({ $0.contexts[verification] }) { return known }
        let made = try TLSClientContext(authorities: authorities, verify: verification.trust.verifies)
        table.withLock { $0.contexts[verification] = made }
        return made
    }

    /// All origins, in the order of their numbers.
    var all: [Origin] { table.withLock { $0.origins } }
}
