import SluiceHTTP

/// The header of a frame (RFC 9113, 4.1), and the types and flags of frames.
struct HTTP2Frame: BitwiseCopyable {
    static let headerBytes = 9
    /// The most payload that we take in a frame, which is what every endpoint must (RFC 9113, 4.2). A larger one would only let a stream hold up
    /// the others for longer.
    static let payloadBytesMax = 16_384

    enum Kind {
        static let data: UInt8 = 0, headers: UInt8 = 1, priority: UInt8 = 2, resetStream: UInt8 = 3, settings: UInt8 = 4, pushPromise: UInt8 = 5
        static let ping: UInt8 = 6, goAway: UInt8 = 7, windowUpdate: UInt8 = 8, continuation: UInt8 = 9
    }

    enum Flag {
        static let endStream: UInt8 = 1, acknowledgement: UInt8 = 1, endHeaders: UInt8 = 4, padded: UInt8 = 8, priority: UInt8 = 32
    }

    enum Setting {
        static let headerTableSize: UInt16 = 1, enablePush: UInt16 = 2, maxConcurrentStreams: UInt16 = 3, initialWindowSize: UInt16 = 4, maxFrameSize: UInt16 = 5
        static let maxHeaderListSize: UInt16 = 6
        /// RFC 8441, 3.
        static let enableConnectProtocol: UInt16 = 8
    }

    /// Bytes of payload.
    var length = 0
    var kind: UInt8 = 0
    var flags: UInt8 = 0
    /// Without the reserved bit.
    var stream: UInt32 = 0

    init() {}

    /// - Parameters:
    ///   - first: the first of the nine bytes.
    ///   - rest: the others.
    @inline(__always)
    init(first: UInt64, rest: UInt64) {
        length = Int(first &<< 16 | rest &>> 48)
        kind = UInt8(truncatingIfNeeded: rest &>> 40)
        flags = UInt8(truncatingIfNeeded: rest &>> 32)
        stream = UInt32(truncatingIfNeeded: rest & 0x7FFF_FFFF)
    }

    @inline(__always)
    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }

    /// Writes the header of a frame: the one function that does, so that lengths are those of what was written.
    @inline(__always)
    static func writeHeader(length: Int, kind: UInt8, flags: UInt8, stream: UInt32, at place: UnsafeMutablePointer<UInt8>) {
        place[0] = UInt8(truncatingIfNeeded: length &>> 16)
        place[1] = UInt8(truncatingIfNeeded: length &>> 8)
        place[2] = UInt8(truncatingIfNeeded: length)
        place[3] = kind
        place[4] = flags
        UnsafeMutableRawPointer(place + 5).storeBytes(of: stream.bigEndian, as: UInt32.self)
    }
}
