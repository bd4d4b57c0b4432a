import Glibc
import SluiceHTTP

/// The token of an Authorization field, and its three parts. Views point into the field's value.
struct BearerToken: BitwiseCopyable {
    /// Header and payload with the point between them: what is signed (RFC 7515, 5.2).
    let signingInput: ByteView
    let header: ByteView
    let payload: ByteView
    let signature: ByteView

    /// The token that the field bears, under the `Bearer` scheme in any case (RFC 6750, 2.1) or bare; empty where there is none.
    static func text(of value: ByteView) -> ByteView {
        let value = value.trimmed
        return hasScheme(value) ? value[6...].trimmed : value
    }

    /// Whether a value, without blanks at its ends, is of the scheme `Bearer`.
    static func hasScheme(_ value: ByteView) -> Bool {
        guard value.count >= 6, value[..<6].equalsIgnoringCase("bearer") else { return false }
        return value.count == 6 || value[6] == 0x20 || value[6] == 0x09
    }

    /// - Returns: nil unless the text is three parts, none of them empty, with points between them. Whether the parts
    ///   are base64url is seen when they are decoded.
    init?(_ text: ByteView) {
        guard let first = Self.point(in: text, from: 0),
            let second = Self.point(in: text, from: first + 1), Self.point(in: text, from: second + 1) == nil,
            first > 0, second > first + 1, second + 1 < text.count
        else { return nil }
        signingInput = text[..<second]
        header = text[..<first]
        payload = text[first + 1..<second]
        signature = text[(second + 1)...]
    }

    private static func point(in text: ByteView, from start: Int) -> Int? {
        guard start < text.count, let found = memchr(text.base + start, Int32(UInt8(ascii: ".")), text.count - start) else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(text.base)
    }
}

/// What the JOSE header of a token says, as far as it matters (RFC 7515, 4.1). `typ` and all it does not know are ignored.
struct TokenHeader: BitwiseCopyable {
    /// Members and elements of a header, nested ones included: it is read before any signature, so its sender is anybody. Key identifiers,
    /// certificate chains and nested keys together have a few dozen.
    static let valuesMax = 128

    /// Names the key; nil if there is none. Points into the scanned text.
    let keyID: JSONString?
    let algorithm: JWT.Algorithm

    /// What is wrong with a header that cannot be read.
    static func fault(_ object: JSONObject, algorithms: JWT.Algorithms) -> TokenFault {
        guard let named = object.value(of: ByteView("alg"))?.string else { return .malformed }
        return algorithms.named(named) == nil ? .algorithm : .malformed
    }

    /// - Returns: nil where the header names an algorithm that is not accepted, or asks for what is not supported: any
    ///   `crit` (4.1.11: an extension that is not understood must be refused) and an unencoded payload (RFC 7797).
    init?(_ object: JSONObject, algorithms: JWT.Algorithms) {
        guard let named = object.value(of: ByteView("alg"))?.string, let algorithm = algorithms.named(named),
            object.value(of: ByteView("crit")) == nil
        else { return nil }
        self.algorithm = algorithm
        if let encoded = object.value(of: ByteView("b64")), encoded.kind != .true { return nil }
        if let keyID = object.value(of: ByteView("kid")) {
            guard let keyID = keyID.string else { return nil }
            self.keyID = keyID
        } else {
            keyID = nil
        }
    }
}
