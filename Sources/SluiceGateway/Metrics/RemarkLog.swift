import Logging
import SluiceEvent
import SluiceHTTP
import SluiceHTTP2
import Synchronization

/// What workers have to say in the process's log. A thread of its own writes it, because writing may wait; a worker leaves a few bytes here and never
/// waits, not even for the lock: what it cannot leave is counted.
///
/// What is said by what peers do must not fill the log: of each reason there is at most one line in ten seconds, which tells how many others there were.
final class RemarkLog: Sendable {
    /// A connection was ended for what its peer sent over HTTP/2.
    struct Remark: BitwiseCopyable, Sendable {
        let cause: Cause
        let peer: IPAddress

        init(reason: HTTP2Reason, client: IPAddress) {
            cause = Cause(reason: reason, isUpstream: false)
            peer = client
        }

        init(reason: HTTP2Reason, upstream: IPAddress) {
            cause = Cause(reason: reason, isUpstream: true)
            peer = upstream
        }
    }

    /// What there is one line of in a while.
    struct Cause: BitwiseCopyable, Hashable, Sendable {
        let reason: HTTP2Reason
        let isUpstream: Bool
    }

    private struct Pending {
        var remarks = InlineArray<64, Remark?>(repeating: nil)
        var count = 0
    }

    /// Nanoseconds between two lines for the same reason.
    private static let interval: UInt64 = 10_000_000_000

    private let log: Logger
    private let signal = Signal()
    private let pending = Mutex(Pending())
    private let lost = Atomic<UInt64>(0)
    private let isStopped = Atomic<Bool>(false)

    init(_ log: Logger) { self.log = log }

    /// Leaves a remark. Any thread; never waits.
    func leave(_ remark: Remark) {
        let isLeft: Bool? = pending.withLockIfAvailable { pending in
            guard pending.count < pending.remarks.count else { return false }
            pending.remarks[pending.count] = remark
            pending.count += 1
            return true
        }
        if isLeft != true { lost.wrappingAdd(1, ordering: .relaxed) }
        signal.raise()
    }

    /// The thread's body; ends after `stop()`.
    func run() {
        var pacing: [Cause: RemarkPacing] = [:]
        while !isStopped.load(ordering: .acquiring) {
            signal.wait(milliseconds: -1)
            tell(take(), &pacing, at: Clock.monotonicNanoseconds())
        }
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        signal.raise()
    }

    private func take() -> [Remark] {
        pending.withLock { pending in
            var remarks: [Remark] = []
            for index in 0..<pending.count { if let remark = pending.remarks[index] { remarks.append(remark) } }
            pending.count = 0
            return remarks
        }
    }

    private func tell(_ remarks: [Remark], _ pacing: inout [Cause: RemarkPacing], at now: UInt64) {
        for remark in remarks {
            guard var untold = pacing[remark.cause, default: RemarkPacing(interval: Self.interval)].happened(at: now) else { continue }
            untold += lost.exchange(0, ordering: .relaxed)
            var metadata: Logger.Metadata = [
                "reason": "\(remark.cause.reason.name)", remark.cause.isUpstream ? "upstream" : "client": "\(remark.peer)",
            ]
            if untold > 0 { metadata["untold"] = "\(untold)" }
            let whose = remark.cause.isUpstream ? "an upstream's" : "a client's"
            log.notice("\(whose) HTTP/2 connection was ended", metadata: metadata)
        }
    }
}
