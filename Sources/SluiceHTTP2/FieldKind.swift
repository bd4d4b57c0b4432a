import SluiceHTTP

/// What a field is to HTTP/2 itself: decided once for a name, and kept with it in the tables of HPACK.
enum FieldKind: UInt8, BitwiseCopyable {
    /// Any field without a meaning here; its value has been found valid where the kind is kept with a whole field.
    case plain
    // The pseudo-header fields (RFC 9113, 8.3).
    case method, scheme, authority, path, status
    /// `:protocol` (RFC 8441, 4).
    case protocolName
    /// A name that begins with a colon and is none of those.
    case unknownPseudo
    /// May come in crumbs (RFC 9113, 8.2.3).
    case cookie
    case host, contentLength
    /// Only `trailers` may be said (RFC 9113, 8.2.2).
    case te
    /// Belongs to a connection of HTTP/1 (RFC 9113, 8.2.2).
    case connectionSpecific
    /// No token in lower case (RFC 9113, 8.2.1).
    case malformedName
    /// As `.plain`, but the value is known to break RFC 9113, 8.2.1.
    case malformedValue

    var isPseudo: Bool { rawValue >= FieldKind.method.rawValue && rawValue <= FieldKind.unknownPseudo.rawValue }

    /// The kind of the field with this name.
    ///
    /// - Parameter readable: bytes that there are from the name's first on.
    init(name: UnsafePointer<UInt8>, count: Int, readable: Int) {
        guard count > 0 else {
            self = .malformedName
            return
        }
        if name[0] == 0x3A {
            self = Self.pseudo(ByteView(base: name, count: count))
            return
        }
        guard FieldBytes.isLowercaseName(name, count: count, readable: readable) else {
            self = .malformedName
            return
        }
        let view = ByteView(base: name, count: count)
        switch count {
        case 2: self = view == "te" ? .te : .plain
        case 4: self = view == "host" ? .host : .plain
        case 6: self = view == "cookie" ? .cookie : .plain
        case 7: self = view == "upgrade" ? .connectionSpecific : .plain
        case 10: self = view == "connection" || view == "keep-alive" ? .connectionSpecific : .plain
        case 14: self = view == "content-length" ? .contentLength : .plain
        case 16: self = view == "proxy-connection" ? .connectionSpecific : .plain
        case 17: self = view == "transfer-encoding" ? .connectionSpecific : .plain
        default: self = .plain
        }
    }

    private static func pseudo(_ name: ByteView) -> FieldKind {
        switch name.count {
        case 5: name == ":path" ? .path : .unknownPseudo
        case 7: name == ":method" ? .method : name == ":scheme" ? .scheme : name == ":status" ? .status : .unknownPseudo
        case 9: name == ":protocol" ? .protocolName : .unknownPseudo
        case 10: name == ":authority" ? .authority : .unknownPseudo
        default: .unknownPseudo
        }
    }
}
