import SluiceHTTP
import Synchronization

/// One worker's half of the access log: lines are written into memory, and full pages handed to the writing thread.
///
/// A ring of pages belongs to the pair. A page's state says whose it is, so handing over is one store and no lock. If the
/// disk is full or slow and all pages are the writer's, lines are dropped and counted: a log never holds a request up.
/// Sendable, because every member is the worker's alone, or the writer's alone, or atomic.
final class AccessLogBuffer: @unchecked Sendable {
    static let pageBytes = 64 * 1024
    static let pageCount = 16
    /// Longest line: a longer path is cut, so this always fits.
    static let lineBytesMax = 16 * 1024
    /// Milliseconds after which a page is handed over although it is not full.
    static let flushMilliseconds: UInt64 = 200

    private struct Page {
        let memory: UnsafeMutablePointer<UInt8>
        /// 0: the worker's. Otherwise the writer's, with this many bytes.
        let fill: UnsafeMutablePointer<Atomic<Int>>
    }

    private let pages: [Page]
    private let wake: @Sendable () -> Void
    // The worker's side.
    private var current = 0
    private var used = 0
    private var flushAt: UInt64 = 0
    // The writer's side.
    private var next = 0
    private let droppedLines = Atomic<UInt64>(0)

    /// - Parameter wake: tells the writing thread that a page is there.
    init(wake: @escaping @Sendable () -> Void) {
        self.wake = wake
        pages = (0..<Self.pageCount).map { _ in
            let fill = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: 1)
            fill.initialize(to: Atomic(0))
            return Page(memory: .allocate(capacity: Self.pageBytes), fill: fill)
        }
    }

    deinit {
        for page in pages {
            page.memory.deallocate()
            page.fill.deinitialize(count: 1)
            page.fill.deallocate()
        }
    }

    /// Lines that were dropped because the writer could not follow.
    var dropped: UInt64 { droppedLines.load(ordering: .relaxed) }

    // MARK: The worker's side

    /// Appends one line that `write` composes. On the worker's thread.
    func append(_ write: (inout HeadWriter) -> Void) {
        if Self.pageBytes - used < Self.lineBytesMax, !handOver() {
            droppedLines.wrappingAdd(1, ordering: .relaxed)
            return
        }
        let page = pages[current]
        guard page.fill.pointee.load(ordering: .acquiring) == 0 else {
            droppedLines.wrappingAdd(1, ordering: .relaxed)
            return
        }
        var writer = HeadWriter(page.memory + used, capacity: Self.lineBytesMax)
        write(&writer)
        if writer.isComplete { used += writer.count }
    }

    /// When lines that wait have to be handed over, in milliseconds of the worker's clock; nil if none waits. On the worker's thread.
    var due: UInt64? { used > 0 ? flushAt : nil }

    /// Hands the page over if lines have waited in it long enough. On the worker's thread.
    func flushIfDue(_ now: UInt64) {
        guard now >= flushAt else { return }
        flushAt = now + Self.flushMilliseconds
        if used > 0 { _ = handOver() }
    }

    /// Hands over what there is. On the worker's thread.
    func flush() {
        if used > 0 { _ = handOver() }
    }

    private func handOver() -> Bool {
        let following = (current + 1) % Self.pageCount
        guard pages[following].fill.pointee.load(ordering: .acquiring) == 0 else { return false }
        pages[current].fill.pointee.store(used, ordering: .releasing)
        current = following
        used = 0
        wake()
        return true
    }

    // MARK: The writer's side

    /// Gives each full page to `write`, in order, and takes it back. On the writing thread.
    func drain(_ write: (UnsafeRawBufferPointer) -> Void) {
        while true {
            let page = pages[next]
            let count = page.fill.pointee.load(ordering: .acquiring)
            guard count > 0 else { return }
            write(UnsafeRawBufferPointer(start: page.memory, count: count))
            page.fill.pointee.store(0, ordering: .releasing)
            next = (next + 1) % Self.pageCount
        }
    }
}
