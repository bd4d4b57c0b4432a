/// How a request target is written (RFC 9112, 3.2).
@frozen
public enum TargetForm: UInt8, BitwiseCopyable, Sendable {
    /// A path, with or without a query.
    case origin
    /// A whole `http` URI.
    case absoluteHTTP
    /// A whole `https` URI.
    case absoluteHTTPS
    /// `*`, for OPTIONS only.
    case asterisk
}

/// A request head that has been read and found valid: offsets into its bytes, and what follows from its fields.
///
/// All ranges count from the first byte given to `parse`, so a leading empty line is included.
@frozen
public struct RequestHead: BitwiseCopyable {
    public internal(set) var method = Method.other
    public internal(set) var form = TargetForm.origin
    /// 0 or 1.
    public internal(set) var minorVersion: UInt8 = 1
    /// Whether the client is willing to keep the connection (RFC 9112, 9.3): `close` wins; HTTP/1.0 has to ask for it.
    public internal(set) var keepAlive = true
    /// Whether the client asks to leave HTTP: HTTP/1.1, `Connection: upgrade` and an Upgrade field (RFC 9110, 7.8).
    public internal(set) var upgrade = false
    /// Whether the client waits for 100 before a body that it has announced (RFC 9110, 10.1.1). Never in HTTP/1.0.
    public internal(set) var expectsContinue = false
    /// Whether the client takes trailers (RFC 9110, 10.1.4).
    public internal(set) var teTrailers = false
    /// Whether Connection names fields of which the gateway knows nothing; false for `close`, `keep-alive`, `upgrade` and the like. Those
    /// that are there are marked: `KnownField.nominated`.
    public internal(set) var hasConnectionOptions = false
    /// Whether the target has a question mark.
    public internal(set) var hasQuery = false

    /// The method as it was sent.
    public internal(set) var methodRange = HeadRange(start: 0, count: 0)
    /// The target as it was sent.
    public internal(set) var target = HeadRange(start: 0, count: 0)
    /// The path as it was sent; empty where the absolute form has none, which means `/`: see `path(in:)`.
    public internal(set) var pathRange = HeadRange(start: 0, count: 0)
    /// The query without its question mark. Empty both for `/a?` and for `/a`: `hasQuery` tells.
    public internal(set) var queryRange = HeadRange(start: 0, count: 0)
    /// What the client calls us, port included: the authority of the absolute form, else the value of Host. Empty only in
    /// HTTP/1.0.
    public internal(set) var authority = HeadRange(start: 0, count: 0)
    /// The host in `authority`, brackets included.
    public internal(set) var hostName = HeadRange(start: 0, count: 0)
    /// The port in `authority`; nil if there is none or it is empty.
    public internal(set) var port: UInt16?
    /// Index of the Host line; nil only in HTTP/1.0.
    public internal(set) var host: Int?

    /// Bytes of the head, the empty line and a leading one included: the body starts there.
    public internal(set) var length = 0
    /// How the body's end is known (RFC 9112, 6.3).
    public internal(set) var framing = BodyFraming.none
    public var fields: FieldTable

    /// A head in which nothing stands yet; `slots` has room for `capacity` lines and outlives it.
    @inlinable
    @inline(__always)
    public init(slots: UnsafeMutablePointer<FieldSlot>, capacity: Int) {
        fields = FieldTable(slots: slots, capacity: capacity)
    }

    /// The path as it was sent, `/` for an absolute form without one, `*` for the asterisk form. Never empty.
    @inlinable
    @inline(__always)
    public func path(in bytes: ByteView) -> ByteView {
        pathRange.count == 0 ? ByteView("/" as StaticString) : bytes[pathRange.range]
    }

    /// A body follows although neither Content-Length nor Transfer-Encoding says so, as over HTTP/2: what the head says of it holds.
    public mutating func announceBody(in bytes: ByteView) {
        guard let line = fields.first(.expect) else { return }
        expectsContinue = bytes[fields[line].value].equalsIgnoringCase("100-continue")
    }

    /// The body has been asked for: nobody else needs to tell the client that it may send it.
    public mutating func settleExpectation() { expectsContinue = false }

    /// The query without its question mark, or nil.
    @inlinable
    @inline(__always)
    public func query(in bytes: ByteView) -> ByteView? {
        hasQuery ? bytes[queryRange.range] : nil
    }
}
