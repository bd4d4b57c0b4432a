/// Fixed places for the connections of one worker.
///
/// Places lie in chunks; a chunk is aligned to its size, so that a place leads to the head of its chunk, which counts the
/// places in use. A place that was freed is reused and stays readable: a pointer that some queue still holds is told by the
/// generation that the element keeps that it means another connection. Only `trim` gives memory back.
struct Slab<Element> {
    private struct Head {
        var live = 0
    }

    private let chunkBytes: Int
    private let placesPerChunk: Int
    private let firstPlace: Int
    private var chunks: [UnsafeMutableRawPointer] = []
    private var free: [UnsafeMutablePointer<Element>] = []
    /// Elements in use.
    private(set) var live = 0

    /// - Parameter chunkBytes: a power of two, with room for a few elements.
    init(chunkBytes: Int = 64 * 1024) {
        self.chunkBytes = chunkBytes
        firstPlace = MemoryLayout<Head>.stride.roundedUp(to: max(64, MemoryLayout<Element>.alignment))
        placesPerChunk = (chunkBytes - firstPlace) / MemoryLayout<Element>.stride
    }

    /// A place. Its memory is initialised: with `fresh` when new, with what its last user left when reused.
    mutating func take(_ fresh: @autoclosure () -> Element) -> UnsafeMutablePointer<Element> {
        if free.isEmpty { grow(fresh()) }
        live += 1
        let place = free.removeLast()
        head(of: place).pointee.live += 1
        return place
    }

    mutating func give(back place: UnsafeMutablePointer<Element>) {
        live -= 1
        head(of: place).pointee.live -= 1
        free.append(place)
    }

    /// Calls `body` for every place, in use or not.
    func forEachPlace(_ body: (UnsafeMutablePointer<Element>) -> Void) {
        for chunk in chunks {
            for index in 0..<placesPerChunk { body(place(index, of: chunk)) }
        }
    }

    /// Gives back chunks in which no place is in use, but for one. Nothing may hold a pointer to a freed place. True if any went.
    mutating func trim() -> Bool {
        let empty = chunks.filter { Self.head($0).pointee.live == 0 }
        let going = Set(empty.dropFirst(empty.count == chunks.count ? 1 : 0))
        guard !going.isEmpty else { return false }
        // A new array: the old one keeps the room for all places that there ever were.
        free = free.filter { !going.contains(chunk(of: $0)) }
        chunks.removeAll { going.contains($0) }
        for chunk in going { chunk.deallocate() }
        return true
    }

    mutating func deallocate() {
        for chunk in chunks { chunk.deallocate() }
        chunks = []
        free = []
    }

    private mutating func grow(_ fresh: Element) {
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: chunkBytes, alignment: chunkBytes)
        chunk.bindMemory(to: Head.self, capacity: 1).initialize(to: Head())
        (chunk + firstPlace).bindMemory(to: Element.self, capacity: placesPerChunk)
            .initialize(repeating: fresh, count: placesPerChunk)
        chunks.append(chunk)
        free.reserveCapacity(chunks.count * placesPerChunk)
        for index in (0..<placesPerChunk).reversed() { free.append(place(index, of: chunk)) }
    }

    private func place(_ index: Int, of chunk: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Element> {
        (chunk + firstPlace).assumingMemoryBound(to: Element.self) + index
    }

    private static func head(_ chunk: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Head> {
        chunk.assumingMemoryBound(to: Head.self)
    }

    private func head(of place: UnsafeMutablePointer<Element>) -> UnsafeMutablePointer<Head> {
        Self.head(chunk(of: place))
    }

    private func chunk(of place: UnsafeMutablePointer<Element>) -> UnsafeMutableRawPointer {
        let raw = UnsafeMutableRawPointer(place)
        return raw - (Int(bitPattern: raw) & (chunkBytes - 1))
    }
}
