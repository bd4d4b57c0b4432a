/// Names of OpenSSL parameters (`openssl/core_names.h`) at addresses that last.
///
/// The header's own macros arrive in Swift as `String`, whose C form lives for one call only, while an
/// `OSSL_PARAM` keeps the pointer.
enum ParameterName {
    static let digest: StaticString = "digest"
    static let modulus: StaticString = "n"
    static let exponent: StaticString = "e"
    static let group: StaticString = "group"
    static let publicKey: StaticString = "pub"
    static let isSpeltOut: StaticString = "decoded-from-explicit"
}

extension StaticString {
    /// The literal as C text: it ends in a NUL byte and lives as long as the program.
    var cString: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
