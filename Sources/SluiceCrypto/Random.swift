internal import COpenSSL

/// Random bytes fit for secrets, from OpenSSL's generator, which is seeded by the system. Any thread.
package enum Random {
    /// Fills the whole buffer.
    package static func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CryptoError) {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return }
        guard buffer.count <= Int(Int32.max),
            RAND_bytes(base.assumingMemoryBound(to: UInt8.self), Int32(buffer.count)) == 1
        else {
            throw .fromQueue("no random bytes")
        }
    }
}
