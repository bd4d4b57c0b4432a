internal import COpenSSL
package import SluiceHTTP

/// SHA-256 (FIPS 180-4) of one message, anywhere and on any thread: nothing is allocated.
package enum SHA256Hash {
    /// Bytes that `write` writes.
    package static let byteCount = 32

    /// Writes the digest of `message` to `output`.
    ///
    /// - Returns: false if OpenSSL failed; the output then means nothing.
    package static func write(_ message: ByteView, into output: UnsafeMutableRawPointer) -> Bool {
        sluice_sha256(message.base, message.count, output.assumingMemoryBound(to: UInt8.self))
    }
}
