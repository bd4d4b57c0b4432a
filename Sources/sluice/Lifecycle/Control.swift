import Glibc
import Logging
import SluiceConfiguration
import SluiceGateway

/// The thread that obeys signals. It does nothing itself that may hang: starts and reloads have threads of their own.
struct Control {
    let signals: SignalQueue
    let log: Logger
    let manager: ServiceManager

    /// How often it looks after what is under way.
    private static let lookMilliseconds = 20
    /// A reload that takes longer is reported, and again after each further minute.
    private static let reloadSeconds: UInt64 = 5

    // MARK: Start

    /// Runs `body`, which starts the gateway, on a thread of its own. A signal to end ends the process, unless the gateway serves already.
    ///
    /// - Returns: what `body` returns, and what is still to be obeyed.
    func start<Value: Sendable>(
        _ gateway: Gateway, _ body: @escaping @Sendable () throws -> Value
    ) throws -> (value: Value, wishes: [SignalQueue.Request]) {
        let attempt = Attempt("sluice-start", body)
        var wishes: [SignalQueue.Request] = []
        while true {
            if let result = attempt.result { return (try result.get(), wishes) }
            guard let wish = signals.next(milliseconds: Self.lookMilliseconds) else { continue }
            if wish == .drain || wish == .exit, gateway.endBeforeServing() {
                log.notice("a signal ended the process while it started")
                // Not by exit(3): it would take apart what the other thread is using.
                _exit(0)
            }
            wishes.append(wish)
        }
    }

    // MARK: Serving

    /// Obeys signals until one ends the process. False if something is left behind that hangs: then the process must end by `_exit`.
    ///
    /// - Parameter wishes: signals that came before.
    func serve(_ gateway: Gateway, takeOver: TakeOverServer? = nil, wishes: [SignalQueue.Request] = []) -> Bool {
        var wishes = wishes[...]
        var wantsReload = false
        var reload: Reload?
        while true {
            if wantsReload, reload == nil {
                wantsReload = false
                manager.reloading()
                reload = Reload(gateway)
            }
            if let running = reload { reload = look(at: running) }
            switch wishes.popFirst() ?? signals.next(milliseconds: reload == nil && !wantsReload ? nil : Self.lookMilliseconds) {
            // One that comes while another is under way is obeyed after it: what that has read may be older.
            case .reload: wantsReload = true
            case .reopenLogs:
                log.notice("the access log was reopened")
                gateway.reopenLogs()
            case .nothing: log.notice("SIGUSR2 is ignored")
            case .drain:
                drain(gateway, takeOver)
                return reload == nil && !gateway.hasLeftThreads
            case .exit:
                manager.stopping("ending at once")
                gateway.stop()
                return reload == nil && !gateway.hasLeftThreads
            case nil: break
            }
        }
    }

    private func drain(_ gateway: Gateway, _ takeOver: TakeOverServer?) {
        let isHurried = { signals.isHurried(reopenLogs: gateway.reopenLogs) }
        if let successor = takeOver?.successor {
            manager.replaced(by: successor.process)
            return gateway.drain(leaving: successor.identities, unless: isHurried)
        }
        manager.stopping("draining")
        takeOver?.stop()
        gateway.drain(unless: isHurried)
    }

    // MARK: Reload

    private struct Reload {
        let attempt: Attempt<Void>
        /// Files whose reading began before it.
        let earlierReadings = FilesUnderWay.latest
        /// The age in seconds at which it is reported.
        var reportAt = Control.reloadSeconds

        init(_ gateway: Gateway) { attempt = Attempt("sluice-reload") { try gateway.reload() } }
    }

    /// Tells what came of a reload, or that it takes long. Nil if it is over.
    private func look(at reload: Reload) -> Reload? {
        var reload = reload
        switch reload.attempt.result {
        case .success:
            manager.ready("serving")
            return nil
        case .failure(let error):
            log.error("reload refused; the current configuration stays in use")
            for line in (error as? Gateway.Failure)?.lines ?? ["\(error)"] { log.error("\(line)") }
            manager.ready("serving; the last reload was refused")
            return nil
        case nil: break
        }
        let seconds = reload.attempt.seconds
        guard seconds >= reload.reportAt else { return reload }
        let file = FilesUnderWay.longest(after: reload.earlierReadings).map { "the disk of \($0) does not answer" }
            ?? "a file of the configuration may be on a disk that does not answer"
        log.error("a reload has been running for \(seconds) s: \(file); the current configuration stays in use")
        manager.ready("serving; a reload has been running for \(seconds) s")
        reload.reportAt += 60
        return reload
    }
}
