package import SluiceCallers
import SluiceCrypto
import SluiceHTTP

/// Keys and their digests.
package enum CallerKeys {
    /// A new key.
    package static func make() throws(CallerFault) -> String {
        var bytes = [UInt8](repeating: 0, count: 2 * CallerRules.keyCount)
        var fault: CryptoError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(CryptoError) {
                try Random.fill(buffer)
            } catch {
                fault = error
            }
        }
        if let fault { throw CallerFault(.unavailable, fault.message) }
        // Of 80 bytes fewer than 40 are fit once in many more tries than there are atoms.
        guard let key = CallerRules.key(from: bytes) else { throw CallerFault(.unavailable, "no random key") }
        return key
    }

    package static func digest(_ key: String) throws(CallerFault) -> KeyDigest {
        guard let digest = digest(Array(key.utf8)) else { throw CallerFault(.unavailable, "SHA-256 is not available") }
        return digest
    }

    static func digest(_ key: [UInt8]) -> KeyDigest? {
        var digest = [UInt8](repeating: 0, count: KeyDigest.byteCount)
        let isDone = key.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return false }
            return digest.withUnsafeMutableBytes { SHA256Hash.write(ByteView(base: base, count: bytes.count), into: $0.baseAddress.unsafelyUnwrapped) }
        }
        return isDone ? KeyDigest(digest) : nil
    }
}
