import SluiceCrypto

/// A certificate authority of the test's own, in a temporary folder.
final class Authority {
    let openssl: OpenSSLCommand

    init() throws {
        openssl = try OpenSSLCommand()
        try openssl.run("req -x509 \(Self.newKey) -keyout ca.key -subj /CN=Authority -days 30 -out ca.pem")
    }

    private static let newKey = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

    var file: String { openssl.path("ca.pem") }

    /// Issues `label.pem` with `label.key`, valid for 30 days, for subjectAltName `names` such as `DNS:a.example`; the
    /// extension is left out if there are none.
    @discardableResult
    func issue(_ label: String, _ names: [String], commonName: String = "x", by issuer: String = "ca") throws
        -> TLSCertificateSource
    {
        let extensions = names.isEmpty ? "" : "-addext subjectAltName=" + names.joined(separator: ",")
        try openssl.run(
            "req -x509 \(Self.newKey) -keyout \(label).key -CA \(issuer).pem -CAkey \(issuer).key "
                + "-subj /CN=\(commonName) -days 30 \(extensions) -out \(label).pem")
        return source(label)
    }

    func source(_ label: String) -> TLSCertificateSource {
        TLSCertificateSource(chainFile: openssl.path(label + ".pem"), key: .file(openssl.path(label + ".key")))
    }
}
