/// What of HPACK never changes, made once in a process. Sessions hold a pointer to it, so that nobody asks on the way whether it is made.
struct HPACKTables: BitwiseCopyable, @unchecked Sendable {
    let huffman: HuffmanCode
    let fields: HPACKStaticTable

    nonisolated(unsafe) static let shared: UnsafePointer<HPACKTables> = {
        let memory = UnsafeMutablePointer<HPACKTables>.allocate(capacity: 1)
        memory.initialize(to: HPACKTables(huffman: HuffmanCode(), fields: HPACKStaticTable()))
        return UnsafePointer(memory)
    }()
}
