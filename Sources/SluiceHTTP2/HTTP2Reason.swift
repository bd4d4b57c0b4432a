/// The rule by which a stream or a connection was refused: what metrics count and logs say, more exact than the code that the other side is told.
package enum HTTP2Reason: UInt8, BitwiseCopyable, Equatable, Sendable, CaseIterable {
    // Of the connection: what is no HTTP/2.
    /// The client's first bytes are not the connection preface (RFC 9113, 3.4).
    case preface
    /// The first frame is no SETTINGS (RFC 9113, 3.4).
    case firstFrame
    /// A frame is longer than was allowed (RFC 9113, 4.2).
    case frameTooLong
    /// A frame has not the length that its type has, or has to be a multiple of (RFC 9113, 4.2).
    case frameLength
    /// Padding as long as the frame or longer (RFC 9113, 6.1).
    case padding
    /// A frame of this type must not come on stream 0, or only there.
    case streamZero
    /// A stream identifier that the other side may not use, or not any more (RFC 9113, 5.1.1).
    case streamNumber
    /// A frame for a stream that nobody has opened (RFC 9113, 5.1).
    case idleStream
    /// A frame for a stream that has ended (RFC 9113, 5.1).
    case closedStream
    /// Another frame within a block of fields, or CONTINUATION without one (RFC 9113, 6.10).
    case continuation
    /// PUSH_PROMISE: nobody may push here (RFC 9113, 8.4).
    case push
    /// A setting has no legal value (RFC 9113, 6.5.2).
    case settingValue
    /// The other side sent more than its window (RFC 9113, 6.9.1).
    case windowExceeded
    /// A window would be larger than 2^31-1 (RFC 9113, 6.9.1).
    case windowOverflow
    /// WINDOW_UPDATE by nothing (RFC 9113, 6.9).
    case windowIncrement
    /// A stream depends on itself (RFC 7540, 5.3.1).
    case selfDependency
    /// The block of fields cannot be decoded (RFC 7541): index, integer, Huffman code, or a change of the table's size out of place.
    case compression

    // Of the connection: abuse.
    /// More CONTINUATION frames than `HTTP2Limits.continuationFrames`.
    case continuationFlood
    /// More bytes of an encoded block than `HTTP2Limits.blockBytes`.
    case blockTooLong
    /// More decoded bytes, as RFC 9113, 6.5.2 counts them, than `HTTP2Limits.decodedBytes`.
    case decodedTooLong
    /// More settings in a frame than `HTTP2Limits.settingsPerFrame`.
    case settingsFlood
    /// More streams have ended before their response than `HTTP2Limits.resetBurst` and `resetsPerSecond` allow, whoever reset them.
    case resetFlood
    /// More frames that move nothing forward than `HTTP2Limits.glitchBurst` and `glitchesPerSecond` allow.
    case glitchFlood

    // Of one stream: a malformed message (RFC 9113, 8.1.1).
    /// A field name that is no token in lower case.
    case fieldName
    /// A field value with a control character, or with a blank at an end.
    case fieldValue
    /// A field that belongs to a connection of HTTP/1, or TE with anything but `trailers`.
    case connectionField
    /// A pseudo-header field behind another field, twice, in trailers, unknown, or of the other kind of message.
    case pseudoField
    /// `:method`, `:scheme` or `:path` is missing; or `:status`.
    case missingPseudoField
    /// `:method` is no token.
    case method
    /// CONNECT, which is served to nobody.
    case connect
    /// `:protocol` where it is not allowed, without CONNECT, or on a request that ends or has a length.
    case protocolField
    /// `:scheme` is neither `http` nor `https`.
    case scheme
    /// `:path` begins with no slash, is a `*` without OPTIONS, or holds what ends a request target.
    case path
    /// `:authority` is empty, or holds what an authority cannot.
    case authority
    /// Host and `:authority` differ.
    case hostMismatch
    /// `:status` has not three digits, or is 101 (RFC 9113, 8.6).
    case status
    /// Content-Length is no number, or there are two that differ.
    case contentLength
    /// The content is not as long as Content-Length says (RFC 9113, 8.1.1).
    case contentLengthMismatch
    /// A block of fields behind the head that does not end the stream (RFC 9113, 8.1).
    case trailersWithoutEnd
    /// Content before the head of a response.
    case contentBeforeHead

    // Of one stream: valid, but too much.
    /// The head is longer than `HTTP2Limits.headBytes`.
    case headTooLong
    /// The head has more fields than `HTTP2Limits.fields`.
    case tooManyFields
    /// The head has more cookie crumbs than `HTTP2Limits.crumbs`.
    case tooManyCrumbs
    /// More streams at once than `HTTP2Limits.concurrentStreams`.
    case tooManyStreams
    /// More bytes of heads at once, over all requests under way, than the server keeps for a connection. Said by the caller, not by a session.
    case headsTooLong

    // Of one stream: without a fault of the other side.
    /// The other side reset the stream.
    case byPeer
    /// The other side has said by GOAWAY that it never looked at the stream.
    case goneAway

    /// As metrics and logs have it.
    package var name: String { "\(self)" }
}
