import CLibevent
import Glibc

/// A joinable thread with a name that `top -H` shows. Sendable, because its handle is only passed back to the system.
package struct Thread: @unchecked Sendable {
    private let handle: pthread_t
    /// As it was given.
    package let name: String

    /// Starts the thread. The name is cut to 15 bytes, the kernel's bound.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(SocketError) {
        let box = Unmanaged.passRetained(Body(body))
        var handle = pthread_t()
        let status = pthread_create(&handle, nil, { pointer in
            guard let pointer else { return nil }
            let stack = sluice_take_signal_stack()
            Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
            sluice_give_signal_stack(stack)
            return nil
        }, box.toOpaque())
        guard status == 0 else {
            box.release()
            throw SocketError(code: status)
        }
        _ = sluice_name_thread(handle, String(name.prefix(15)))
        self.handle = handle
        self.name = name
    }

    /// Nobody will wait for it: its memory goes with its end.
    package func detach() { pthread_detach(handle) }

    /// Waits for the thread to end.
    package func join() { pthread_join(handle, nil) }

    /// Waits for the thread to end, until `deadline` in nanoseconds of the monotonic clock. False if it has not: it goes on, and nobody will wait for it
    /// again. For threads that may hang in what the system does for them: a file on a disk that does not answer, a name server.
    package func join(deadline: UInt64) -> Bool {
        while true {
            // In short steps: the system's own deadline is of a clock that may be set.
            if sluice_join_thread(handle, 50) == 0 { return true }
            guard Clock.monotonicNanoseconds() < deadline else { break }
        }
        detach()
        return false
    }

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
