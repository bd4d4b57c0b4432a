import CLibevent
import Glibc
import Synchronization

/// How other threads reach a loop: closures that run on the loop's thread, in the order they were posted.
///
/// Sendable, because the letters are under a lock and the event belongs to the loop's thread. Never on the path of a request.
/// Posting takes a short lock and one write to an eventfd.
package final class Mailbox: @unchecked Sendable {
    private let letters = Mutex<[@Sendable () -> Void]>([])
    private let descriptor: Int32
    private let event: UnsafeMutablePointer<SocketEvent>
    /// The event is taken out of it in the end: an owner of both may let go of them in any order.
    private let loop: EventLoop

    /// Attaches to the loop. Must be made and released on a thread while the loop does not run, or on the loop's own.
    package init(_ loop: EventLoop) throws(EventLoop.SetupError) {
        self.loop = loop
        descriptor = sluice_eventfd()
        guard descriptor >= 0 else { throw EventLoop.SetupError(message: "eventfd: \(SocketError(code: errno))") }
        event = .allocate(capacity: 1)
        event.initialize(to: SocketEvent())
        let armed = event.armForReading(loop, descriptor: descriptor, owner: Unmanaged.passUnretained(self).toOpaque()) { _, _, owner in
            guard let owner else { return }
            Unmanaged<Mailbox>.fromOpaque(owner).takeUnretainedValue().deliver()
        }
        guard armed else { throw EventLoop.SetupError(message: "the mailbox cannot be watched") }
    }

    deinit {
        event.disarm()
        event.deallocate()
        close(descriptor)
    }

    /// Runs `letter` on the loop's thread, soon. From any thread.
    package func post(_ letter: @escaping @Sendable () -> Void) {
        letters.withLock { $0.append(letter) }
        var one: UInt64 = 1
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    private func deliver() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
        let batch = letters.withLock { letters in
            defer { letters = [] }
            return letters
        }
        for letter in batch { letter() }
    }
}
