import SluiceHTTP

/// Copies field lines of a parsed head into another. Lines that stand next to each other and are in the one spelling that is
/// sent anyway (`Name: value`) are copied in one piece; any other is written anew.
struct FieldRuns {
    private let bytes: ByteView
    /// Lines that are to be copied and were not yet.
    private var run = 0..<0

    /// - Parameter bytes: the head that the lines stand in.
    init(_ bytes: ByteView) { self.bytes = bytes }

    @inline(__always)
    mutating func add(_ slot: FieldSlot, to writer: inout HeadWriter) {
        let end = slot.value.upperBound + 2
        // One space before the value and the line's end right behind it.
        guard slot.value.lowerBound == slot.name.upperBound + 2, bytes[slot.name.upperBound + 1] == UInt8(ascii: " "),
            end <= bytes.count, bytes[slot.value.upperBound] == UInt8(ascii: "\r")
        else { return writeAnew(slot, to: &writer) }
        if run.upperBound == slot.name.lowerBound {
            run = run.lowerBound..<end
        } else {
            finish(&writer)
            run = slot.name.lowerBound..<end
        }
    }

    /// Copies what is left; to be called after the last line.
    @inline(__always)
    mutating func finish(_ writer: inout HeadWriter) {
        writer.write(bytes[run])
        run = 0..<0
    }

    private mutating func writeAnew(_ slot: FieldSlot, to writer: inout HeadWriter) {
        finish(&writer)
        writer.write(bytes[slot.name])
        writer.write(": ")
        writer.write(bytes[slot.value])
        writer.write("\r\n")
    }
}
