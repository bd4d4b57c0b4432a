import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Synchronization

/// One worker's means of verifying for one issuer of a JWT policy: contexts of its keys, and memory for a signature.
final class JWTKeys: WorkerResource {
    /// Where the keys come from.
    enum Origin {
        case secret(Secret)
        case publicKey(PublicKey)
        case source(KeySetSource)
    }

    /// One key of a set.
    struct Verifier: BitwiseCopyable {
        /// `kid`; nil if the key has none.
        let id: ByteView?
        /// The one algorithm that the key is for; nil for any that it fits.
        let algorithm: SignatureAlgorithm?
        let verifier: SignatureVerifier.Handle

        func fits(_ other: SignatureAlgorithm) -> Bool { other.fits(verifier.kind) && (algorithm == nil || algorithm == other) }
    }

    /// What `evaluate` works with. Lives as long as the worker keeps the snapshot.
    struct State {
        /// For HS256; nil where OpenSSL gave none, and then no token passes.
        var mac: KeyedHMAC.Handle?
        /// For HS384 and HS512.
        var secret: ByteView
        /// For all others, in the order of the set; the one public key has no `kid` and is asked whatever the token names.
        var verifiers: UnsafeBufferPointer<Verifier>
        /// Of the key set in use; 0: none yet.
        var generation: UInt64
        /// The source's; nil where keys never change.
        let latestGeneration: UnsafeMutablePointer<Atomic<UInt64>>?
        /// Room for a decoded signature.
        let signature: UnsafeMutablePointer<UInt8>
        let owner: Unmanaged<JWTKeys>
    }

    static let signatureBytesMax = PublicKey.signatureBytesMax

    private let state: UnsafeMutablePointer<State>
    private let origin: Origin
    private var mac: KeyedHMAC?
    private var owned: [SignatureVerifier] = []
    /// The secret's bytes.
    private var secretBytes: UnsafeMutablePointer<UInt8>?
    private var names: UnsafeMutablePointer<UInt8>?
    private var table: UnsafeMutablePointer<Verifier>?

    var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }

    init(_ origin: Origin) {
        self.origin = origin
        state = .allocate(capacity: 1)
        var latest: UnsafeMutablePointer<Atomic<UInt64>>?
        if case .source(let source) = origin { latest = source.generation }
        state.initialize(
            to: State(
                mac: nil, secret: .empty, verifiers: UnsafeBufferPointer(start: nil, count: 0), generation: 0, latestGeneration: latest,
                signature: .allocate(capacity: Self.signatureBytesMax + 3), owner: Unmanaged.passUnretained(self)))
        switch origin {
        case .secret(let secret):
            mac = secret.bytes.withByteView { try? KeyedHMAC(.sha256, key: $0) }
            state.pointee.mac = mac?.handle
            let place = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, secret.bytes.count))
            place.update(from: secret.bytes, count: secret.bytes.count)
            state.pointee.secret = ByteView(base: place, count: secret.bytes.count)
            secretBytes = place
        case .publicKey(let key):
            use([(nil, nil, key)])
        case .source:
            takeLatest()
        }
    }

    deinit {
        state.pointee.signature.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
        secretBytes?.deallocate()
        names?.deallocate()
        table?.deallocate()
    }

    /// Makes verifiers for the source's latest set. Takes the source's lock and allocates: only when the set has changed.
    func takeLatest() {
        guard case .source(let source) = origin, let current = source.current else { return }
        use(current.keys.keys.map { ($0.id, $0.algorithm, $0.key) })
        state.pointee.generation = current.generation
    }

    private func use(_ keys: [(id: [UInt8]?, algorithm: SignatureAlgorithm?, key: PublicKey)]) {
        let verifiers = keys.compactMap { key in (try? SignatureVerifier(key.key)).map { (key.id, key.algorithm, $0) } }
        let newNames = UnsafeMutablePointer<UInt8>.allocate(capacity: verifiers.reduce(1) { $0 + ($1.0?.count ?? 0) })
        let newTable = UnsafeMutablePointer<Verifier>.allocate(capacity: max(1, verifiers.count))
        var end = newNames
        for (index, (id, algorithm, verifier)) in verifiers.enumerated() {
            var view: ByteView?
            if let id {
                end.update(from: id, count: id.count)
                view = ByteView(base: end, count: id.count)
                end += id.count
            }
            (newTable + index).initialize(to: Verifier(id: view, algorithm: algorithm, verifier: verifier.handle))
        }
        state.pointee.verifiers = UnsafeBufferPointer(start: newTable, count: verifiers.count)
        names?.deallocate()
        table?.deallocate()
        names = newNames
        table = newTable
        owned = verifiers.map { $0.2 }
    }

    /// Why there is no set, as the detail of a refusal; nil where there is one, or keys of another kind.
    var missing: StaticString? {
        guard state.pointee.generation == 0, case .source(let source) = origin else { return nil }
        return source.missing
    }

    /// Asks the source for a fetch on behalf of this worker; false where no fetch can help.
    func requestFetch(worker: Int, now: UInt64) -> Int? {
        guard case .source(let source) = origin, source.requestFetch(worker: worker, now: now) else { return nil }
        return source.number
    }
}
