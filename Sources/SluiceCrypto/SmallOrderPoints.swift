internal import COpenSSL

/// The points of Ed25519 whose order divides eight, under which a signature of anything can be made.
enum SmallOrderPoints {
    /// The least significant byte first and without the sign of x, as keys are encoded (RFC 8032, 5.1.2): 0, 1, the two of order eight, p - 1, and p and
    /// p + 1, which decoders read as 0 and 1.
    private static let encodings: [[UInt8]] = {
        func near(_ last: UInt8) -> [UInt8] { [last] + [UInt8](repeating: 0xFF, count: 30) + [0x7F] }
        let zero = [UInt8](repeating: 0, count: 32)
        return [
            zero, [1] + zero.dropFirst(), near(0xEC), near(0xED), near(0xEE),
            [
                0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0,
                0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
            ],
            [
                0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F,
                0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
            ],
        ]
    }()

    static func check(_ key: OpaquePointer) throws(CryptoError) {
        var point = [UInt8](repeating: 0, count: 32)
        var count = point.count
        guard EVP_PKEY_get_raw_public_key(key, &point, &count) == 1, count == 32 else { throw .fromQueue("Ed25519 key") }
        point[31] &= 0x7F
        if encodings.contains(point) { throw CryptoError("the Ed25519 key is a point of small order") }
    }
}
