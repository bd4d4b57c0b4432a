import CLibevent
import Glibc

/// Wakes a thread that waits for work, outside of any event loop.
package final class Signal: Sendable {
    private let descriptor: Int32

    package init() { descriptor = sluice_eventfd() }

    deinit { close(descriptor) }

    /// Readable while it is raised: for a thread that waits for other things too.
    package var waitable: Int32 { descriptor }

    /// Wakes the waiting thread, or the next that waits. Any thread.
    package func raise() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits until it is raised or the time is up. True if it was raised.
    @discardableResult
    package func wait(milliseconds: Int) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, Int32(clamping: milliseconds)) > 0 else { return false }
        var count: UInt64 = 0
        return read(descriptor, &count, MemoryLayout<UInt64>.size) > 0
    }
}
