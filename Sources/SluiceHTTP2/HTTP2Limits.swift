/// Every bound of a connection, with its unit. The defaults are what the process's settings begin with.
package struct HTTP2Limits: BitwiseCopyable, Sendable {
    // What is told to the other side.
    /// Streams that the other side may have open at once, 1 to 65,535. One that was reset counts until it is released.
    package var concurrentStreams = 100
    /// Bytes of content that may be under way on a stream, 1 to 2^31-1: what a caller may have to keep of one stream.
    package var streamWindow = 65_536
    /// Bytes of content that may be under way on all streams, 65,535 to 2^31-1. Enough for all of them by default: what nobody consumes of some
    /// streams would hold up the others.
    package var connectionWindow = 6_553_600
    /// Bytes of the table that the other side may keep here for HPACK, 0 to 65,535.
    package var headerTableBytes = 4_096

    /// Whether clients may ask for other protocols over a stream (RFC 8441): it is announced then, and CONNECT with `:protocol` is the request for an upgrade
    /// that HTTP/1.1 would have had. Otherwise `:protocol` is malformed.
    package var extendedConnect = false

    // Of heads.
    /// Bytes of a head as text; more is `.headTooLong`.
    package var headBytes = 32_768
    /// Fields of a head, cookie crumbs together being one; more is `.tooManyFields`.
    package var fields = 128
    /// Cookie crumbs of a head (RFC 9113, 8.2.3): honest browsers send some dozens.
    package var crumbs = 256
    /// CONTINUATION frames behind one HEADERS, empty ones too; more ends the connection.
    package var continuationFrames = 8
    /// Bytes of one encoded block; more ends the connection.
    package var blockBytes = 65_536
    /// Bytes of one decoded block, counted as RFC 9113, 6.5.2 does and whether or not a field is kept; more ends the connection. What is
    /// between `headBytes` and this is read on, so that the other side can be told that its head is too large.
    package var decodedBytes = 98_304

    // Of abuse: each a bucket of tokens. One that is empty ends the connection with ENHANCE_YOUR_CALM.
    /// Streams that may end before their response has, at once: by RST_STREAM of the other side, or because of a fault of it. Heads that are too large count, too.
    package var resetBurst = 500
    /// The same, each second, on and on.
    package var resetsPerSecond = 100
    /// Frames that move nothing forward, at once: empty DATA, PING, SETTINGS behind the first, PRIORITY, RST_STREAM, WINDOW_UPDATE, frames of unknown
    /// types and of ended streams. Free are two for each request, and three for each frame of content that was sent.
    package var glitchBurst = 1_000
    /// The same, each second, on and on.
    package var glitchesPerSecond = 200
    /// Settings in one frame.
    package var settingsPerFrame = 64
    /// Answers that may wait for being sent (acknowledgements, resets, credit); more stops the reading.
    package var queuedAnswers = 64

    package init() {}

    /// The limits with every value within its range.
    package var clamped: HTTP2Limits {
        var limits = self
        func clamp(_ value: inout Int, _ range: ClosedRange<Int>) { value = min(max(value, range.lowerBound), range.upperBound) }
        clamp(&limits.concurrentStreams, 1...65_535)
        clamp(&limits.streamWindow, 1...0x7FFF_FFFF)
        clamp(&limits.connectionWindow, 65_535...0x7FFF_FFFF)
        clamp(&limits.headerTableBytes, 0...HPACKDynamicTable.maximumLimit)
        clamp(&limits.headBytes, HTTP2HeadArea.capacityMin...0x0FFF_FFFF)
        clamp(&limits.fields, 1...65_535)
        clamp(&limits.crumbs, 1...65_535)
        clamp(&limits.continuationFrames, 0...65_535)
        clamp(&limits.blockBytes, 1...0x0FFF_FFFF)
        clamp(&limits.decodedBytes, 1...0x0FFF_FFFF)
        clamp(&limits.resetBurst, 1...0x0FFF_FFFF)
        clamp(&limits.resetsPerSecond, 0...0x0FFF_FFFF)
        clamp(&limits.glitchBurst, 1...0x0FFF_FFFF)
        clamp(&limits.glitchesPerSecond, 0...0x0FFF_FFFF)
        clamp(&limits.settingsPerFrame, 1...2_730)
        clamp(&limits.queuedAnswers, 1...65_535)
        return limits
    }
}
