import SluiceCrypto
import SluiceHTTP

/// The keys of one JSON Web Key Set (RFC 7517) that signatures can be checked with. Immutable; any thread.
///
/// Taken are keys of the kinds of `PublicKey`, for signatures (`use` absent or `sig`, `key_ops` absent or with `verify`), for an algorithm of
/// `SignatureAlgorithm` (`alg` absent or one that the key fits). All others are passed over (RFC 7517, 5), and of two keys of one kind with one `kid`
/// for one algorithm the first counts. A set in which none is left is a set like any other: whoever publishes it says that no key is good any more.
final class KeySet: Sendable {
    /// Keys that are taken from one set; further ones are passed over.
    static let keysMax = 256

    struct Key: Sendable {
        /// `kid`, as bytes; nil if the key has none.
        let id: [UInt8]?
        /// The one algorithm that the key is for; nil for any that it fits.
        let algorithm: SignatureAlgorithm?
        let key: PublicKey

        func fits(_ other: SignatureAlgorithm) -> Bool { other.fits(key.kind) && (algorithm == nil || algorithm == other) }

        /// Whether no token is ever checked with the other, which comes later in the set.
        func standsFor(_ other: Key) -> Bool {
            id != nil && id == other.id && key.kind == other.key.kind && (algorithm == nil || algorithm == other.algorithm)
        }
    }

    struct Fault: Error, Equatable, CustomStringConvertible {
        let description: String
        /// Whether something came that is no key set.
        var isMalformed = false
    }

    /// Empty where the set holds none that can be used.
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
        guard let keys else { throw Fault(description: "content that is not a JSON Web Key Set (RFC 7517)", isMalformed: true) }
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
            if keys.contains(where: { $0.standsFor(key) }) { continue }
            keys.append(key)
        }
        return keys
    }

    private static func key(_ object: JSONObject) -> Key? {
        func text(_ name: StaticString) -> [UInt8]? { object.value(of: ByteView(name))?.string.map(bytes) }
        func isAbsent(_ name: StaticString) -> Bool { object.value(of: ByteView(name)) == nil }
        guard isAbsent("use") || text("use") == Array("sig".utf8), allowsVerifying(object.value(of: ByteView("key_ops"))) else { return nil }
        var algorithm: SignatureAlgorithm?
        if !isAbsent("alg") {
            algorithm = text("alg").flatMap { SignatureAlgorithm(rawValue: String(decoding: $0, as: UTF8.self)) }
            guard algorithm != nil else { return nil }
        }
        // A `kid` that is not a string cannot be named by any token.
        let id = isAbsent("kid") ? nil : text("kid")
        if !isAbsent("kid"), id == nil { return nil }
        guard let key = publicKey({ text($0).flatMap(decoded) }, kind: text("kty"), curve: text("crv")) else { return nil }
        if let algorithm, !algorithm.fits(key.kind) { return nil }
        return Key(id: id, algorithm: algorithm, key: key)
    }

    /// - Parameter number: the decoded bytes of a member.
    private static func publicKey(_ number: (StaticString) -> [UInt8]?, kind: [UInt8]?, curve: [UInt8]?) -> PublicKey? {
        func key(_ first: StaticString, _ second: StaticString, _ make: (ByteView, ByteView) throws(CryptoError) -> PublicKey) -> PublicKey? {
            guard let first = number(first), let second = number(second) else { return nil }
            return first.withByteView { first in second.withByteView { try? make(first, $0) } }
        }
        switch kind.map({ String(decoding: $0, as: UTF8.self) }) {
        case "RSA":
            return key("n", "e") { n, e throws(CryptoError) in try PublicKey(modulus: n, exponent: e) }
        case "EC":
            let kinds: [String: PublicKey.Kind] = ["P-256": .p256, "P-384": .p384, "P-521": .p521]
            guard let kind = curve.flatMap({ kinds[String(decoding: $0, as: UTF8.self)] }) else { return nil }
            return key("x", "y") { x, y throws(CryptoError) in try PublicKey(curve: kind, x: x, y: y) }
        case "OKP":
            guard curve == Array("Ed25519".utf8), let x = number("x") else { return nil }
            return x.withByteView { try? PublicKey(ed25519: $0) }
        default:
            return nil
        }
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
