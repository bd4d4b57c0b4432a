/// The states of a stream that anybody knows of (RFC 9113, 5.1). The idle ones are not kept, and of those that have ended only what
/// late frames are judged by.
enum HTTP2StreamState: UInt8, BitwiseCopyable {
    case open
    /// We have sent END_STREAM.
    case halfClosedLocal
    /// The other side has.
    case halfClosedRemote
    /// Both have.
    case ended
    /// RST_STREAM, ours.
    case resetByUs
    /// RST_STREAM, the other side's; or it has said that it never saw the stream.
    case resetByPeer

    var isClosed: Bool { rawValue >= HTTP2StreamState.ended.rawValue }
    /// Whether content or trailers may come.
    var mayReceive: Bool { self == .open || self == .halfClosedLocal }
    /// Whether content or trailers may be sent.
    var maySend: Bool { self == .open || self == .halfClosedRemote }
}

/// A stream from its first block of fields until the caller releases it.
struct HTTP2Stream: BitwiseCopyable {
    var identifier: UInt32
    var state: HTTP2StreamState
    /// The head of the response has come (in a client).
    var hasFinalHead = false
    /// The request was HEAD (in a client): the response has no content, whatever it says.
    var isHead = false
    /// Credit that could not be written for want of room.
    var owesCredit = false
    /// RST_STREAM that could not be written for want of room; the code is in `resetCode`.
    var owesReset = false
    /// The next in the chain of the same bucket, plus one; in free slots the next free one, plus one.
    var next: UInt16 = 0
    var resetCode: UInt32 = 0
    /// Bytes that may be sent; negative if the other side has taken back what was used (RFC 9113, 6.9.2).
    var sendWindow: Int64
    /// Bytes that the other side may send; negative likewise.
    var receiveWindow: Int64
    /// Bytes consumed that the other side was not told of.
    var unannounced = 0
    /// Bytes handed to the caller and not consumed.
    var held = 0
    /// Bytes of content that have to come, or -1 if nobody has said.
    var contentLeft: Int64 = -1
    /// Whatever the caller keeps with the stream.
    var tag: UInt = 0
}
