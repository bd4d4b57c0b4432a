import Glibc

/// The process's signals, taken one by one by the thread that asks, instead of by handlers that may do almost nothing.
struct SignalQueue {
    enum Request {
        /// SIGHUP.
        case reload
        /// SIGTERM or SIGINT.
        case drain
        /// SIGQUIT.
        case exit
    }

    private var set = sigset_t()

    /// Blocks the signals for this thread and those that it starts from here on.
    init() {
        sigemptyset(&set)
        for signal in [SIGHUP, SIGTERM, SIGINT, SIGQUIT] { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Whether a drain under way is to end at once: SIGQUIT has come, or SIGINT, which is then the second time that somebody at a
    /// terminal asks. A further SIGTERM changes nothing: service managers may send more than one.
    func isHurried() -> Bool {
        var hurry = sigset_t()
        sigemptyset(&hurry)
        for signal in [SIGINT, SIGQUIT] { sigaddset(&hurry, signal) }
        var none = timespec()
        return sigtimedwait(&hurry, nil, &none) > 0
    }

    /// Waits for the next signal.
    func next() -> Request {
        var set = set
        while true {
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0 else { continue }
            switch number {
            case SIGHUP: return .reload
            case SIGQUIT: return .exit
            default: return .drain
            }
        }
    }
}
