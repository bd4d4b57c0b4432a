/// The first message of a TLS client (RFC 5246, 7.4.1.2; RFC 8446, 4.1.2), written out by hand so that it can ask for
/// what no decent library would.
struct ClientHello {
    var version: (UInt8, UInt8) = (3, 3)
    /// ECDHE with AES-128-GCM, under an ECDSA and an RSA certificate.
    var suites: [UInt16] = [0xC02B, 0xC02F]
    /// The body of the ALPN extension as a list of names; left out if nil.
    var protocols: [String]?

    var record: [UInt8] {
        var body: [UInt8] = [version.0, version.1] + [UInt8](repeating: 7, count: 32) + [0]
        body += Self.sized(suites.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] })
        body += [1, 0]
        var extensions: [UInt8] = []
        extensions += [0, 10] + Self.sized(Self.sized([0, 0x1D, 0, 0x17]))  // groups
        extensions += [0, 13] + Self.sized(Self.sized([4, 3, 8, 4, 4, 1]))  // signatures
        if let protocols {
            let names = protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
            extensions += [0, 16] + Self.sized(Self.sized(names))
        }
        body += Self.sized(extensions)
        return [22, 3, 1] + Self.sized([1, 0] + Self.sized(body))
    }

    private static func sized(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
    }
}
