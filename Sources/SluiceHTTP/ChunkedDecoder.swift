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
        // The extension grammar: name, `=`, token or quoted string; a blank must be followed by what the grammar wants next.
        case beforeSemicolon, beforeName, name, afterName, beforeValue, value, quoted, quotedPair, afterQuoted
        case sizeLineFeed
        case content, contentCarriageReturn, contentLineFeed
        case ended, failed
    }

    private var step = Step.sizeStart
    private var digits: UInt8 = 0
    private var extensionBytes: UInt16 = 0
    /// The chunk size while its digits come; then the bytes of content still to come.
    private var remaining: Int64 = 0

    package init() {}

    /// Decodes `count` bytes at `bytes` and moves the content among them to the front.
    package mutating func decode(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) -> Outcome {
        var read = 0
        var written = 0
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
                guard let digitCount = plainSize(bytes + read, count: count &- read) else {
                    step = afterSizeLineByte(bytes[read])
                    read &+= 1
                    continue
                }
                read &+= digitCount &+ 2
                step = remaining == 0 ? .ended : .content
            case .contentLineFeed:
                step = bytes[read] == Ascii.lineFeed ? .sizeStart : .failed
                read &+= 1
            case .ended:
                return Outcome(content: written, consumed: read, state: .trailers)
            case .failed:
                return Outcome(content: written, consumed: read, state: .malformed)
            case .name, .value, .beforeSemicolon, .beforeName, .afterName, .beforeValue, .quoted, .quotedPair, .afterQuoted:
                read = afterExtension(bytes, from: read, to: count)
            default:
                step = afterSizeLineByte(bytes[read])
                read &+= 1
            }
        }
        let state: State = step == .failed ? .malformed : step == .ended ? .trailers : .more
        return Outcome(content: written, consumed: read, state: state)
    }

    /// Reads a whole line that holds a size and nothing else, as nearly all do. Nil, and nothing changed, if it is none or has not come whole.
    ///
    /// - Returns: how many digits it has.
    @inline(__always)
    private mutating func plainSize(_ bytes: UnsafePointer<UInt8>, count: Int) -> Int? {
        let digitsMax = min(count &- 2, 16)
        var size: Int64 = 0
        var index = 0
        while index < digitsMax {
            let digit = bytes[index].hexValue
            if digit >= 16 { break }
            size = size &<< 4 | Int64(digit)
            index &+= 1
        }
        // Of sixteen digits the first may be 7 at most.
        guard index > 0, size >= 0, index &+ 2 <= count, WordScan.pair(bytes, index) == WordScan.lineEnd else { return nil }
        remaining = size
        return index
    }

    /// The step after one byte of a chunk-size line.
    @inline(__always)
    private mutating func afterSizeLineByte(_ byte: UInt8) -> Step {
        switch step {
        case .sizeStart:
            let digit = byte.hexValue
            guard digit < 16 else { return .failed }
            remaining = Int64(digit)
            digits = 1
            extensionBytes = 0
            return .size
        case .size:
            let digit = byte.hexValue
            guard digit < 16 else { return byte == Ascii.carriageReturn ? .sizeLineFeed : counted(.size, byte) }
            // Over 2^63 - 1 the fourth bit from the top would be lost.
            guard digits < ChunkedDecoder.sizeDigitsMax, remaining <= Int64.max &>> 4 else { return .failed }
            digits &+= 1
            remaining = remaining &<< 4 | Int64(digit)
            return .size
        case .sizeLineFeed:
            guard byte == Ascii.lineFeed else { return .failed }
            return remaining == 0 ? .ended : .content
        default:
            return counted(step, byte)
        }
    }

    /// The step after one byte of an extension, of which there may be so many.
    private mutating func counted(_ step: Step, _ byte: UInt8) -> Step {
        extensionBytes &+= 1
        // The CR that ends the line is counted too.
        return extensionBytes <= UInt16(ChunkedDecoder.extensionBytesMax) + 1 ? ChunkedDecoder.extensionStep(step, byte) : .failed
    }

    /// Reads an extension as far as it has come, in the step that it is in, and returns where it went on to something else.
    private mutating func afterExtension(_ bytes: UnsafePointer<UInt8>, from start: Int, to count: Int) -> Int {
        var step = step
        let left = ChunkedDecoder.extensionBytesMax &+ 1 &- Int(extensionBytes)
        let end = min(count, start &+ left)
        var index = start
        while index < end {
            step = ChunkedDecoder.extensionStep(step, bytes[index])
            index &+= 1
            if step == .sizeLineFeed || step == .failed { break }
        }
        extensionBytes &+= UInt16(truncatingIfNeeded: index &- start)
        // One byte more than there may be.
        if index == end, end < count, step != .sizeLineFeed, step != .failed {
            step = .failed
            index &+= 1
        }
        self.step = step
        return index
    }

    /// The step after one byte of `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ) CR` (RFC 9112, 7.1.1).
    @inline(__always)
    private static func extensionStep(_ step: Step, _ byte: UInt8) -> Step {
        let isToken = ByteClass.isMember(byte, of: ByteClass.token)
        switch step {
        case .size, .afterQuoted:
            if byte == Ascii.carriageReturn { return .sizeLineFeed }
            return byte == Ascii.semicolon ? .beforeName : byte.isBlank ? .beforeSemicolon : .failed
        case .beforeSemicolon:
            return byte == Ascii.semicolon ? .beforeName : byte.isBlank ? .beforeSemicolon : .failed
        case .beforeName:
            return isToken ? .name : byte.isBlank ? .beforeName : .failed
        case .name:
            if isToken { return .name }
            if byte == Ascii.carriageReturn { return .sizeLineFeed }
            return byte == Ascii.equals ? .beforeValue : byte == Ascii.semicolon ? .beforeName : byte.isBlank ? .afterName : .failed
        case .afterName:
            return byte == Ascii.equals ? .beforeValue : byte == Ascii.semicolon ? .beforeName : byte.isBlank ? .afterName : .failed
        case .beforeValue:
            return isToken ? .value : byte == Ascii.quote ? .quoted : byte.isBlank ? .beforeValue : .failed
        case .value:
            if isToken { return .value }
            if byte == Ascii.carriageReturn { return .sizeLineFeed }
            return byte == Ascii.semicolon ? .beforeName : byte.isBlank ? .beforeSemicolon : .failed
        case .quoted:
            if byte == Ascii.quote { return .afterQuoted }
            if byte == Ascii.backslash { return .quotedPair }
            return ChunkedDecoder.isText(byte) ? .quoted : .failed
        case .quotedPair:
            return ChunkedDecoder.isText(byte) ? .quoted : .failed
        default:
            return .failed
        }
    }

    /// HTAB, space, visible ASCII or a byte beyond ASCII.
    private static func isText(_ byte: UInt8) -> Bool {
        byte == Ascii.tab || byte >= 0x20 && byte != 0x7F
    }
}
