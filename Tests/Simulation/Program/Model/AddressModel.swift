import Glibc

/// Addresses and blocks of them, as sixteen bytes.
enum AddressModel {
    private static func bytes(_ text: String) -> (bytes: [UInt8], isV4: Bool)? {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            return (mapped + withUnsafeBytes(of: v4) { Array($0) }, true)
        }
        var v6 = in6_addr()
        return inet_pton(AF_INET6, text, &v6) == 1 ? (withUnsafeBytes(of: v6) { Array($0) }, false) : nil
    }

    static func contains(_ block: String, _ address: String) -> Bool {
        let parts = block.split(separator: "/")
        guard let base = bytes(String(parts[0])), let address = bytes(address), base.isV4 == address.isV4 else { return false }
        let bits = parts.count > 1 ? Int(parts[1]) ?? 0 : base.isV4 ? 32 : 128
        let whole = base.isV4 ? bits + 96 : bits
        func bit(_ bytes: [UInt8], _ number: Int) -> UInt8 { (bytes[number / 8] >> UInt8(7 - number % 8)) & 1 }
        return (0..<whole).allSatisfy { bit(base.bytes, $0) == bit(address.bytes, $0) }
    }

    /// One text for each address.
    static func canonical(_ text: String) -> String { bytes(text).map { "\($0.bytes)" } ?? text }

    static func isAddress(_ text: String) -> Bool { bytes(text) != nil }

    /// Whom a request is from: the peer or, where that is trusted, the last address of X-Forwarded-For that is not.
    static func client(_ peer: String, _ forwarded: [String], trusted: [String]) -> String {
        func isTrusted(_ address: String) -> Bool { trusted.contains { contains($0, address) } }
        var client = peer
        for hop in forwarded.flatMap({ $0.split(separator: ",") }).map({ MessageReader.trimmed($0) }).reversed() {
            guard isTrusted(client), isAddress(hop) else { break }
            client = hop
        }
        return client
    }
}
