import SluiceConfiguration
import SluiceHTTP

/// What the configuration says about where a domain is.
struct DomainSource {
    /// Nil if it was left out, which is a problem of its own.
    var key: Located<String>?
    var hosts: [Located<String>]
}

extension DomainTable {
    /// Compiles the addresses of all domains. A key or host that is none, or that an earlier domain has, is a problem
    /// and is left out.
    static func compile(_ sources: [DomainSource], into arena: Arena, problems: Problems) -> DomainTable {
        var keys = Claims(noun: "key")
        var hosts = Claims(noun: "host")
        var wildcards = Claims(noun: "host")
        var anyHost = Claims(noun: "host")
        for (index, source) in sources.enumerated() {
            if let key = source.key, isKey(key, problems: problems) {
                keys.claim(key.value, for: index, at: key, problems: problems)
            }
            for host in source.hosts {
                switch HostPattern(host, problems: problems) {
                case .exact(let name): hosts.claim(name, for: index, at: host, problems: problems)
                case .wildcard(let parent): wildcards.claim(parent, for: index, at: host, problems: problems)
                case .any: anyHost.claim("", for: index, at: host, problems: problems)
                case nil: break
                }
            }
        }
        return DomainTable(
            hosts: hosts.table(into: arena), wildcards: wildcards.table(into: arena), keys: keys.table(into: arena),
            anyHost: anyHost.first ?? -1)
    }

    /// A key is found as one segment of a normalised path: characters of a segment (pchar, RFC 3986, 3.3) without
    /// escapes, so that it has only one spelling.
    private static func isKey(_ key: Located<String>, problems: Problems) -> Bool {
        let text = key.value
        if !text.isEmpty, text != ".", text != "..", text.utf8.allSatisfy(isKeyByte) { return true }
        problems.add(
            at: key, found: Quoting.quoted(text),
            allowed: "one path segment, not empty, no dot segment: letters, digits and -._~!$&'()*+,;=:@")
        return false
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        PathText.isUnreserved(byte) || "!$&'()*+,;=:@".utf8.contains(byte)
    }
}

/// Who has which name.
private struct Claims {
    let noun: String
    private var owners: [String: (domain: Int, place: Located<String>)] = [:]

    init(noun: String) { self.noun = noun }

    /// The domain of the one name there is.
    var first: Int? { owners.values.first?.domain }

    mutating func claim(_ name: String, for domain: Int, at place: Located<String>, problems: Problems) {
        if let owner = owners[name] {
            problems.add(
                at: place, found: "the \(noun) \(Quoting.quoted(place.value)) a second time",
                allowed: "another \(noun): \(Quoting.quoted(owner.place.value)) is on line \(owner.place.position.line)")
        } else {
            owners[name] = (domain, place)
        }
    }

    func table(into arena: Arena) -> ByteTable {
        let entries = owners.sorted { $0.key < $1.key }
        return ByteTable(entries.map { (arena.bytes($0.key), UInt32($0.value.domain)) }, into: arena)
    }
}
