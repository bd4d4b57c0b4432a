internal import COpenSSL

/// The check of certificate files before they are served.
package enum CertificateFile {
    /// Everything that is wrong with a chain and its key at `now`, seconds since 1970: unreadable or not PEM, a key
    /// of another certificate, a key too weak to be served, a time that has passed or not begun, a chain out of order.
    /// Empty if nothing is.
    ///
    /// Reads files, and so blocks. Never holds key material.
    package static func check(_ source: TLSCertificateSource, now: Int64) -> [String] {
        do {
            let (chain, key) = try source.load()
            defer { EVP_PKEY_free(key) }
            SSL_CTX_free(try TLSServerContext.make([.init(chain: chain, key: key, names: chain.names)], http2: false))
            return warnings(chain, now: now)
        } catch {
            // The chain may be wrong in more ways than the one that was met first.
            let chain = try? CertificateChain(file: source.chainFile)
            return [error.message] + (chain.map { warnings($0, now: now) } ?? [])
        }
    }

    /// What does not keep a chain from being served.
    static func warnings(_ chain: CertificateChain, now: Int64) -> [String] {
        [chain.dateProblem(now: now), chain.orderProblem, chain.endProblem].compactMap(\.self)
    }
}
