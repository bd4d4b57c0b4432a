import Foundation
import SluiceEvent
import SluiceGateway

/// The service manager that started this process, as systemd's protocols have it: it is told how the process fares
/// (sd_notify(3)), and may have opened the listening sockets (sd_listen_fds(3)). Spoken here, because both are a few lines
/// and a library for them would be one more thing to install.
struct ServiceManager: Sendable {
    private let address: UnixAddress?
    /// How long the manager waits for a sign of life before it restarts the process; nil if it does not.
    private let watchdogMicroseconds: UInt64?

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        address = environment["NOTIFY_SOCKET"].flatMap { UnixAddress($0) }
        let isOurs = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
        watchdogMicroseconds = isOurs ? environment["WATCHDOG_USEC"].flatMap { UInt64($0) }.flatMap { $0 > 0 ? $0 : nil } : nil
    }

    /// Longest time between two signs of life: an hour, however patient the manager is.
    private static let watchMillisecondsMax: UInt64 = 3_600_000

    // MARK: Telling

    /// Serving. The manager may have started another process than this one: a takeover ends the first.
    func ready(_ status: String) { tell(["READY=1", "MAINPID=\(getpid())", "STATUS=\(status)"]) }

    /// About to read the configuration again; to be followed by `ready`.
    func reloading() {
        tell(["RELOADING=1", "MONOTONIC_USEC=\(Clock.monotonicNanoseconds() / 1000)", "STATUS=reading the configuration"])
    }

    /// About to end.
    func stopping(_ status: String) { tell(["STOPPING=1", "STATUS=\(status)"]) }

    /// Another process is the service from now on; only the process that was may say so.
    func replaced(by process: Int32) { tell(["MAINPID=\(process)"]) }

    private func tell(_ lines: [String]) { _ = address?.sendDatagram(lines.joined(separator: "\n")) }

    /// Gives a sign of life twice in each period that the manager has set, as long as every worker's loop turns.
    func watch(_ gateway: Gateway) {
        guard let address, let watchdogMicroseconds else { return }
        let half = min(max(1, watchdogMicroseconds / 2000), Self.watchMillisecondsMax)
        _ = try? SluiceEvent.Thread(name: "sluice-watchdog") {
            while true {
                let began = Clock.monotonicNanoseconds() / 1_000_000
                if gateway.isResponsive(milliseconds: half) { _ = address.sendDatagram("WATCHDOG=1") }
                let passed = Clock.monotonicNanoseconds() / 1_000_000 - began
                if passed < half { usleep(UInt32(clamping: (half - passed) * 1000)) }
            }
        }
    }

    // MARK: Sockets

    /// The descriptors that the manager has opened, if they are meant for this process: from 3 on.
    static func sockets(environment: [String: String] = ProcessInfo.processInfo.environment) -> [ListeningSocket] {
        guard environment["LISTEN_PID"] == "\(getpid())", let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }),
            (1...1024).contains(count)
        else { return [] }
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
        return (3..<3 + count).map { ListeningSocket(descriptor: $0, isHeldElsewhere: true) }
    }
}
