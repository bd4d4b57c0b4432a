import CLibevent
import Glibc

/// One thread's event loop: a libevent base that no other thread touches.
///
/// The base takes no locks (`EVENT_BASE_FLAG_NOLOCK`), so everything here belongs to the thread that runs the loop,
/// except `Mailbox.post`, which is how other threads reach it.
package final class EventLoop {
    /// The loop could not be made; the message names the cause.
    package struct SetupError: Error {
        package let message: String

        package init(message: String) { self.message = message }
    }

    let base: OpaquePointer

    package init() throws(SetupError) {
        SmallMemory.install()
        guard let configuration = event_config_new() else { throw SetupError(message: "out of memory") }
        defer { event_config_free(configuration) }
        _ = event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        // Edge triggering and the early notice of a half-close (EPOLLRDHUP) are what the connections are written for.
        _ = event_config_require_features(configuration, Int32(EV_FEATURE_ET.rawValue | EV_FEATURE_EARLY_CLOSE.rawValue))
        guard let base = event_base_new_with_config(configuration) else {
            throw SetupError(message: "no event mechanism with edge triggering is available (epoll is needed)")
        }
        self.base = base
    }

    deinit { event_base_free(base) }

    /// Waits for events unless `polling`, and runs the callbacks of those that are there: one turn of the loop.
    package func turn(polling: Bool) {
        _ = event_base_loop(base, polling ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE)
    }

    /// Runs turn after turn until `stop()`.
    package func run() {
        _ = event_base_dispatch(base)
    }

    /// Ends `run()` after the present turn. To be called on the loop's thread.
    package func stop() {
        _ = event_base_loopbreak(base)
    }
}
