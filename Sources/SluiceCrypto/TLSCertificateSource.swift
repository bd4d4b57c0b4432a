internal import COpenSSL

/// Where a certificate chain and its private key come from.
package struct TLSCertificateSource: Sendable {
    package enum Key: Sendable {
        case file(String)
        /// PEM text, for a key that comes from elsewhere than a file.
        case pem([UInt8])
    }

    /// A PEM file: the server's own certificate, then the issuer of each.
    package var chainFile: String
    package var key: Key

    package init(chainFile: String, key: Key) {
        self.chainFile = chainFile
        self.key = key
    }

    /// Reads both and checks that they belong together. The caller frees the key.
    func load() throws(CryptoError) -> (chain: CertificateChain, key: OpaquePointer) {
        let chain = try CertificateChain(file: chainFile)
        let key = try loadKey()
        guard chain.isMatched(by: key) else {
            EVP_PKEY_free(key)
            throw CryptoError("\(chainFile): \(keyName) does not belong to the certificate")
        }
        return (chain, key)
    }

    private var keyName: String {
        switch key {
        case .file(let path): "the key in \(path)"
        case .pem: "the key"
        }
    }

    private func loadKey() throws(CryptoError) -> OpaquePointer {
        switch key {
        case .pem(let bytes):
            do {
                return try bytes.withView { view throws(CryptoError) in try PEM.privateKey(in: view) }
            } catch {
                throw CryptoError("the key of \(chainFile): \(error.message)")
            }
        case .file(let path):
            var bytes = try PEM.contents(ofFile: path)
            defer { bytes.cleanse() }
            do {
                return try bytes.withView { view throws(CryptoError) in try PEM.privateKey(in: view) }
            } catch {
                throw CryptoError("\(path): \(error.message)")
            }
        }
    }
}

/// What an operator wants to know of a certificate in use.
package struct TLSCertificateFacts: Sendable, Equatable {
    package let chainFile: String
    /// DNS names that it is chosen for, in lower case, `*.` in front of a wildcard.
    package let names: [String]
    /// Seconds since 1970; both ends included.
    package let notBefore: Int64
    package let notAfter: Int64
    /// What is wrong but does not keep it from being served: dates, order and end of the chain.
    package let warnings: [String]
}
