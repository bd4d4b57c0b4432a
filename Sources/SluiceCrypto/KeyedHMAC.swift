internal import COpenSSL
package import SluiceHTTP

/// HMAC (RFC 2104) under one key, for any number of messages, one after the other.
///
/// The key is absorbed once; every message starts from that state by re-initialising with no key. Measured
/// against a fresh context per message (4 times slower) and a duplicated keyed context (twice as slow).
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
            state.pointee.isSound = EVP_MAC_init(state.pointee.context, nil, 0, nil) == 1
        }

        /// Appends to the message that `begin` started.
        package func update(_ bytes: ByteView) {
            guard state.pointee.isSound, !bytes.isEmpty else { return }
            state.pointee.isSound = EVP_MAC_update(state.pointee.context, bytes.base, bytes.count) == 1
        }

        /// Ends the message and writes its code to `output`, which has room for `byteCount` bytes.
        ///
        /// - Returns: `byteCount`; 0 if any step since `begin` failed inside OpenSSL or `begin` was left out.
        ///   The output then means nothing and the message must not be accepted.
        package func finish(into output: UnsafeMutableRawPointer) -> Int {
            guard state.pointee.isSound else {
                ErrorQueue.clear()
                return 0
            }
            state.pointee.isSound = false
            var written = 0
            let bytes = output.assumingMemoryBound(to: UInt8.self)
            guard EVP_MAC_final(state.pointee.context, bytes, &written, state.pointee.byteCount) == 1 else {
                ErrorQueue.clear()
                return 0
            }
            return written
        }
    }

    fileprivate struct State: BitwiseCopyable {
        let context: OpaquePointer
        let byteCount: Int
        /// Between `begin` and `finish`, and only while every step has succeeded.
        var isSound: Bool
    }

    package let handle: Handle

    /// - Parameter key: the secret, of at least one byte. Copied by OpenSSL; the view is not kept.
    package init(_ algorithm: DigestAlgorithm, key: ByteView) throws(CryptoError) {
        guard !key.isEmpty else { throw CryptoError("the HMAC secret is empty") }
        guard let mac = Self.mac, let context = EVP_MAC_CTX_new(mac) else {
            throw .fromQueue("HMAC is not available")
        }
        var parameters = [
            OSSL_PARAM_construct_utf8_string(
                ParameterName.digest.cString, UnsafeMutablePointer(mutating: algorithm.name.cString), 0),
            OSSL_PARAM_construct_end(),
        ]
        guard EVP_MAC_init(context, key.base, key.count, &parameters) == 1 else {
            EVP_MAC_CTX_free(context)
            throw .fromQueue("HMAC with \(algorithm.name) is not available")
        }
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State(context: context, byteCount: algorithm.byteCount, isSound: false))
        handle = Handle(state: state)
    }

    deinit {
        EVP_MAC_CTX_free(handle.state.pointee.context)  // OpenSSL wipes the key
        handle.state.deallocate()
    }

    /// Fetched once per process: a fetch costs more than a message. Immutable and reference-counted by OpenSSL.
    private nonisolated(unsafe) static let mac = EVP_MAC_fetch(nil, OSSL_MAC_NAME_HMAC, nil)
}
