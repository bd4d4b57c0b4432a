import SluiceConfiguration
import SluiceCrypto
import SluiceEvent
import SluiceHTTP

extension JWT {
    /// A key set in a file is read here, and a fault of it is a problem; one behind a URI is fetched later, by the refresher.
    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        compile(configuration, headers: fields(configuration).claims.map(\.header), into: snapshot)
    }

    static func compile(_ configuration: Configuration, at site: PolicySite) -> Compiled? {
        compile(configuration, headers: site.claimHeaders, into: site.snapshot)
    }

    /// - Parameter headers: that bear claims where the policy holds, in the order of `Exchange.forwardedClaims`; its own are among them.
    private static func compile(_ configuration: Configuration, headers: [String], into snapshot: SnapshotBuilder) -> Compiled? {
        // All of them, so that a run tells of every problem.
        let issuers = configuration.issuers.map { rules(of: $0, headers: headers, snapshot) }
        let whole = issuers.compactMap { $0 }
        guard !whole.isEmpty, whole.count == issuers.count else { return nil }
        let arena = snapshot.arena
        let entries = snapshot.keySets.settings.cacheEntries
        return Compiled(
            tokensSlot: snapshot.workerResource { VerifiedTokens(entries: entries) }, memorySlot: snapshot.tokenMemorySlot,
            issuers: arena.store(whole), choosesByIssuer: configuration.choosesByIssuer,
            algorithms: whole.reduce(into: Algorithms()) { $0.formUnion($1.algorithms) },
            forwardedHeaders: arena.store(headers.map { arena.bytes($0) }))
    }

    private static func rules(of issuer: Issuer, headers: [String], _ snapshot: SnapshotBuilder) -> TokenRules? {
        guard let (makeKeys, algorithms) = workerKeys(issuer, snapshot) else { return nil }
        let arena = snapshot.arena
        let places = Dictionary(headers.enumerated().map { ($1.asciiLowercased, $0) }) { first, _ in first }
        return TokenRules(
            slot: snapshot.workerResource(makeKeys), algorithms: Algorithms(algorithms), clockSkew: issuer.clockSkew,
            expiryIsRequired: issuer.expiryIsRequired, issuer: issuer.name.map { arena.bytes($0) },
            audiences: arena.store(issuer.audience.map { arena.bytes($0) }),
            conditions: arena.store(issuer.conditions.map { condition($0, arena) }),
            forwards: arena.store(issuer.forwards.compactMap { forward in
                places[forward.header.asciiLowercased].map { TokenRules.Forward(claim: ClaimPath(arena.bytes(forward.claim)), place: $0) }
            }))
    }

    private static func condition(_ condition: Condition, _ arena: Arena) -> ClaimCondition {
        let values = condition.values.map { value -> ClaimCondition.Expected in
            switch value {
            case .text(let text): .text(arena.bytes(text))
            case .integer(let integer): .number(.integer(integer))
            case .number(let number): .number(.real(number))
            case .boolean(let boolean): .boolean(boolean)
            }
        }
        return ClaimCondition(
            name: ClaimPath(arena.bytes(condition.name)), values: arena.store(values), matchesWords: condition.readsWords || condition.name == "scope")
    }

    /// What makes each worker's keys, and the algorithms that they are used with; nil, and a problem, where the key cannot be used.
    private static func workerKeys(
        _ issuer: Issuer, _ snapshot: SnapshotBuilder
    ) -> (make: @Sendable () -> any WorkerResource, algorithms: [Algorithm])? {
        switch issuer.key {
        case .secret(let secret):
            let bytes = secret.value
            if let reason = HMACKeys.fault(secret: bytes, algorithms: [.sha256]) {
                snapshot.problems.add(at: secret, found: reason, allowed: allowedSecret)
                return nil
            }
            return ({ JWTKeys(.secret(bytes)) }, issuer.algorithms())
        case .publicKey(let text):
            do throws(CryptoError) {
                let key = try text.value.bytes.withByteView { pem throws(CryptoError) in try PublicKey(pem: pem) }
                let algorithms = issuer.algorithms(for: key.kind)
                if let named = issuer.namedAlgorithms, let other = algorithms.first(where: { $0.signature?.fits(key.kind) != true }) {
                    snapshot.problems.add(
                        at: named, found: "\(other.rawValue) with a key for \(key.kind.algorithm.rawValue)", allowed: "algorithms that the key can be used with")
                    return nil
                }
                return ({ JWTKeys(.publicKey(key)) }, algorithms)
            } catch {
                snapshot.problems.add(at: text, found: error.message, allowed: allowedPublicKey)
                return nil
            }
        case .keySet(let location):
            let algorithms = issuer.algorithms()
            guard let source = source(of: location, algorithms, snapshot) else { return nil }
            snapshot.arena.own(source)
            return ({ JWTKeys(.source(source)) }, algorithms)
        }
    }

    /// Reports a key that cannot be used, as `keys` does, of a policy that is not compiled.
    static func reportFault(of key: Key, _ problems: Problems) {
        switch key {
        case .secret(let secret):
            guard let reason = HMACKeys.fault(secret: secret.value, algorithms: [.sha256]) else { return }
            problems.add(at: secret, found: reason, allowed: allowedSecret)
        case .publicKey(let text):
            do throws(CryptoError) {
                _ = try text.value.bytes.withByteView { pem throws(CryptoError) in try PublicKey(pem: pem) }
            } catch {
                problems.add(at: text, found: error.message, allowed: allowedPublicKey)
            }
        case .keySet(let location):
            guard case .file(let path) = location.value.kind, case .failure(let fault) = keySet(inFile: path) else { return }
            problems.add(at: location, found: fault.description, allowed: allowedKeySet)
        }
    }

    private static func keySet(inFile path: String) -> Result<KeySet, KeySet.Fault> {
        Result { () throws(KeySet.Fault) in try KeySet(KeySetFetch.read(path)) }
    }

    private static let allowedSecret = "a secret that can be used"
    private static let allowedPublicKey = "the PEM text of a public key (RSA, P-256, P-384, P-521 or Ed25519), or {file: PATH}"
    private static let allowedKeySet = "a file with a JSON Web Key Set"

    /// Where the keys come from. A file is read once in each compilation, whatever an earlier one has read of it.
    private static func source(
        of location: Located<KeySetLocation>, _ algorithms: [Algorithm], _ snapshot: SnapshotBuilder
    ) -> KeySetSource? {
        guard case .file(let path) = location.value.kind else {
            if let file = location.value.authorityFile {
                do throws(CryptoError) {
                    _ = try TLSClientContext(authorityFile: file)
                } catch {
                    snapshot.problems.add(at: location, found: "jwksCa: \(error.message)", allowed: "certificates of authorities that can be used")
                    return nil
                }
            }
            return snapshot.keySets.source(for: location.value)
        }
        if let source = snapshot.keySetFiles[location.value] {
            if let current = source.current { noteUse(of: current.keys, algorithms, location, snapshot) }
            return source
        }
        switch keySet(inFile: path) {
        case .success(let keys):
            noteUse(of: keys, algorithms, location, snapshot)
            let due = Clock.monotonicNanoseconds() + snapshot.keySets.settings.refreshNanoseconds
            let source = snapshot.keySets.source(ofFile: location.value, holding: keys, due: due)
            snapshot.keySetFiles[location.value] = source
            return source
        case .failure(let fault):
            snapshot.problems.add(at: location, found: fault.description, allowed: allowedKeySet)
            return nil
        }
    }

    /// Whoever takes the last key away wants no token to pass; whoever has the wrong file finds out by `check`.
    private static func noteUse(of keys: KeySet, _ algorithms: [Algorithm], _ location: Located<KeySetLocation>, _ snapshot: SnapshotBuilder) {
        guard !keys.keys.contains(where: { key in algorithms.contains { $0.signature.map(key.fits) ?? false } }) else { return }
        snapshot.problems.add(
            at: location, found: "a key set without a key that \(Quoting.alternatives(algorithms.map(\.rawValue))) can use, so that no token passes",
            allowed: allowedKeySet, scope: .notice)
    }
}
