internal import COpenSSL

/// An authority with certificates for a server and its clients, which nobody has seen before and nobody keeps: for the demo. All are good for a day.
package final class ThrowawayAuthority {
    /// A certificate and its key, as PEM text.
    package struct Issued {
        package let certificate: [UInt8]
        package let key: [UInt8]
    }

    private static let seconds = 86_400

    private let certificate: OpaquePointer
    private let key: PrivateKey
    private var serial = 1

    /// - Parameter name: the common name.
    package init(name: String) throws(CryptoError) {
        key = try PrivateKey.generateP256()
        certificate = try Self.make([("CN", name)], key.key, serial: serial, extensions: [(NID_basic_constraints, "critical,CA:TRUE")])
        guard X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1, X509_sign(certificate, key.key, EVP_sha256()) > 0 else {
            // `deinit` frees the certificate: every member is set.
            throw .fromQueue("a certificate cannot be made")
        }
    }

    deinit { X509_free(certificate) }

    /// PEM text.
    package func pem() throws(CryptoError) -> [UInt8] { try Self.pem(certificate) }

    /// - Parameters:
    ///   - subject: types and values, such as `O` and `CN`, the last part of the written form first.
    ///   - names: alternative names as `openssl` writes them, such as `IP:127.0.0.1`.
    package func issue(subject: [(type: String, value: String)], names: String) throws(CryptoError) -> Issued {
        serial += 1
        let own = try PrivateKey.generateP256()
        let issued = try Self.make(subject, own.key, serial: serial, extensions: [(NID_basic_constraints, "critical,CA:FALSE"), (NID_subject_alt_name, names)])
        defer { X509_free(issued) }
        guard X509_set_issuer_name(issued, X509_get_subject_name(certificate)) == 1, X509_sign(issued, key.key, EVP_sha256()) > 0 else {
            throw .fromQueue("a certificate cannot be made")
        }
        return Issued(certificate: try Self.pem(issued), key: try own.pem())
    }

    /// Without an issuer and a signature. The caller frees it.
    private static func make(
        _ subject: [(type: String, value: String)], _ key: OpaquePointer, serial: Int, extensions: [(kind: Int32, value: String)]
    ) throws(CryptoError) -> OpaquePointer {
        ErrorQueue.clear()
        guard let certificate = X509_new() else { throw .fromQueue("no memory") }
        var isMade = X509_set_version(certificate, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial) == 1
            && X509_gmtime_adj(X509_getm_notBefore(certificate), -60) != nil && X509_gmtime_adj(X509_getm_notAfter(certificate), seconds) != nil
            && X509_set_pubkey(certificate, key) == 1
        for (type, value) in subject {
            isMade = isMade && X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), type, MBSTRING_UTF8, value, -1, -1, 0) == 1
        }
        for (kind, value) in extensions {
            let made = X509V3_EXT_conf_nid(nil, nil, kind, value)
            isMade = isMade && made != nil && X509_add_ext(certificate, made, -1) == 1
            X509_EXTENSION_free(made)
        }
        guard isMade else {
            X509_free(certificate)
            throw .fromQueue("a certificate cannot be made")
        }
        return certificate
    }

    private static func pem(_ certificate: OpaquePointer) throws(CryptoError) -> [UInt8] {
        guard let stream = BIO_new(BIO_s_mem()) else { throw .fromQueue("no memory") }
        defer { BIO_free(stream) }
        guard PEM_write_bio_X509(stream, certificate) == 1 else { throw .fromQueue("the certificate cannot be written") }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = BIO_read(stream, &bytes, Int32(bytes.count))
        guard count > 0 else { throw .fromQueue("the certificate cannot be written") }
        bytes.removeLast(bytes.count - Int(count))
        return bytes
    }
}
