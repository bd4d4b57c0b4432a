import SluiceHTTP

/// A document that was read: its text, and where each of its values stands in that. Valid as long as both.
struct JSONIndex: BitwiseCopyable {
    let text: UnsafePointer<UInt8>
    let entries: UnsafePointer<JSONEntry>
    /// The document's own value is entry 0.
    let count: Int

    @inline(__always)
    subscript(index: Int) -> JSONEntry {
        assert(index >= 0 && index < count)
        return entries[index]
    }

    /// Of a number, a string or a name: what stands in the text.
    @inline(__always)
    func raw(_ entry: JSONEntry) -> ByteView { ByteView(base: text + Int(entry.offset), count: Int(entry.count)) }

    /// Of a string or a name: what it says, decoded into `room` if it has escapes.
    @inline(__always)
    func string(_ entry: JSONEntry, _ room: inout JSONMemory.Room<UInt8>) -> ByteView {
        entry.traits.contains(.isEscaped) ? JSONString.decode(raw(entry), into: &room) : raw(entry)
    }
}
