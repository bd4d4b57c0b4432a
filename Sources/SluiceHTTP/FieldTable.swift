/// Where a run of bytes stands inside a message head. Offsets, not pointers: a head may be moved.
@frozen
public struct HeadRange: BitwiseCopyable, Sendable, Equatable {
    public var start: UInt32
    public var count: UInt32

    @inlinable
    @inline(__always)
    public init(start: Int, count: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.count = UInt32(truncatingIfNeeded: count)
    }

    @inlinable
    @inline(__always)
    public var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
}

/// One field line of a head: where its name and value stand (optional whitespace excluded), and which known field it is.
@frozen
public struct FieldSlot: BitwiseCopyable, Sendable {
    public var nameStart: UInt32
    public var valueStart: UInt32
    public var valueCount: UInt32
    public var nameCount: UInt16
    public var known: KnownField
    /// Whether the line is in the one spelling that is sent on anyway: one space before the value, none behind it. Such a line
    /// can be copied as it stands, with the two bytes of its end.
    public var isPlain: Bool

    @inlinable
    @inline(__always)
    public init(name: HeadRange, value: HeadRange, known: KnownField, isPlain: Bool) {
        nameStart = name.start
        nameCount = UInt16(truncatingIfNeeded: name.count)
        valueStart = value.start
        valueCount = value.count
        self.known = known
        self.isPlain = isPlain
    }

    @inlinable @inline(__always) public var name: Range<Int> { Int(nameStart)..<Int(nameStart) + Int(nameCount) }
    @inlinable @inline(__always) public var value: Range<Int> { Int(valueStart)..<Int(valueStart) + Int(valueCount) }
}

/// The fields that the gateway itself reads or treats specially; the parser recognises them once.
@frozen
public enum KnownField: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case other = 0
    case host, contentLength, transferEncoding, connection, keepAlive, proxyConnection, te, trailer, upgrade, expect
    case authorization, origin, accessControlRequestMethod, accessControlRequestHeaders
    case xForwardedFor, xForwardedProto, xForwardedHost, xRequestID, traceparent, tracestate, via
    case xTCTimestamp, xNHNDate, contentType, date, server, retryAfter, proxyAuthenticate, proxyAuthorization
    case forwarded, xRealIP
    case xForwardedPort, xForwardedPrefix
    /// What a gateway says of the certificate that the client has shown it.
    case xForwardedClientCert, clientCert, clientCertChain
    /// Any other `X-Forwarded-...`, and the two fields by which a front server tells the path that was asked for (X-Original-URL,
    /// X-Rewrite-URL): what a service believes of its proxy, and a stranger must not be able to say.
    case saidByProxies
    /// A name that holds a byte other than a letter, digit or hyphen: see `UnusualNames`.
    case unusual
    /// Named by the head's own Connection lines (`ConnectionOptions.markNominated`), or withheld like one.
    case nominated
}

extension KnownField {
    /// Whether this is not a field that is known by its name: what a rule wants of such a line, it has to look up by the name.
    @inlinable
    @inline(__always)
    public var isNameless: Bool { self == .other || self == .unusual || self == .nominated || self == .saidByProxies }
}

/// How the end of a message's body is known (RFC 9112, 6.3).
@frozen
public enum BodyFraming: BitwiseCopyable, Sendable, Equatable {
    /// There is no body.
    case none
    /// Content-Length: exactly this many bytes.
    case length(UInt64)
    /// Transfer-Encoding: chunked.
    case chunked
    /// A response that ends when the connection does.
    case untilClose
}

/// The request methods with a number of their own; every other token is `.other` and compared by its bytes.
@frozen
public enum Method: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case other = 0
    case get, head, post, put, delete, options, patch, connect, trace

    /// Whether sending the request twice does no more than sending it once (RFC 9110, 9.2.2). An unknown method may do more.
    @inlinable
    @inline(__always)
    public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .other, .post, .patch, .connect: false
        }
    }
}

/// The field lines of one head. `slots` is memory of the owner's with room for `capacity` lines.
@frozen
public struct FieldTable: BitwiseCopyable {
    public let slots: UnsafeMutablePointer<FieldSlot>
    public let capacity: Int
    /// Lines that were read: the slots from 0.
    public var count: Int
    /// One bit for every `KnownField` that occurs at least once, by raw value: an absent field costs one test.
    public var present: UInt64

    @inlinable
    @inline(__always)
    public init(slots: UnsafeMutablePointer<FieldSlot>, capacity: Int) {
        self.slots = slots
        self.capacity = capacity
        count = 0
        present = 0
    }

    /// Index of the first line of this field.
    @inlinable
    @inline(__always)
    public func first(_ known: KnownField) -> Int? {
        // Most fields that are asked for are not there: that costs no call.
        present & known.bit == 0 ? nil : search(known)
    }

    @usableFromInline
    @inline(never)
    func search(_ known: KnownField) -> Int? {
        var index = 0
        while index < count {
            if slots[index].known == known { return index }
            index += 1
        }
        return nil
    }

    @inlinable
    @inline(__always)
    public subscript(index: Int) -> FieldSlot {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
        return slots[index]
    }
}
