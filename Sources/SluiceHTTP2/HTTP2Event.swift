package import SluiceHTTP

/// A head or trailer section that is whole: its text stands at the front of the memory that the caller lent.
package struct HTTP2Head: BitwiseCopyable, Equatable, Sendable {
    package var stream: UInt32
    /// Bytes of the text, its empty line included.
    package var count: Int
    /// Whether nothing follows it: no content, no trailers.
    package var endsStream: Bool
    /// What Content-Length says; nil if it is not there. The session sees to it that the content is so long.
    package var contentLength: UInt64?
    /// Whether `:scheme` is `https`; of requests.
    package var isHTTPS: Bool
    /// Whether the request is for another protocol over the stream (RFC 8441): its text asks for the upgrade, and the stream is to be answered by a head
    /// of status 200, for which 101 may be written, and then carries that protocol's bytes.
    package var isTunnel = false
}

/// A stream that is not to be answered or waited for any more.
package struct HTTP2Reset: BitwiseCopyable, Equatable, Sendable {
    package var stream: UInt32
    package var code: HTTP2ErrorCode
    package var reason: HTTP2Reason
    /// The other side has not begun with the request (RFC 9113, 8.7): it may be sent again, whatever its method.
    package var isUnprocessed: Bool
    /// The caller knows the stream, and has to release it. Of the others it learns for its counters only.
    package var isKnown: Bool
}

/// What has happened, one at a time.
package enum HTTP2Event: BitwiseCopyable, Sendable {
    /// The input is used up.
    case needMore
    /// Reading stops until what was written has been sent: `HTTP2Session.outputSent`.
    case outputFull
    /// A request; for a client an interim or a final response.
    case head(HTTP2Head)
    /// A request that is valid, but too large: the stream is open, and wants an answer.
    case headRefused(stream: UInt32, reason: HTTP2Reason, endsStream: Bool)
    /// Content, in the memory of the input. What the caller has no use for any more it says with `consumed`.
    case data(stream: UInt32, ByteView, endsStream: Bool)
    /// The stream ends with them.
    case trailers(HTTP2Head)
    case reset(HTTP2Reset)
    /// More may be sent on the stream than nothing, or than what was too little (`sendable(_:of:)`); on stream 0: on the connection, so maybe on any.
    case windowOpened(stream: UInt32)
    /// The other side's settings have changed: frames, windows of all streams, streams at once.
    case settingsChanged
    /// The other side takes no new streams; those up to this one it serves. The others are reset, one event each.
    case goAway(lastStream: UInt32, code: HTTP2ErrorCode)
    case pingAcknowledged(UInt64)
    /// The connection is at its end: the answer that says so is written, and no further byte is read.
    case failed(code: HTTP2ErrorCode, reason: HTTP2Reason)
}
