import SluiceCrypto
import SluiceHTTP

/// The keys of one JSON Web Key Set (RFC 7517) that RS256 signatures can be checked with. Immutable; any thread.
///
/// Taken are keys of type RSA, for signatures (`use` absent or `sig`, `key_ops` absent or with `verify`), for RS256 (`alg`
/// absent or `RS256`), of 2,048 bits or more. All others are passed over (RFC 7517, 5), and of two keys with one `kid`
/// the first counts. A set in which none is left is a set like any other: whoever publishes it says that no key is good any more.
final class KeySet: Sendable {
    /// Keys that are taken from one set; further ones are passed over.
    static let keysMax = 256

    struct Key: Sendable {
        /// `kid`, as bytes; nil if the key has none.
        let id: [UInt8]?
        let key: RSAPublicKey
    }

    struct Fault: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    /// Empty where the set holds none that RS256 can use.
    let keys: [Key]
    /// What the set was read from, to see whether a new reading says anything new.
    let text: [UInt8]

    init(_ text: [UInt8]) throws(Fault) {
        let memory = ClaimScanner.Memory.allocate(textBytesMax: text.count)
        defer { memory.deallocate() }
        let keys = text.withByteView { view -> [Key]? in
            guard let set = ClaimScanner.scan(view, memory: memory),
                let list = set.value(of: ByteView("keys")), list.kind == .array
            else { return nil }
            return Self.keys(in: list, memory: memory)
        }
        guard let keys else { throw Fault(description: "content that is not a JSON Web Key Set (RFC 7517)") }
        self.keys = keys
        self.text = text
    }

    private static func keys(in list: JSONValue, memory: ClaimScanner.Memory) -> [Key] {
        var keys: [Key] = []
        var elements = JSONElements(list)
        while let element = elements.next(), keys.count < keysMax {
            guard element.kind == .object,
                let object = ClaimScanner.scan(element.raw, memory: memory),
                let key = key(object)
            else { continue }
            if key.id != nil, keys.contains(where: { $0.id == key.id }) { continue }
            keys.append(key)
        }
        return keys
    }

    private static func key(_ object: JSONObject) -> Key? {
        func text(_ name: StaticString) -> [UInt8]? { object.value(of: ByteView(name))?.string.map(bytes) }
        func isAbsent(_ name: StaticString) -> Bool { object.value(of: ByteView(name)) == nil }
        guard text("kty") == Array("RSA".utf8), isAbsent("use") || text("use") == Array("sig".utf8),
            isAbsent("alg") || text("alg") == Array("RS256".utf8), allowsVerifying(object.value(of: ByteView("key_ops"))),
            let modulus = text("n").flatMap(decoded), let exponent = text("e").flatMap(decoded)
        else { return nil }
        // A `kid` that is not a string cannot be named by any token.
        let id = isAbsent("kid") ? nil : text("kid")
        if !isAbsent("kid"), id == nil { return nil }
        let key = modulus.withByteView { modulus in
            exponent.withByteView { exponent in try? RSAPublicKey(modulus: modulus, exponent: exponent) }
        }
        return key.map { Key(id: id, key: $0) }
    }

    private static func allowsVerifying(_ operations: JSONValue?) -> Bool {
        guard let operations else { return true }
        var elements = JSONElements(operations)
        while let element = elements.next() {
            if let operation = element.string, operation.equals(ByteView("verify")) { return true }
        }
        return false
    }

    /// The string's bytes, escapes resolved.
    static func bytes(_ string: JSONString) -> [UInt8] {
        guard string.hasEscapes else { return Array(string.raw.buffer) }
        var reader = JSONStringBytes(string)
        var bytes: [UInt8] = []
        while let byte = reader.next() { bytes.append(byte) }
        return bytes
    }

    private static func decoded(_ text: [UInt8]) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: Base64URL.decodedCount(text.count) + 3)
        let count = text.withByteView { text in
            bytes.withUnsafeMutableBufferPointer { Base64URL.decode(text, into: $0.baseAddress.unsafelyUnwrapped) }
        }
        guard let count, count > 0 else { return nil }
        return Array(bytes.prefix(count))
    }
}
