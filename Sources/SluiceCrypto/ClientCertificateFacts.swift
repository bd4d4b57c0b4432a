internal import COpenSSL
internal import SluiceHTTP

/// What the gateway tells and compares of a client's certificate.
package struct ClientCertificateFacts: Sendable, Equatable {
    /// A name that stands in the certificate beside its subject (RFC 5280, 4.2.1.6).
    package struct Name: Sendable, Equatable {
        package enum Kind: UInt8, BitwiseCopyable, Sendable {
            case dns, uri, mail
        }

        package var kind: Kind
        /// Visible ASCII; of DNS in lower case, without a dot at the end; of mail the host in lower case.
        package var text: [UInt8]

        package init(kind: Kind, text: [UInt8]) {
            self.kind = kind
            self.text = text
        }
    }

    /// Bytes of a client's own certificate. Those of public and private authorities have up to three thousand.
    package static let bytesMax = 8192

    /// The certificate itself (X.690, DER).
    package let encoding: [UInt8]
    /// SHA-256 of `encoding`, in lower case hexadecimal.
    package let fingerprint: [UInt8]
    /// See `DistinguishedName`; empty for a certificate without one.
    package let subject: [UInt8]
    /// Those that can be meant as they are read: a name with a control byte (NUL among them), a blank, a quotation mark, a backslash or a byte beyond ASCII
    /// is left out, and so is a DNS name with a wildcard, which is nobody's.
    package let names: [Name]
    /// The last second, since 1970, in which the verdict on it holds.
    package let validUntil: Int64

    package init(encoding: [UInt8], fingerprint: [UInt8], subject: [UInt8], names: [Name], validUntil: Int64) {
        self.encoding = encoding
        self.fingerprint = fingerprint
        self.subject = subject
        self.names = names
        self.validUntil = validUntil
    }

    /// Nil for a certificate of more than `bytesMax` bytes.
    init?(_ certificate: OpaquePointer, validUntil: Int64) {
        defer { ErrorQueue.clear() }
        let count = Int(i2d_X509(certificate, nil))
        guard count > 0, count <= Self.bytesMax else { return nil }
        var encoding = [UInt8](repeating: 0, count: count)
        encoding.withUnsafeMutableBufferPointer { buffer in
            var place = buffer.baseAddress
            _ = i2d_X509(certificate, &place)
        }
        var digest = [UInt8](repeating: 0, count: 32)
        guard EVP_Digest(encoding, count, &digest, nil, EVP_sha256(), nil) == 1 else { return nil }
        self.encoding = encoding
        fingerprint = digest.flatMap { byte in [byte >> 4, byte & 15].map { $0 < 10 ? UInt8(ascii: "0") + $0 : UInt8(ascii: "a") + $0 - 10 } }
        subject = DistinguishedName.text(of: X509_get_subject_name(certificate))
        names = Self.names(of: certificate)
        self.validUntil = validUntil
    }

    private static func names(of certificate: OpaquePointer) -> [Name] {
        guard let alternatives = sluice_X509_subject_alternative_names(certificate) else { return [] }
        defer { GENERAL_NAMES_free(alternatives) }
        return (0..<sluice_GENERAL_NAMES_count(alternatives)).compactMap { index in
            var kind: Int32 = 0
            guard let text = sluice_GENERAL_NAMES_text(alternatives, index, &kind) else { return nil }
            return name(UnsafeBufferPointer(start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text))), kind)
        }
    }

    private static func name(_ bytes: UnsafeBufferPointer<UInt8>, _ kind: Int32) -> Name? {
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) else { return nil }
        switch kind {
        case GEN_DNS:
            var text = bytes.map(\.asciiLowercased)
            if text.last == UInt8(ascii: ".") { text.removeLast() }
            guard !text.isEmpty, text.allSatisfy(isOfHostName) else { return nil }
            return Name(kind: .dns, text: text)
        case GEN_URI: return Name(kind: .uri, text: Array(bytes))
        default:
            // Letters of either case mean the same behind the last @ (RFC 5280, 7.5).
            let at = bytes.lastIndex(of: UInt8(ascii: "@")) ?? bytes.endIndex
            return Name(kind: .mail, text: bytes[..<at] + bytes[at...].map(\.asciiLowercased))
        }
    }

    private static func isOfHostName(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "a") < 26 || byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
    }
}

/// A client's certificate in a file, for who asks what would become of it.
package enum ClientCertificateFile {
    /// What it says, and what those who let clients in would say of it.
    ///
    /// - Parameters:
    ///   - path: PEM: the client's own certificate, then the issuer of each.
    ///   - verification: nil to ask nobody: then the verdict holds for ever.
    package static func read(
        _ path: String, by verification: ClientVerification?
    ) throws(CryptoError) -> Result<ClientCertificateFacts, ClientCertificateFault> {
        let chain = try CertificateChain(file: path)
        var validUntil = Int64.max
        if let verification {
            guard let others = OPENSSL_sk_new_null() else { throw .fromQueue("no memory") }
            defer { OPENSSL_sk_free(others) }
            for certificate in chain.certificates.dropFirst() { OPENSSL_sk_push(others, UnsafeRawPointer(certificate)) }
            switch verification.verify(chain.leaf, others: others) {
            case .success(let end): validUntil = end
            case .failure(let fault): return .failure(fault)
            }
        }
        return ClientCertificateFacts(chain.leaf, validUntil: validUntil).map { .success($0) } ?? .failure(.tooLarge)
    }
}
