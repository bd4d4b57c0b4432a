/// The fields that belong to one connection and are never forwarded.
public enum HopByHop {
    /// Connection and the fields that RFC 9110, 7.6.1 has an intermediary remove whether nominated or not (Proxy-Connection,
    /// Keep-Alive, TE, Transfer-Encoding, Upgrade); Proxy-Authenticate and Proxy-Authorization, which concern a client and its
    /// own proxy (11.7), never what stands behind a gateway; Trailer, because which trailers are sent on is for us to
    /// announce; and whatever else Connection nominates. One bit per field, as in `FieldTable.present`.
    @inlinable
    public static var mask: UInt64 {
        KnownField.connection.bit | KnownField.keepAlive.bit | KnownField.proxyConnection.bit | KnownField.te.bit
            | KnownField.trailer.bit | KnownField.transferEncoding.bit | KnownField.upgrade.bit
            | KnownField.proxyAuthenticate.bit | KnownField.proxyAuthorization.bit | KnownField.nominated.bit
    }

    @inlinable
    public static func isHopByHop(_ field: KnownField) -> Bool { mask & field.bit != 0 }

    /// Whether this field must not be sent on in a trailer section: framing, routing, authentication and request modifiers
    /// (RFC 9110, 6.5.1), besides everything hop-by-hop. Every field that the gateway knows is of these kinds or its own to
    /// write. What becomes of unusual names is for the direction to say.
    @inlinable
    public static func isForbiddenInTrailers(_ field: KnownField) -> Bool { field != .other && field != .unusual }

    /// The same for a field that the gateway does not know, by its name: further request modifiers, credentials, control data
    /// and content format. A recipient that merges trailers into the head would believe them.
    public static func isForbiddenInTrailers(name: ByteView) -> Bool {
        switch name.count {
        case 3: name.equalsIgnoringCase("age")
        case 4: name.equalsIgnoringCase("vary")
        case 5: name.equalsIgnoringCase("range")
        case 6: name.equalsIgnoringCase("cookie") || name.equalsIgnoringCase("pragma")
        case 7: name.equalsIgnoringCase("expires") || name.equalsIgnoringCase("warning")
        case 8: name.equalsIgnoringCase("if-match") || name.equalsIgnoringCase("if-range") || name.equalsIgnoringCase("location")
        case 10: name.equalsIgnoringCase("set-cookie")
        case 12: name.equalsIgnoringCase("max-forwards")
        case 13: name.equalsIgnoringCase("cache-control") || name.equalsIgnoringCase("content-range") || name.equalsIgnoringCase("if-none-match")
        case 14: name.equalsIgnoringCase("http2-settings")
        case 16: name.equalsIgnoringCase("content-encoding") || name.equalsIgnoringCase("content-language")
            || name.equalsIgnoringCase("content-location") || name.equalsIgnoringCase("www-authenticate")
        case 17: name.equalsIgnoringCase("if-modified-since")
        case 19: name.equalsIgnoringCase("if-unmodified-since")
        default: false
        }
    }
}
