internal import COpenSSL
package import SluiceHTTP

/// HMAC (RFC 2104) under one key, for any number of messages, one after the other.
///
/// The key is absorbed once; every message starts from that state. Measured in instructions of a message of 50 bytes, beyond the two
/// blocks that are hashed: 970. A keyed EVP_MAC context that is re-initialised with no key takes 2,800 and allocates twice; a
/// context of its own for every message takes still more.
///
/// One per worker and policy: not safe for use on two threads.
package final class KeyedHMAC {
    /// Valid for as long as the `KeyedHMAC` that it came from.
    package struct Handle: BitwiseCopyable {
        fileprivate let state: UnsafeMutablePointer<State>

        /// Bytes that `finish` writes.
        package var byteCount: Int { state.pointee.byteCount }

        /// Starts a message and drops one that was begun but not finished.
        package func begin() {
            sluice_hmac_begin(&state.pointee.hmac)
            state.pointee.isSound = true
        }

        /// Appends to the message that `begin` started.
        package func update(_ bytes: ByteView) {
            guard state.pointee.isSound, !bytes.isEmpty else { return }
            state.pointee.isSound = sluice_hmac_update(&state.pointee.hmac, bytes.base, bytes.count)
        }

        /// Ends the message and writes its code to `output`, which has room for `byteCount` bytes.
        ///
        /// - Returns: `byteCount`; 0 if any step since `begin` failed inside OpenSSL or `begin` was left out.
        ///   The output then means nothing and the message must not be accepted.
        package func finish(into output: UnsafeMutableRawPointer) -> Int {
            guard state.pointee.isSound else { return 0 }
            state.pointee.isSound = false
            guard sluice_hmac_end(&state.pointee.hmac, output.assumingMemoryBound(to: UInt8.self)) else { return 0 }
            return state.pointee.byteCount
        }
    }

    fileprivate struct State {
        var hmac = sluice_hmac()
        let byteCount: Int
        /// Between `begin` and `finish`, and only while every step has succeeded.
        var isSound = false
    }

    package let handle: Handle

    /// - Parameter key: the secret, of at least one byte. The view is not kept.
    package init(_ algorithm: DigestAlgorithm, key: ByteView) throws(CryptoError) {
        guard !key.isEmpty else { throw CryptoError("the HMAC secret is empty") }
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State(byteCount: algorithm.byteCount))
        handle = Handle(state: state)
        guard sluice_hmac_set_key(&state.pointee.hmac, algorithm == .sha1, key.base, key.count) else {
            throw .fromQueue("HMAC with \(algorithm.name) is not available")
        }
    }

    deinit {
        // What the key was made into signs as well as the key.
        OPENSSL_cleanse(handle.state, MemoryLayout<State>.size)
        handle.state.deinitialize(count: 1).deallocate()
    }
}
