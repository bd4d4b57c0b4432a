/// What of HPACK never changes, made once in a process. Sessions hold a pointer to it, so that nobody asks on the way whether it is made.
/// Sendable, because its members are, and do not change.
struct HPACKTables: BitwiseCopyable, @unchecked Sendable {
    let huffman: HuffmanCode
    let fields: HPACKStaticTable

    /// Safe on any thread: made once, before anybody has it, and only read.
    nonisolated(unsafe) static let shared: UnsafePointer<HPACKTables> = {
        let memory = UnsafeMutablePointer<HPACKTables>.allocate(capacity: 1)
        memory.initialize(to: HPACKTables(huffman: HuffmanCode(), fields: HPACKStaticTable()))
        return UnsafePointer(memory)
    }()
}
