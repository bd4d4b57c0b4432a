import CLibevent
import Glibc

/// A joinable thread with a name that `top -H` shows. Sendable, because its handle is only passed back to the system.
package struct Thread: @unchecked Sendable {
    private let handle: pthread_t

    /// Starts the thread. The name is cut to 15 bytes, the kernel's bound.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(SocketError) {
        let box = Unmanaged.passRetained(Body(body))
        var handle = pthread_t()
        let status = pthread_create(&handle, nil, { pointer in
            guard let pointer else { return nil }
            Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
        guard status == 0 else {
            box.release()
            throw SocketError(code: status)
        }
        _ = sluice_name_thread(handle, String(name.prefix(15)))
        self.handle = handle
    }

    /// Lets the thread end whenever it does, without anybody waiting for it.
    package func detach() { pthread_detach(handle) }

    /// Waits for the thread to end.
    package func join() { pthread_join(handle, nil) }

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
