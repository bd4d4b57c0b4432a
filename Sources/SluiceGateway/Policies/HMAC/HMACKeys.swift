import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

/// One worker's keyed contexts for one HMAC policy, one for each algorithm that the policy allows.
final class HMACKeys: WorkerResource {
    /// What `evaluate` reads. Nil for an algorithm that is not allowed, or whose context could not be made: requests
    /// signed with it are then refused.
    struct Contexts: BitwiseCopyable {
        var sha256: KeyedHMAC.Handle?
        var sha1: KeyedHMAC.Handle?
    }

    private let contexts: UnsafeMutablePointer<Contexts>
    private let owned: [KeyedHMAC]

    var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(contexts) }

    init(secret: Secret, algorithms: [HMAC.Algorithm]) {
        let sha256 = algorithms.contains(.sha256) ? try? Self.context(.sha256, secret) : nil
        let sha1 = algorithms.contains(.sha1) ? try? Self.context(.sha1, secret) : nil
        owned = [sha256, sha1].compactMap { $0 }
        contexts = .allocate(capacity: 1)
        contexts.initialize(to: Contexts(sha256: sha256?.handle, sha1: sha1?.handle))
    }

    deinit { contexts.deallocate() }

    private static func context(_ algorithm: DigestAlgorithm, _ secret: Secret) throws(CryptoError) -> KeyedHMAC {
        try secret.bytes.withByteView { key throws(CryptoError) in try KeyedHMAC(algorithm, key: key) }
    }

    /// Why the secret cannot be used; nil if it can.
    static func fault(secret: Secret, algorithms: [HMAC.Algorithm]) -> String? {
        do throws(CryptoError) {
            for algorithm in algorithms { _ = try context(algorithm.digest, secret) }
            return nil
        } catch {
            return error.message
        }
    }

    /// Tells secrets apart without showing them; empty, and so shared, if OpenSSL fails.
    static func fingerprint(of secret: Secret) -> [UInt8] {
        (try? code(.sha256, secret, of: Array("sluice replay table".utf8))) ?? []
    }

    /// The code of one message, for set-up and the command line.
    static func code(_ algorithm: DigestAlgorithm, _ secret: Secret, of message: [UInt8]) throws(CryptoError) -> [UInt8] {
        let mac = try context(algorithm, secret)
        var code = [UInt8](repeating: 0, count: algorithm.byteCount)
        mac.handle.begin()
        message.withByteView { mac.handle.update($0) }
        let count = code.withUnsafeMutableBytes { mac.handle.finish(into: $0.baseAddress.unsafelyUnwrapped) }
        guard count == code.count else { throw CryptoError("the message cannot be signed") }
        return code
    }
}
