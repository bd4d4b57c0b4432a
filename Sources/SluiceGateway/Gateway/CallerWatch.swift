import Logging
import SluiceCallers
import SluiceEvent
import Synchronization

/// A thread that takes over what other processes do to the callers in the state folder: a gateway that takes over or is taken over. What this process is asked to
/// change holds at once, without it.
final class CallerWatch: Sendable {
    /// How often it looks: for some microseconds.
    private static let milliseconds = 100
    private static let idleMilliseconds = 60_000
    /// How long a caller's purse stays that it does not use.
    private static let sweepNanoseconds: UInt64 = 60_000_000_000

    private let registry: CallerRegistry
    private let log: Logger
    private let isEnding = Atomic<Bool>(false)

    init(_ registry: CallerRegistry, log: Logger) {
        self.registry = registry
        self.log = log
    }

    /// The thread's body, until `stop`.
    func run() {
        var hasFailed = false
        var sweepAt = Clock.monotonicNanoseconds() + Self.sweepNanoseconds
        while !isEnding.load(ordering: .acquiring) {
            registry.signal.wait(milliseconds: registry.isFollowing ? Self.milliseconds : Self.idleMilliseconds)
            let now = Clock.monotonicNanoseconds()
            if now >= sweepAt {
                registry.closeIdleAccounts()
                sweepAt = now + Self.sweepNanoseconds
            }
            let fault = registry.followStore()
            for damage in registry.takeDamaged() { log.error("a caller or plan is unknown: \(damage)") }
            if let fault, !hasFailed { log.error("callers cannot be read; those who were known before are", metadata: ["reason": "\(fault)"]) }
            if fault == nil, hasFailed { log.notice("callers can be read again") }
            hasFailed = fault != nil
        }
    }

    func stop() {
        isEnding.store(true, ordering: .releasing)
        registry.signal.raise()
    }
}
