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
