import CVirtualKernel
import SluiceCrypto
import SluiceHTTP

/// The RSA keys of the run's identity provider, and its key sets as they change.
final class KeyRing {
    struct Answer: Equatable {
        /// Keys by their `kid`; nil while the place is away.
        var keys: [String]?
        /// Beside them a key of another kind, which is none of the gateway's business.
        var hasForeign = false
        /// It is there, and what it says is not a key set.
        var isGarbage = false
    }

    static let ids = ["ka", "kb", "kc"]
    /// Read once.
    nonisolated(unsafe) private static let made: [String: (key: PrivateKey, modulus: String, exponent: String)] = {
        var made: [String: (key: PrivateKey, modulus: String, exponent: String)] = [:]
        for id in ids {
            let pem = Array((PublicSecrets.keys[id] ?? "").utf8)
            let key = pem.withUnsafeBufferPointer { memory in memory.baseAddress.flatMap { try? PrivateKey(pem: ByteView(base: $0, count: memory.count)) } }
            guard let key, let numbers = try? key.publicNumbers() else { continue }
            made[id] = (key, SHA256.base64(numbers.modulus, isURL: true), SHA256.base64(numbers.exponent, isURL: true))
        }
        return made
    }()

    /// Reads the keys, which takes time, before the first run.
    static func prepare() { _ = made.count }

    /// What each key set's place answers now.
    private(set) var sets: [String: Answer] = [:]
    /// What the gateway was told, and when.
    var told: [(time: UInt64, name: String, answer: Answer)] = []

    func set(_ name: String, to answer: Answer) { sets[name] = answer }

    /// What the place answers at this moment; nil while it is away.
    func load(_ name: String) -> String? {
        guard let answer = sets[name] else { return nil }
        told.append((vk_now(), name, answer))
        if answer.isGarbage { return "{\"error\":\"try again\"}" }
        guard let keys = answer.keys else { return nil }
        let foreign = "{\"kty\":\"EC\",\"use\":\"sig\",\"alg\":\"ES256\",\"crv\":\"P-256\",\"kid\":\"e1\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
        let texts = (answer.hasForeign ? [foreign] : []) + keys.compactMap { id in
            Self.made[id].map { "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"\(id)\",\"n\":\"\($0.modulus)\",\"e\":\"\($0.exponent)\"}" }
        }
        return "{\"keys\":[\(texts.joined(separator: ","))]}"
    }

    static func sign(_ id: String, _ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBufferPointer { memory in
            guard let base = memory.baseAddress, let key = made[id]?.key else { return [] }
            return (try? key.sign(ByteView(base: base, count: memory.count))) ?? []
        }
    }
}

/// What a token says, known from its making.
struct Token {
    enum Algorithm { case hs256, rs256, none }
    var algorithm = Algorithm.hs256
    var secret = ""
    /// The key that signed it, and the `kid` that it bears.
    var key = ""
    var kid: String?
    var expires: Int?
    var notBefore: Int?
    var issuer: String?
    var audience: String?
    var subject: String?
    var role: String?
    /// Another signature than what belongs to it.
    var isForged = false

    /// The token as text.
    func text() -> String {
        var members: [String] = []
        if let expires { members.append("\"exp\":\(expires)") }
        if let notBefore { members.append("\"nbf\":\(notBefore)") }
        if let issuer { members.append("\"iss\":\"\(issuer)\"") }
        if let audience { members.append("\"aud\":\"\(audience)\"") }
        if let subject { members.append("\"sub\":\"\(subject)\"") }
        if let role { members.append("\"role\":\"\(role)\"") }
        let name = switch algorithm {
        case .hs256: "HS256"
        case .rs256: "RS256"
        case .none: "none"
        }
        let head = "{\"alg\":\"\(name)\"\(kid.map { ",\"kid\":\"\($0)\"" } ?? "")}"
        let input = SHA256.base64(Array(head.utf8), isURL: true) + "." + SHA256.base64(Array("{\(members.joined(separator: ","))}".utf8), isURL: true)
        var signature: [UInt8] = switch algorithm {
        case .hs256: SHA256.hmac(secret, input)
        case .rs256: KeyRing.sign(key, input)
        case .none: []
        }
        if isForged, !signature.isEmpty { signature[signature.count / 2] ^= 0x10 }
        return input + "." + SHA256.base64(signature, isURL: true)
    }
}
