internal import COpenSSL
internal import Glibc
import Synchronization

/// Lists of revoked certificates (RFC 5280, 5), from one reading of their file.
///
/// Each is complete for what it covers: a list of changes, of some reasons or of other authorities is refused when it is read. Of several lists that
/// cover a certificate the newest decides alone, as far as it has begun: what it says no more is taken back, and what an older one says is out of date.
///
/// A list counts for certificates of the key that has signed it. That is found out once for a list and a key: its signature is over all of its bytes, of
/// which there are up to a megabyte.
///
/// Immutable but for what is known of signatures. Sendable, because that is under a lock, and OpenSSL lets any number of threads look into a list.
package final class RevocationLists: @unchecked Sendable {
    /// Lists in one file.
    package static let countMax = 256
    /// Keys whose signatures are remembered. Others are checked each time.
    private static let keysMax = 1024

    /// One list.
    struct List {
        /// Owned.
        let content: OpaquePointer
        /// Seconds since 1970 from when it holds, and the last in which it is the newest.
        let from, to: Int64
        let scope: RevocationScope

        var issuer: OpaquePointer? { X509_CRL_get_issuer(content) }
    }

    /// Why a certificate does not pass; a code of OpenSSL's.
    struct Fault: Error, Equatable {
        let code: Int32
    }

    let path: String
    let bytes: [UInt8]
    private(set) var lists: [List] = []
    /// By the issuer's key in DER, which lists it has signed.
    private let signed = Mutex<[[UInt8]: [Int: Bool]]>([:])

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
        for list in lists {
            X509_CRL_free(list.content)
            list.scope.free()
        }
    }

    private func read(_ stream: OpaquePointer) throws(CryptoError) {
        while let content = PEM_read_bio_X509_CRL(stream, nil, { _, _, _, _ in -1 }, nil) {
            let from = X509_CRL_get0_lastUpdate(content)
            let to = X509_CRL_get0_nextUpdate(content)
            lists.append(List(
                content: content, from: CertificateChain.seconds(from), to: to.map { CertificateChain.seconds($0) } ?? .max, scope: RevocationScope(of: content)))
            let name = "\(path): list \(lists.count)"
            guard lists.count <= Self.countMax else { throw CryptoError("\(path): more than \(Self.countMax) lists") }
            guard ASN1_TIME_check(from) == 1, to.map({ ASN1_TIME_check($0) == 1 }) ?? true else { throw CryptoError("\(name) has a time that is none") }
            if let problem = RevocationScope.problem(of: content) { throw CryptoError("\(name) \(problem)") }
            // OpenSSL sorts a list with the first look into it.
            var revoked: OpaquePointer?
            if let serial = ASN1_INTEGER_new() {
                _ = X509_CRL_get0_by_serial(content, &revoked, serial)
                ASN1_INTEGER_free(serial)
            }
        }
        let code = ERR_peek_last_error()
        let isEnd = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE
        let reason = ErrorQueue.takeReason() ?? ""
        guard isEnd else { throw CryptoError("\(path): list \(lists.count + 1) cannot be read: \(reason)") }
        guard !lists.isEmpty else { throw CryptoError("\(path): no list of revoked certificates (X509 CRL) in PEM form") }
    }

    // MARK: Set-up

    /// Refuses a list that bears an authority's name and not its signature.
    package func check(by authorities: ClientAuthorities) throws(CryptoError) {
        defer { ErrorQueue.clear() }
        for (place, list) in lists.enumerated() {
            let issuers = authorities.chain.certificates.filter { X509_NAME_cmp(X509_get_subject_name($0), list.issuer) == 0 }
            guard !issuers.isEmpty else { continue }
            let able = issuers.filter(Self.maySign)
            guard !able.isEmpty else { throw CryptoError("\(path): list \(place + 1) is of an authority whose key usage is not to sign lists (cRLSign)") }
            guard able.contains(where: { isSigned(place, by: $0, isGenuine: { true }) }) else {
                throw CryptoError("\(path): list \(place + 1) is not signed by the authority that it names")
            }
        }
    }

    /// What is wrong at `now`, seconds since 1970: whose clients are not let in.
    package func warnings(now: Int64, of authorities: ClientAuthorities) -> [String] {
        defer { ErrorQueue.clear() }
        var found: [String] = []
        for (place, list) in lists.enumerated() {
            if now > list.to, !isReplaced(place, at: now) {
                found.append("\(path): list \(place + 1) has expired: no client that it covers is let in")
            }
            if list.from > now, !lists.contains(where: { $0.from <= now && isSameScope($0, list) }) {
                found.append("\(path): list \(place + 1) is not valid yet: no client that it covers is let in")
            }
        }
        for (place, authority) in authorities.chain.certificates.enumerated() where X509_check_ca(authority) != 0 {
            let hasList = lists.indices.contains {
                X509_NAME_cmp(X509_get_subject_name(authority), lists[$0].issuer) == 0 && isSigned($0, by: authority, isGenuine: { true })
            }
            if !hasList { found.append("\(path): no list of the authority in certificate \(place + 1) of \(authorities.path): none of its clients is let in") }
        }
        return found
    }

    private func isReplaced(_ place: Int, at now: Int64) -> Bool {
        lists.indices.contains { $0 != place && lists[$0].from <= now && isNewer($0, than: place) && isSameScope(lists[$0], lists[place]) }
    }

    private func isSameScope(_ one: List, _ other: List) -> Bool {
        X509_NAME_cmp(one.issuer, other.issuer) == 0 && one.scope == other.scope
    }

    /// Of two of the same second the one that comes later in the file.
    private func isNewer(_ place: Int, than other: Int) -> Bool { (lists[place].from, place) > (lists[other].from, other) }

    // MARK: Judging

    /// Whether a certificate of `issuer` is not revoked.
    ///
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - isGenuine: whether the issuer is what it says, and with `true` also whether the certificate is. Asked only before something that takes long: the
    ///     signature of a list, or the places that a certificate names.
    /// - Returns: the last second in which the list that says so is the newest: it ends then, or another one begins.
    func judge(_ certificate: OpaquePointer, of issuer: OpaquePointer, at now: Int64, isGenuine: (Bool) -> Bool) -> Result<Int64, Fault> {
        let isAuthority = X509_get_extension_flags(certificate) & UInt32(EXFLAG_CA) != 0
        let own = lists.indices.filter {
            X509_NAME_cmp(X509_get_issuer_name(certificate), lists[$0].issuer) == 0 && lists[$0].scope.covers(authority: isAuthority)
        }
        var places: OpaquePointer?
        defer { CRL_DIST_POINTS_free(places) }
        if own.contains(where: { lists[$0].scope.hasPlaces }) {
            guard isGenuine(true) else { return .failure(Fault(code: X509_V_ERR_CERT_SIGNATURE_FAILURE)) }
            places = sluice_X509_list_places(certificate)
        }
        var newest: Int?
        var until = Int64.max
        var fault = X509_V_ERR_UNABLE_TO_GET_CRL
        for place in own where !lists[place].scope.hasPlaces || lists[place].scope.isAt(places) {
            if let newest, !isNewer(place, than: newest) { continue }
            if lists[place].from > now {
                until = min(until, lists[place].from - 1)
                fault = X509_V_ERR_CRL_NOT_YET_VALID
            } else if isSigned(place, by: issuer, isGenuine: { isGenuine(false) }) {
                newest = place
            } else {
                fault = X509_V_ERR_CRL_SIGNATURE_FAILURE
            }
        }
        guard let newest else { return .failure(Fault(code: fault)) }
        guard now <= lists[newest].to else { return .failure(Fault(code: X509_V_ERR_CRL_HAS_EXPIRED)) }
        var entry: OpaquePointer?
        guard X509_CRL_get0_by_cert(lists[newest].content, &entry, certificate) == 0 else { return .failure(Fault(code: X509_V_ERR_CERT_REVOKED)) }
        return .success(min(until, lists[newest].to))
    }

    private static func maySign(_ authority: OpaquePointer) -> Bool { X509_get_key_usage(authority) & UInt32(X509v3_KU_CRL_SIGN) != 0 }

    private func isSigned(_ place: Int, by issuer: OpaquePointer, isGenuine: () -> Bool) -> Bool {
        guard Self.maySign(issuer), let key = X509_get0_pubkey(issuer), let name = Self.encoding(ofKey: issuer) else { return false }
        if let known = signed.withLock({ $0[name]?[place] }) { return known }
        guard isGenuine() else { return false }
        let outcome = X509_CRL_verify(lists[place].content, key)
        // This runs within handshakes, which take what is left in the queue for a fault of their own.
        if outcome != 1 { ErrorQueue.clear() }
        // It could not be found out.
        guard outcome >= 0 else { return false }
        let isSigned = outcome == 1
        signed.withLock { if $0.count < Self.keysMax || $0[name] != nil { $0[name, default: [:]][place] = isSigned } }
        return isSigned
    }

    private static func encoding(ofKey certificate: OpaquePointer) -> [UInt8]? {
        let key = X509_get_X509_PUBKEY(certificate)
        let count = Int(i2d_X509_PUBKEY(key, nil))
        guard count > 0 else { return nil }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            var place = buffer.baseAddress
            used = max(0, Int(i2d_X509_PUBKEY(key, &place)))
        }
    }
}
