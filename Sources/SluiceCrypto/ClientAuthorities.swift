internal import COpenSSL

/// The authorities whose clients a listener lets in, from one reading of their file.
package final class ClientAuthorities {
    /// Certificates in one file. Their names are a part of each handshake, and all of them are looked through.
    package static let countMax = 256

    let path: String
    let bytes: [UInt8]
    let chain: CertificateChain

    /// Blocks: for set-up only.
    package init(file path: String) throws(CryptoError) {
        self.path = path
        bytes = try PEM.contents(ofFile: path)
        chain = try CertificateChain(path: path, bytes: bytes)
        guard chain.certificates.count <= Self.countMax else {
            throw CryptoError("\(path): \(chain.certificates.count) certificates, more than \(Self.countMax)")
        }
    }

    /// What is wrong at `now`, seconds since 1970, but does not keep the others from being used.
    package func warnings(now: Int64) -> [String] {
        chain.certificates.enumerated().compactMap { place, certificate in
            let (from, to) = (CertificateChain.seconds(X509_get0_notBefore(certificate)), CertificateChain.seconds(X509_get0_notAfter(certificate)))
            if now < from { return "\(path): certificate \(place + 1) is not valid yet; nobody gets in by it" }
            return now > to ? "\(path): certificate \(place + 1) has expired; nobody gets in by it" : nil
        }
    }
}

/// Lists of revoked certificates (RFC 5280, 5), from one reading of their file.
package final class RevocationLists {
    /// Lists in one file.
    package static let countMax = 256

    let path: String
    let bytes: [UInt8]
    /// Owned.
    private(set) var lists: [OpaquePointer] = []

    /// Blocks: for set-up only.
    package init(file path: String) throws(CryptoError) {
        self.path = path
        let bytes = try PEM.contents(ofFile: path)
        self.bytes = bytes
        try bytes.withView { view throws(CryptoError) in
            try PEM.withStream(view) { stream throws(CryptoError) in try read(stream) }
        }
    }

    deinit {
        for list in lists { X509_CRL_free(list) }
    }

    private func read(_ stream: OpaquePointer) throws(CryptoError) {
        while let list = PEM_read_bio_X509_CRL(stream, nil, { _, _, _, _ in -1 }, nil) {
            lists.append(list)
            guard lists.count <= Self.countMax else { throw CryptoError("\(path): more than \(Self.countMax) lists") }
        }
        let code = ERR_peek_last_error()
        let isEnd = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE
        let reason = ErrorQueue.takeReason() ?? ""
        guard isEnd else { throw CryptoError("\(path): list \(lists.count + 1) cannot be read: \(reason)") }
        guard !lists.isEmpty else { throw CryptoError("\(path): no list of revoked certificates (X509 CRL) in PEM form") }
    }

    /// Seconds since 1970 until which a list is the newest; nil if it does not say so.
    static func end(of list: OpaquePointer) -> Int64? { X509_CRL_get0_nextUpdate(list).map { CertificateChain.seconds($0) } }

    /// Refuses a list that bears an authority's name and not its signature.
    package func check(by authorities: ClientAuthorities) throws(CryptoError) {
        defer { ErrorQueue.clear() }
        for (place, list) in lists.enumerated() {
            let issuers = authorities.chain.certificates.filter { X509_NAME_cmp(X509_get_subject_name($0), X509_CRL_get_issuer(list)) == 0 }
            guard !issuers.isEmpty else { continue }
            let isSigned = issuers.contains { issuer in X509_get0_pubkey(issuer).map { X509_CRL_verify(list, $0) == 1 } ?? false }
            guard isSigned else { throw CryptoError("\(path): list \(place + 1) is not signed by the authority that it names") }
        }
    }

    /// What is wrong at `now`, seconds since 1970: whose clients are not let in.
    package func warnings(now: Int64, of authorities: ClientAuthorities) -> [String] {
        var found: [String] = []
        for (place, list) in lists.enumerated() {
            if let end = Self.end(of: list), now > end {
                found.append("\(path): list \(place + 1) has expired: no client of its authority is let in")
            }
            if CertificateChain.seconds(X509_CRL_get0_lastUpdate(list)) > now {
                found.append("\(path): list \(place + 1) is not valid yet: no client of its authority is let in")
            }
        }
        for (place, authority) in authorities.chain.certificates.enumerated()
        where X509_check_ca(authority) != 0 && !lists.contains(where: { X509_NAME_cmp(X509_get_subject_name(authority), X509_CRL_get_issuer($0)) == 0 }) {
            found.append("\(path): no list of the authority in certificate \(place + 1) of \(authorities.path): none of its clients is let in")
        }
        return found
    }
}
