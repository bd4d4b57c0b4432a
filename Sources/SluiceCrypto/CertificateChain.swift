internal import COpenSSL
internal import SluiceHTTP

/// The certificates of one PEM file: the server's own, then the issuer of each (RFC 8446, 4.4.2).
final class CertificateChain {
    let path: String
    /// At least one. Owned.
    private(set) var certificates: [OpaquePointer] = []

    /// Reads the file; anything in it that is not a certificate, such as a key, is skipped.
    convenience init(file path: String) throws(CryptoError) {
        try self.init(path: path, bytes: PEM.contents(ofFile: path))
    }

    /// - Parameter bytes: of the file at `path`.
    init(path: String, bytes: [UInt8]) throws(CryptoError) {
        self.path = path
        try bytes.withView { view throws(CryptoError) in
            try PEM.withStream(view) { stream throws(CryptoError) in try read(stream) }
        }
    }

    deinit {
        for certificate in certificates { X509_free(certificate) }
    }

    var leaf: OpaquePointer { certificates[0] }

    private func read(_ stream: OpaquePointer) throws(CryptoError) {
        while let certificate = PEM_read_bio_X509(stream, nil, { _, _, _, _ in -1 }, nil) {
            certificates.append(certificate)
        }
        let code = ERR_peek_last_error()
        let isEnd = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE
        let reason = ErrorQueue.takeReason() ?? ""
        guard isEnd else {
            throw CryptoError("\(path): certificate \(certificates.count + 1) cannot be read: \(reason)")
        }
        guard !certificates.isEmpty else { throw CryptoError("\(path): no certificate in PEM form") }
    }

    func isMatched(by key: OpaquePointer) -> Bool {
        defer { ErrorQueue.clear() }
        return X509_check_private_key(leaf, key) == 1
    }

    /// What is wrong with the order, if anything.
    var orderProblem: String? {
        defer { ErrorQueue.clear() }
        for place in certificates.indices.dropLast()
        where X509_check_issued(certificates[place + 1], certificates[place]) != X509_V_OK {
            return "\(path): certificate \(place + 2) did not issue certificate \(place + 1); "
                + "the server's own comes first, then the issuer of each"
        }
        return nil
    }

    /// What is missing at the end, if anything: the last certificate says where its issuer can be had, as those of public authorities
    /// do, and the issuer is none of the authorities that this system trusts. Most clients do not fetch it, and refuse. Nothing is said
    /// of certificates without such a place: the issuer may be an authority that their clients were given.
    var endProblem: String? {
        defer { ErrorQueue.clear() }
        guard let last = certificates.last, X509_check_issued(last, last) != X509_V_OK, sluice_X509_tells_issuer(last) else { return nil }
        guard let store = X509_STORE_new() else { return nil }
        defer { X509_STORE_free(store) }
        guard X509_STORE_set_default_paths(store) == 1, let search = X509_STORE_CTX_new() else { return nil }
        defer { X509_STORE_CTX_free(search) }
        var issuer: OpaquePointer?
        guard X509_STORE_CTX_init(search, store, last, nil) == 1 else { return nil }
        let isKnown = X509_STORE_CTX_get1_issuer(&issuer, search, last) == 1
        X509_free(issuer)
        return isKnown ? nil : "\(path): the issuer of the last certificate is missing: clients do not know it"
    }

    /// What is wrong with the first certificate's dates at `now`, if anything. Both ends of its time are in it.
    func dateProblem(now: Int64) -> String? {
        let (notBefore, notAfter) = validity
        if now < notBefore { return "\(path): the certificate is not valid yet" }
        if now > notAfter { return "\(path): the certificate has expired" }
        return nil
    }

    /// From and to when the first certificate is valid, in seconds since 1970.
    var validity: (notBefore: Int64, notAfter: Int64) {
        (Self.seconds(X509_get0_notBefore(leaf)), Self.seconds(X509_get0_notAfter(leaf)))
    }

    /// Seconds since 1970.
    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        // Counted from the epoch by OpenSSL: the C library's conversion depends on the time zone.
        guard let epoch = ASN1_TIME_set(nil, 0) else { return 0 }
        defer { ASN1_STRING_free(epoch) }
        var (days, seconds): (Int32, Int32) = (0, 0)
        guard ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else { return 0 }
        return Int64(days) * 86400 + Int64(seconds)
    }

    /// The DNS names of the first certificate, in lower case: those of subjectAltName; the common name only if
    /// there is no such extension (RFC 6125, 6.4.4).
    var names: [String] {
        defer { ErrorQueue.clear() }
        guard let alternatives = sluice_X509_subject_alternative_names(leaf) else {
            return commonName.map { [$0] } ?? []
        }
        defer { GENERAL_NAMES_free(alternatives) }
        return (0..<sluice_GENERAL_NAMES_count(alternatives)).compactMap { index in
            sluice_GENERAL_NAMES_dns(alternatives, index).flatMap(Self.text)
        }
    }

    private var commonName: String? {
        guard let subject = X509_get_subject_name(leaf) else { return nil }
        let index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
        guard index >= 0, let entry = X509_NAME_get_entry(subject, index) else { return nil }
        return X509_NAME_ENTRY_get_data(entry).flatMap { Self.text(UnsafePointer($0)) }
    }

    /// The text in lower case; nil for what can be no host name, such as a name with a NUL or a blank inside.
    private static func text(_ string: UnsafePointer<ASN1_STRING>) -> String? {
        let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string)))
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        return String(decoding: bytes.map(\.asciiLowercased), as: UTF8.self)
    }
}
