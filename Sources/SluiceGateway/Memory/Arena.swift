import SluiceHTTP

/// Memory that lives exactly as long as one snapshot: compiled policies are stored here once and read by every
/// worker without a reference count.
///
/// Written on the thread that compiles, before the snapshot is published; read-only afterwards: hence Sendable. Freed as a whole.
final class Arena: @unchecked Sendable {
    private static let chunkBytes = 64 * 1024

    private var chunks: [UnsafeMutableRawPointer] = []
    private var next: UnsafeMutableRawPointer?
    private var remaining = 0
    private var owned: [AnyObject] = []

    deinit {
        for chunk in chunks { chunk.deallocate() }
    }

    /// Keeps an object (a compiled expression, a public key) alive as long as the arena; policies hold its bare handle.
    func own(_ object: AnyObject) { owned.append(object) }

    /// Stores a copy of the elements.
    func store<Element: BitwiseCopyable>(_ elements: [Element]) -> ArenaSlice<Element> {
        guard !elements.isEmpty else { return ArenaSlice() }
        let memory = allocate(
            MemoryLayout<Element>.stride * elements.count, alignment: MemoryLayout<Element>.alignment
        ).bindMemory(to: Element.self, capacity: elements.count)
        elements.withUnsafeBufferPointer { memory.update(from: $0.baseAddress!, count: $0.count) }
        return ArenaSlice(base: UnsafePointer(memory), count: elements.count)
    }

    /// Stores one value and returns where.
    func store<Value: BitwiseCopyable>(_ value: Value) -> UnsafePointer<Value> {
        let memory = allocate(MemoryLayout<Value>.stride, alignment: MemoryLayout<Value>.alignment)
            .bindMemory(to: Value.self, capacity: 1)
        memory.initialize(to: value)
        return UnsafePointer(memory)
    }

    /// Stores the UTF-8 of a text.
    func bytes(_ text: String) -> ByteView { bytes(Array(text.utf8)) }

    /// Stores bytes.
    func bytes(_ bytes: [UInt8]) -> ByteView {
        let slice = store(bytes)
        guard let base = slice.base else { return .empty }
        return ByteView(base: base, count: slice.count)
    }

    private func allocate(_ count: Int, alignment: Int) -> UnsafeMutableRawPointer {
        if let next {
            let padding = -Int(bitPattern: next) & (alignment - 1)
            if count + padding <= remaining {
                let start = next + padding
                self.next = start + count
                remaining -= count + padding
                return start
            }
        }
        let size = max(count, Self.chunkBytes)
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        chunks.append(chunk)
        if size - count > remaining || next == nil {
            next = chunk + count
            remaining = size - count
        }
        return chunk
    }
}

/// An array inside an arena. Indexing is checked. Sendable, because nobody writes to an arena that others can see.
struct ArenaSlice<Element: BitwiseCopyable>: BitwiseCopyable, @unchecked Sendable {
    let base: UnsafePointer<Element>?
    let count: Int

    /// No elements.
    init() {
        base = nil
        count = 0
    }

    fileprivate init(base: UnsafePointer<Element>, count: Int) {
        self.base = base
        self.count = count
    }

    var isEmpty: Bool { count == 0 }

    subscript(index: Int) -> Element {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
        return base.unsafelyUnwrapped[index]
    }

    /// Where the element stands, for elements too large to copy.
    func pointer(at index: Int) -> UnsafePointer<Element> {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
        return base.unsafelyUnwrapped + index
    }
}
