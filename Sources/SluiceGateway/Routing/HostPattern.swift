import SluiceConfiguration
import SluiceHTTP

/// One entry of a domain's `hosts`, read. For compile time.
enum HostPattern: Equatable {
    /// In lower case, without a final dot.
    case exact(String)
    /// What follows `*.`: any one label may stand before it.
    case wildcard(String)
    /// Every host that no domain names.
    case any

    /// Host names (RFC 1123, 2.1, and underscores, which are in use), IPv4 addresses, IPv6 addresses in brackets, which
    /// are compared as text, `*.` before a host name, or `*`. Nil, and a problem, for anything else.
    init?(_ source: Located<String>, problems: Problems) {
        if source.value == "*" {
            self = .any
            return
        }
        let isWildcard = source.value.hasPrefix("*.")
        let name = Self.name(isWildcard ? String(source.value.dropFirst(2)) : source.value)
        if let allowed = Self.fault(of: name, mayBeAddress: !isWildcard) {
            problems.add(at: source, found: Quoting.quoted(source.value), allowed: allowed)
            return nil
        }
        self = isWildcard ? .wildcard(name) : .exact(name)
    }

    private static func name(_ text: String) -> String {
        let bytes = text.utf8.map(\.asciiLowercased)
        return String(decoding: bytes.last == UInt8(ascii: ".") ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }

    /// What would be allowed instead; nil for a good name.
    private static func fault(of name: String, mayBeAddress: Bool) -> String? {
        if mayBeAddress, name.hasPrefix("["), name.hasSuffix("]") {
            let address = Array(name.utf8.dropFirst().dropLast())
            let isAddress = address.withUnsafeBufferPointer { bytes in
                bytes.baseAddress.map { isV6(ByteView(base: $0, count: bytes.count)) } ?? false
            }
            return isAddress ? nil : "an IPv6 address in the brackets"
        }
        if name.utf8.contains(where: { $0 >= 0x80 }) { return "a host name in its ASCII form (xn--, RFC 5891)" }
        if name.utf8.contains(UInt8(ascii: ":")) { return "a host name without a port" }
        if name.utf8.contains(UInt8(ascii: "*")) { return "* as the whole first label (*.example.com), or alone" }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard name.utf8.count <= 253, labels.allSatisfy({ isLabel($0) }) else {
            return "a host name: at most 253 characters, labels of 1 to 63 letters, digits, hyphens inside and underscores"
        }
        return nil
    }

    private static func isLabel(_ label: Substring) -> Bool {
        guard (1...63).contains(label.utf8.count), label.first != "-", label.last != "-" else { return false }
        return label.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }

    /// Text without a colon could be an IPv4 address, which stands without brackets.
    private static func isV6(_ address: ByteView) -> Bool {
        address.buffer.contains(UInt8(ascii: ":")) && IPAddress(address) != nil
    }
}
