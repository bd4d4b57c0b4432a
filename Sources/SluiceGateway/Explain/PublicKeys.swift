import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

/// The public keys that a policy names and that can be had without asking anybody: PEM text, and key sets in files.
struct PublicKeys {
    private let keys: [(id: [UInt8]?, key: PublicKey)]

    /// Nil for a secret, for a key set at a URI, and for keys that cannot be read: which ones are right is then not known.
    init?(_ key: JWT.Key) {
        switch key {
        case .secret: return nil
        case .publicKey(let text):
            guard let key = try? text.value.bytes.withByteView({ pem throws(CryptoError) in try PublicKey(pem: pem) }) else { return nil }
            keys = [(nil, key)]
        case .keySet(let location):
            guard case .file(let path) = location.value.kind, let text = try? KeySetFetch.read(path), let set = try? KeySet(text) else { return nil }
            keys = set.keys.map { ($0.id, $0.key) }
        }
    }

    /// The key that is the other half of a private one: whether there is one, and its `kid`.
    func counterpart(of privateKey: PrivateKey) -> (isKnown: Bool, id: String?) {
        let message = Array("sluice".utf8)
        guard let signature = try? message.withByteView({ text throws(CryptoError) in try privateKey.sign(text) }) else { return (false, nil) }
        let match = keys.first { candidate in
            guard candidate.key.kind == privateKey.kind, let verifier = try? SignatureVerifier(candidate.key) else { return false }
            return message.withByteView { text in signature.withByteView { verifier.handle.verify(text, signature: $0, privateKey.kind.algorithm) } }
        }
        return (match != nil, match?.id.map { String(decoding: $0, as: UTF8.self) })
    }
}
