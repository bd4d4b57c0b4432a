/// Takes the chunked transfer coding off a body, in place (RFC 9112, 7.1).
///
/// It can stop and go on at any byte. Extensions are checked against the grammar and dropped, as a recipient may.
package struct ChunkedDecoder: BitwiseCopyable, Sendable {
    /// Bytes of extension that one chunk-size line may hold, blanks included: nobody uses them, and they cost the sender nothing.
    package static let extensionBytesMax = 256
    private static let sizeDigitsMax: UInt8 = 16

    package struct Outcome: BitwiseCopyable, Sendable, Equatable {
        /// Bytes of content that stand at the front of the memory now. With `.malformed` too: those before the fault.
        package var content: Int
        /// Bytes of input used. With `.more` all of them.
        package var consumed: Int
        package var state: State
    }

    package enum State: BitwiseCopyable, Sendable {
        /// All input is used, and the body has not ended.
        case more
        /// The last chunk's line is used; the trailer section starts at `consumed`. Further calls use nothing.
        case trailers
        /// No further byte can make this valid. Further calls say the same.
        case malformed
    }

    private enum Step: BitwiseCopyable {
        case sizeStart, size
        /// In an extension: `extensionState` says where.
        case inExtension
        case sizeLineFeed
        case content, contentCarriageReturn, contentLineFeed
        case ended, failed
    }

    private var step = Step.sizeStart
    private var digits: UInt8 = 0
    private var extensionBytes: UInt16 = 0
    private var extensionState = ChunkExtension.start
    /// The chunk size while its digits come; then the bytes of content still to come.
    private var remaining: Int64 = 0

    package init() {}

    /// Decodes `count` bytes at `bytes` and moves the content among them to the front.
    package mutating func decode(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) -> Outcome {
        var read = 0
        var written = 0
        // Local, so that they need not be written to memory for each chunk.
        var step = step
        var remaining = remaining
        defer {
            self.step = step
            self.remaining = remaining
        }
        while read < count {
            switch step {
            case .content:
                let length = min(count &- read, Int(remaining))
                if length == 1 {
                    bytes[written] = bytes[read]
                } else if written != read {
                    (bytes + written).update(from: bytes + read, count: length)
                }
                written &+= length
                read &+= length
                remaining &-= Int64(length)
                if remaining == 0 { step = .contentCarriageReturn }
            case .contentCarriageReturn:
                if read &+ 2 <= count, WordScan.pair(bytes, read) == WordScan.lineEnd {
                    read &+= 2
                    step = .sizeStart
                    continue
                }
                step = bytes[read] == Ascii.carriageReturn ? .contentLineFeed : .failed
                read &+= 1
            case .sizeStart:
                guard let line = ChunkedDecoder.wholeSizeLine(bytes, from: read, to: count) else {
                    (step, remaining) = afterSizeLineByte(bytes[read], step, remaining)
                    read &+= 1
                    continue
                }
                read = line.end
                let size = Int(line.size)
                // A short chunk that has come whole, as many do where chunks come in numbers.
                if size &- 1 < 16, size > 0, count &- read >= size &+ 2, WordScan.pair(bytes, read &+ size) == WordScan.lineEnd {
                    for index in 0..<size { bytes[written &+ index] = bytes[read &+ index] }
                    written &+= size
                    read &+= size &+ 2
                    continue
                }
                remaining = line.size
                step = remaining == 0 ? .ended : .content
            case .contentLineFeed:
                step = bytes[read] == Ascii.lineFeed ? .sizeStart : .failed
                read &+= 1
            case .ended:
                return Outcome(content: written, consumed: read, state: .trailers)
            case .failed:
                return Outcome(content: written, consumed: read, state: .malformed)
            case .inExtension:
                (step, read) = afterExtension(bytes, from: read, to: count)
            case .size, .sizeLineFeed:
                (step, remaining) = afterSizeLineByte(bytes[read], step, remaining)
                read &+= 1
            }
        }
        let state: State = step == .failed ? .malformed : step == .ended ? .trailers : .more
        return Outcome(content: written, consumed: read, state: state)
    }

    /// Reads a whole chunk-size line. Nil if it is none or has not come whole.
    @inline(__always)
    private static func wholeSizeLine(_ bytes: UnsafePointer<UInt8>, from start: Int, to count: Int) -> (size: Int64, end: Int)? {
        let near = min(count, start &+ 16)
        var size: Int64 = 0
        var index = start
        while index < near {
            let digit = Hexadecimal.digit(bytes[index])
            if digit & 0x40 != 0 { break }
            size = size &<< 4 | Int64(digit & 15)
            index &+= 1
        }
        // Of sixteen digits the first may be 7 at most.
        guard index > start, size >= 0, index &+ 2 <= count else { return nil }
        if WordScan.pair(bytes, index) != WordScan.lineEnd {
            index = ChunkExtension.end(bytes, from: index, to: min(count &- 1, index &+ ChunkedDecoder.extensionBytesMax &+ 1))
            guard index >= 0, bytes[index] == Ascii.lineFeed else { return nil }
            index &-= 1
        }
        return (size, index &+ 2)
    }

    /// The step, and the size so far, after one byte of a chunk-size line that has not come whole, or is none.
    @inline(never)
    private mutating func afterSizeLineByte(_ byte: UInt8, _ step: Step, _ remaining: Int64) -> (Step, Int64) {
        switch step {
        case .sizeStart:
            let digit = byte.hexValue
            guard digit < 16 else { return (.failed, 0) }
            digits = 1
            return (.size, Int64(digit))
        case .size:
            let digit = byte.hexValue
            guard digit < 16 else { return (byte == Ascii.carriageReturn ? .sizeLineFeed : beginExtension(byte), remaining) }
            // Over 2^63 - 1 the fourth bit from the top would be lost.
            guard digits < ChunkedDecoder.sizeDigitsMax, remaining <= Int64.max &>> 4 else { return (.failed, 0) }
            digits &+= 1
            return (.size, remaining &<< 4 | Int64(digit))
        case .sizeLineFeed:
            guard byte == Ascii.lineFeed else { return (.failed, 0) }
            return (remaining == 0 ? .ended : .content, remaining)
        default:
            return (.failed, 0)
        }
    }

    private mutating func beginExtension(_ byte: UInt8) -> Step {
        extensionBytes = 1
        extensionState = ChunkExtension.next(ChunkExtension.start, byte)
        return extensionState == ChunkExtension.failed ? .failed : .inExtension
    }

    /// Reads an extension as far as it has come and may go.
    ///
    /// - Returns: the step that it leads to, and where that begins.
    @inline(never)
    private mutating func afterExtension(_ bytes: UnsafePointer<UInt8>, from start: Int, to count: Int) -> (Step, Int) {
        // The CR that ends the line is counted too.
        let left = ChunkedDecoder.extensionBytesMax &+ 1 &- Int(extensionBytes)
        let end = min(count, start &+ left)
        var state = extensionState
        var index = start
        while index < end, state < ChunkExtension.ended {
            state = ChunkExtension.next(state, bytes[index])
            index &+= 1
        }
        extensionBytes &+= UInt16(truncatingIfNeeded: index &- start)
        extensionState = state
        if state == ChunkExtension.ended { return (.sizeLineFeed, index) }
        if state == ChunkExtension.failed { return (.failed, index) }
        // One byte more than there may be.
        return index < count ? (.failed, index &+ 1) : (.inExtension, index)
    }
}
