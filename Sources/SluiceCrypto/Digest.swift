internal import COpenSSL
package import SluiceHTTP

/// A hash function with a context that is used again for every message.
///
/// One per worker: not safe for use on two threads.
package final class Digest {
    /// Valid for as long as the `Digest` that it came from.
    package struct Handle: BitwiseCopyable {
        fileprivate let context: OpaquePointer
        fileprivate let function: OpaquePointer
        /// Bytes that `hash` writes.
        package let byteCount: Int

        /// Writes the digest of `message` to `output`, which has room for `byteCount` bytes.
        ///
        /// - Returns: false if OpenSSL failed; the output then means nothing.
        package func hash(_ message: ByteView, into output: UnsafeMutableRawPointer) -> Bool {
            let bytes = output.assumingMemoryBound(to: UInt8.self)
            if EVP_DigestInit_ex2(context, function, nil) == 1,
                EVP_DigestUpdate(context, message.base, message.count) == 1,
                EVP_DigestFinal_ex(context, bytes, nil) == 1
            {
                return true
            }
            ErrorQueue.clear()
            return false
        }
    }

    package let handle: Handle

    package init(_ algorithm: DigestAlgorithm = .sha256) throws(CryptoError) {
        let fetched = algorithm == .sha256 ? Self.sha256 : Self.sha1
        guard let function = fetched, let context = EVP_MD_CTX_new() else {
            throw .fromQueue("\(algorithm.name) is not available")
        }
        handle = Handle(context: context, function: function, byteCount: algorithm.byteCount)
    }

    deinit { EVP_MD_CTX_free(handle.context) }

    // Fetched once per process and never freed. Safe on any thread: what `EVP_MD_fetch` returns is not written any more, and its count is atomic.
    private nonisolated(unsafe) static let sha1 = EVP_MD_fetch(nil, "SHA1", nil)
    // Sendable for the same reason: written once, by the fetch, and only read from then on, by any thread.
    private nonisolated(unsafe) static let sha256 = EVP_MD_fetch(nil, "SHA256", nil)
}
