package import SluiceHTTP

/// Which side of a connection we are.
package enum HTTP2Role: BitwiseCopyable, Sendable {
    case server
    case client
}

/// One HTTP/2 connection (RFC 9113), as a state machine without I/O.
///
/// Bytes go in by `next`, which answers with one event at a time and uses up no more than belongs to it. What has to be sent is written into an
/// output of the caller's. Nothing is retained: content is handed out where it came in, heads are decoded into memory that the caller lends, and the memory of a
/// session itself is a few hundred bytes, tables of streams and of HPACK being taken when the first of each is needed.
///
/// The caller owns the session and calls `deallocate` when the connection has ended. It belongs to one thread at a time.
///
/// What a stream takes:
///
/// 1. `.head`: the stream is open until the caller has called `release`, whatever the other side does in the meantime: one that was reset
///    counts as open as long as somebody works for it.
/// 2. `.data`, each answered sooner or later by `consumed`; `.trailers`; or `.reset`, with which everything ends.
/// 3. `sendHead`, `beginData`, `sendTrailers`; or `reset`.
/// 4. `release`.
///
/// What is asked again and again is `mutating` although it changes nothing: callers have a session behind a pointer, and of a method that cannot change it the
/// compiler makes them pass a copy, of 700 bytes each time. That was a fifteenth of what a request costs.
package struct HTTP2Session: BitwiseCopyable {
    /// What is being read.
    enum Step: UInt8, BitwiseCopyable {
        /// The client's first bytes (RFC 9113, 3.4).
        case preface
        case frameHeader
        /// The length of the padding, of HEADERS and DATA.
        case padLength
        /// The five bytes of priority in HEADERS.
        case blockPriority
        /// Fields, of HEADERS and CONTINUATION.
        case block
        case content
        /// What nobody wants: padding, frames of unknown types, content of streams that have ended.
        case skip
        case setting, ping, goAway, resetStream, windowUpdate, priority
        /// The connection has failed: nothing is read any more.
        case failed
    }

    /// The block of fields that is being read: of one stream, in one or several frames.
    struct Block: BitwiseCopyable {
        var stream: UInt32 = 0
        var endsStream = false
        /// CONTINUATION frames.
        var continuations = 0
        /// Encoded bytes.
        var bytes = 0
        /// What the stream is reset for when the block has been decoded.
        var verdict: HTTP2Reason?
        var code = HTTP2ErrorCode.noError
    }

    static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    /// The largest window (RFC 9113, 6.9.1), and the largest stream identifier.
    static let windowMax: Int64 = 0x7FFF_FFFF
    /// The window that every endpoint begins with (RFC 9113, 6.9.2).
    static let initialWindow: Int64 = 65_535
    /// Content in frames of fewer bytes costs who makes us read or send it next to nothing.
    static let dribbleBytes = 512
    /// Content in frames of as many bytes is never waited for to become more.
    static let enoughBytes: Int64 = 2_048

    package let role: HTTP2Role
    let limits: UnsafePointer<HTTP2Limits>
    let tables: UnsafePointer<HPACKTables>

    // Reading.
    var step: Step
    /// Bytes of what is gathered, or of the preface that have come.
    var gathered: UInt8 = 0
    var gatheredFirst: UInt64 = 0
    var gatheredRest: UInt64 = 0
    var frame = HTTP2Frame()
    /// Bytes of the frame that are to come, without its padding.
    var left = 0
    var padding = 0
    var settingsLeft = 0
    var sawSettings = false
    /// A block is not whole: no other frame may come.
    package internal(set) var isInBlock = false
    var block = Block()
    var decoder: HPACKDecoder
    var assembly: HeadAssembly

    // Streams.
    var streams: HTTP2StreamTable
    /// The highest that the other side has opened.
    var lastPeerStream: UInt32 = 0
    /// The highest that we have opened.
    var lastOwnStream: UInt32 = 0
    /// Streams of the other side above this are not served: what our GOAWAY said.
    var lastAccepted: UInt32 = 0x7FFF_FFFF
    /// Our own streams above this are not served: what the other side's GOAWAY said.
    var lastServed: UInt32 = 0x7FFF_FFFF
    package internal(set) var hasGoAway = false

    // Windows.
    var sendWindow = initialWindow
    var receiveWindow = initialWindow
    /// Bytes that the other side may send again, but does not know yet.
    var unannounced: Int64 = 0
    /// What new streams begin with: to send, and to receive.
    var streamSendWindow = initialWindow
    var streamReceiveWindow = initialWindow
    /// Credit or resets wait for room.
    package internal(set) var owesAnswers = false

    // What the other side has said.
    var peerFrameBytes = 16_384
    var peerStreams = Int.max
    var owesSizeUpdate = false
    /// Whether it takes requests for other protocols (RFC 8441, 3).
    package internal(set) var peerTakesConnect = false
    /// SETTINGS of ours that are not acknowledged.
    var unacknowledged = 0

    // Abuse.
    var resets = TokenBucket()
    var glitches = TokenBucket()
    /// Frames that move nothing forward, but belong to what did: see `earn`.
    var earned = 0
    var queuedAnswers = 0

    var failureCode = HTTP2ErrorCode.noError
    var failureReason = HTTP2Reason.preface

    /// - Parameter limits: clamped; lives as long as the session and may be shared by all of them.
    package init(role: HTTP2Role, limits: UnsafePointer<HTTP2Limits>) {
        self.role = role
        self.limits = limits
        tables = HPACKTables.shared
        streams = HTTP2StreamTable(streams: limits.pointee.concurrentStreams)
        step = role == .server ? .preface : .frameHeader
        // Until our settings are acknowledged, the other side may go by what every endpoint begins with.
        decoder = HPACKDecoder(maximum: max(HPACKDecoder.initialTableBytes, limits.pointee.headerTableBytes), tables: tables)
        assembly = HeadAssembly(limits: limits)
    }

    /// Gives all memory back. The session is not to be used afterwards.
    package mutating func deallocate() {
        decoder.deallocate()
        streams.deallocate()
    }

    /// Gives memory back that an idle connection does not need.
    package mutating func trim() {
        streams.trim()
        decoder.trim()
    }

    /// Bytes that the session holds, itself included.
    package var memory: Int { MemoryLayout<HTTP2Session>.size + streams.memory + decoder.table.memory }

    /// Streams that are not released.
    package var openStreams: Int { mutating get { streams.count } }

    /// The highest stream that the other side has opened.
    package var lastStream: UInt32 { lastPeerStream }

    /// Whether content or trailers may come on the stream. A server that has answered all of such a request resets it with `.noError`.
    package mutating func mayReceive(_ stream: UInt32) -> Bool { streams.find(stream)?.pointee.state.mayReceive == true }

    /// Whether content or trailers may be sent on the stream, the windows aside.
    package mutating func maySend(_ stream: UInt32) -> Bool { streams.find(stream)?.pointee.state.maySend == true }

    /// Sets what the caller keeps with a stream until its release, such as where its exchange is.
    package mutating func setTag(_ tag: UInt, of stream: UInt32) { streams.find(stream)?.pointee.tag = tag }

    /// What the caller keeps with a stream: 0 if it has set nothing, nil if the stream is released or was never there.
    @inline(__always)
    package mutating func tag(of stream: UInt32) -> UInt? { streams.find(stream)?.pointee.tag }

    /// The next of the streams that are not released, in no particular order: for whoever has to look at all of them. Streams may be released between two calls.
    ///
    /// - Parameter place: 0 at first.
    package mutating func nextStream(_ place: inout Int) -> (stream: UInt32, tag: UInt)? {
        streams.next(&place).map { ($0.pointee.identifier, $0.pointee.tag) }
    }

    /// Whether a connection that begins with these bytes speaks HTTP/2 by prior knowledge (RFC 9113, 3.3); nil if they are too few to tell. No request of HTTP/1
    /// begins so: its method would be PRI, and its target the asterisk.
    package static func isPreface(_ bytes: ByteView) -> Bool? {
        let preface = ByteView(preface)
        let count = min(bytes.count, preface.count)
        guard bytes[..<count].equals(preface[..<count]) else { return false }
        return count == preface.count ? true : nil
    }

    /// Whether the other side has begun as it has to: its preface and its first SETTINGS have come (RFC 9113, 3.4).
    package var hasBegun: Bool { sawSettings }

    /// Whether less than a frame may come on the connection, because content of other streams is not consumed.
    package var isReceiveWindowShut: Bool { receiveWindow < Int64(HTTP2Frame.payloadBytesMax) }

    /// Whether the connection has failed.
    package var isFailed: Bool { step == .failed }

    /// Writes what comes first: the preface of a client, SETTINGS, and the window of the connection. Called once, with `HTTP2Output.reserve` bytes of room.
    package mutating func start(_ output: inout HTTP2Output) {
        precondition(output.room >= HTTP2Output.reserve)
        if role == .client { output.write(Self.preface) }
        let limits = limits.pointee
        let header = output.next
        output.add(HTTP2Frame.headerBytes)
        let start = output.count
        if role == .client {
            output.writeSetting(HTTP2Frame.Setting.enablePush, 0)
        } else {
            output.writeSetting(HTTP2Frame.Setting.maxConcurrentStreams, limits.concurrentStreams)
            if limits.extendedConnect { output.writeSetting(HTTP2Frame.Setting.enableConnectProtocol, 1) }
        }
        if limits.headerTableBytes != HPACKDecoder.initialTableBytes { output.writeSetting(HTTP2Frame.Setting.headerTableSize, limits.headerTableBytes) }
        output.writeSetting(HTTP2Frame.Setting.initialWindowSize, limits.streamWindow)
        // As RFC 9113, 6.5.2 counts, a field takes 32 bytes more than its text.
        output.writeSetting(HTTP2Frame.Setting.maxHeaderListSize, limits.headBytes + limits.fields * HPACKDynamicTable.overhead)
        HTTP2Frame.writeHeader(length: output.count - start, kind: HTTP2Frame.Kind.settings, flags: 0, stream: 0, at: header)
        unacknowledged = 1
        let more = Int64(limits.connectionWindow) - receiveWindow
        guard more > 0 else { return }
        output.write(kind: HTTP2Frame.Kind.windowUpdate, stream: 0, number: UInt32(truncatingIfNeeded: more))
        receiveWindow += more
    }

    /// Ends the connection: nothing is read any more.
    mutating func fail(_ code: HTTP2ErrorCode, _ reason: HTTP2Reason, _ output: inout HTTP2Output) -> HTTP2Event {
        writeGoAway(lastStream: min(lastPeerStream, lastAccepted), code, &output)
        step = .failed
        failureCode = code
        failureReason = reason
        return .failed(code: code, reason: reason)
    }

    /// Writes GOAWAY, if there is room (which there is where a frame is read).
    mutating func writeGoAway(lastStream: UInt32, _ code: HTTP2ErrorCode, _ output: inout HTTP2Output) {
        guard output.room >= HTTP2Frame.headerBytes + 8 else { return }
        output.write(kind: HTTP2Frame.Kind.goAway, flags: 0, eight: UInt64(lastStream) << 32 | UInt64(code.rawValue))
    }
}
