import SluiceHTTP

/// Copies field lines of a parsed head into another. Lines that stand next to each other and are in the one spelling that is
/// sent anyway (`Name: value`) are copied in one piece; any other is written anew.
struct FieldRuns {
    private let bytes: ByteView
    /// Where the lines stand that are to be copied and were not yet.
    private var start = 0
    private var end = 0

    /// - Parameters:
    ///   - bytes: the head that the lines stand in.
    ///   - prefix: how many bytes at its start are to be copied as well, in front of all lines: whole lines.
    init(_ bytes: ByteView, prefix: Int = 0) {
        self.bytes = bytes
        end = prefix
    }

    @inline(__always)
    mutating func add(_ slot: UnsafePointer<FieldSlot>, to writer: inout HeadWriter) {
        guard slot.pointee.isPlain else { return writeAnew(slot.pointee, to: &writer) }
        if end != Int(slot.pointee.nameStart) {
            finish(&writer)
            start = Int(slot.pointee.nameStart)
        }
        // With the line's end, which stands right behind the value.
        end = Int(slot.pointee.valueStart) &+ Int(slot.pointee.valueCount) &+ 2
    }

    /// Copies what is left; to be called after the last line.
    mutating func finish(_ writer: inout HeadWriter) {
        if end > start { writer.write(bytes[start..<end]) }
        start = 0
        end = 0
    }

    @inline(never)
    private mutating func writeAnew(_ slot: FieldSlot, to writer: inout HeadWriter) {
        finish(&writer)
        writer.write(bytes[slot.name])
        writer.write(": ")
        writer.write(bytes[slot.value])
        writer.write("\r\n")
    }
}
