import Glibc
import SluiceEvent

/// The process's signals, taken one by one by the thread that asks, instead of by handlers that may do almost nothing.
struct SignalQueue {
    enum Request {
        /// SIGHUP.
        case reload
        /// SIGUSR1.
        case reopenLogs
        /// SIGUSR2, which would end a process that does not expect it.
        case nothing
        /// SIGTERM or SIGINT.
        case drain
        /// SIGQUIT.
        case exit
    }

    private static let all = [SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2]

    /// Keeps the signals waiting, for this thread and those that it starts from here on. At the very start of the process: one that comes while it
    /// reads its arguments, a SIGHUP above all, must not end it.
    static func block() {
        var set = set(of: all)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Lets them do what they do by themselves, for commands that do not serve.
    static func unblock() {
        var set = set(of: all)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    private static func set(of signals: [Int32]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        return set
    }

    init() {
        Self.block()
        signal(SIGPIPE, SIG_IGN)
        // A file that may grow no further (RLIMIT_FSIZE), a log above all, is a failed write and no end of the process.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Whether a drain under way is to end at once: SIGQUIT has come, or SIGINT, which is then the second time that somebody at a
    /// terminal asks. A further SIGTERM changes nothing: service managers may send more than one.
    ///
    /// - Parameter reopenLogs: obeys SIGUSR1 meanwhile.
    func isHurried(reopenLogs: () -> Void) -> Bool {
        if Self.take([SIGUSR1], milliseconds: 0) != nil { reopenLogs() }
        return Self.take([SIGINT, SIGQUIT], milliseconds: 0) != nil
    }

    /// Waits for the next signal, for ever or for so long; nil if none came.
    func next(milliseconds: Int? = nil) -> Request? {
        switch Self.take(Self.all, milliseconds: milliseconds) {
        case nil: nil
        case SIGHUP: .reload
        case SIGUSR1: .reopenLogs
        case SIGUSR2: .nothing
        case SIGQUIT: .exit
        default: .drain
        }
    }

    private static func take(_ signals: [Int32], milliseconds: Int?) -> Int32? {
        var set = set(of: signals)
        guard let milliseconds else {
            while true {
                let number = sigwaitinfo(&set, nil)
                if number > 0 { return number }
            }
        }
        var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        let number = sigtimedwait(&set, nil, &time)
        return number > 0 ? number : nil
    }
}
