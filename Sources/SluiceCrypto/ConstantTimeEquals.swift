internal import COpenSSL
package import SluiceHTTP

/// Whether both views hold the same bytes, in a time that depends on their lengths alone.
///
/// Lengths are compared first: the length of a code or signature is not a secret.
package func constantTimeEquals(_ left: ByteView, _ right: ByteView) -> Bool {
    guard left.count == right.count else { return false }
    return CRYPTO_memcmp(left.base, right.base, left.count) == 0
}
