import SluiceEvent
import SluiceHTTP
import Synchronization

// What a process needs that hands its listening sockets to the one that replaces it, and what a service manager wants to know.

extension Gateway {
    /// Descriptors of all listening sockets, for a process that takes over; the caller's to close. From now on reloads are refused,
    /// so that what was handed over stays true, until `handOverEnded()` or the end. Any thread.
    package func beginHandOver() -> [ListeningSocket] {
        // A reload that is being put in force comes before: its listeners are among the copies. One that is not yet so far is refused.
        status.commit { status.handingOver(true) }
        let copies = ListenerCopies()
        askWorkers(milliseconds: 5000) { copies.add($0.owners.listeners.duplicate(), of: $0.parts.number) }
        return copies.inOrder
    }

    /// Identities of all sockets that the workers listen with. Any thread.
    package var listeningIdentities: Set<UInt64> {
        let found = ListenerIdentities()
        askWorkers(milliseconds: 5000) { worker in found.add(worker.owners.listeners.all.filter { !$0.isClosed }.map(\.socket.identity)) }
        return found.all
    }

    /// Shows each memory of accepted signatures to `send`, with a name and a descriptor that stay this process's, until one cannot be sent:
    /// the process that takes over uses them on, side by side with this one. Any thread.
    package func handOverReplays(_ send: (_ name: String, _ descriptor: Int32) -> Bool) -> Bool {
        registries.replays.handedOver.allSatisfy { entry in send(entry.digest.map { Self.hexadecimal($0) }.joined(), entry.table.descriptor) }
    }

    /// Takes over such a memory of the process before this one. Before the start. The descriptor is the gateway's from here on.
    package func inheritReplays(_ name: String, _ descriptor: Int32) {
        let digits = Array(name.utf8).map(\.hexValue)
        guard digits.count % 2 == 0, digits.allSatisfy({ $0 < 16 }) else { return Socket.close(descriptor) }
        let digest = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        registries.replays.inherit(digest, descriptor: descriptor)
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return digits.count == 2 ? digits : "0" + digits
    }

    /// The other process has given up; this one serves on as before. Any thread.
    package func handOverEnded() { status.handingOver(false) }

    /// Whether every worker's loop turns: each answers within the time. Any thread.
    package func isResponsive(milliseconds: UInt64) -> Bool { askWorkers(milliseconds: milliseconds) { _ in } }

    /// Runs `letter` on every worker's thread and waits for all of them. False if the time is up before.
    @discardableResult
    private func askWorkers(milliseconds: UInt64, _ letter: @escaping @Sendable (Worker) -> Void) -> Bool {
        let left = Countdown(workers.count)
        for worker in workers {
            worker.post { worker in
                letter(worker)
                left.oneDone()
            }
        }
        return left.wait(milliseconds: milliseconds)
    }
}

/// Copies of listening descriptors, by worker.
private final class ListenerCopies: Sendable {
    private let copies = Mutex<[Int: [ListeningSocket]]>([:])

    func add(_ sockets: [ListeningSocket], of worker: Int) { copies.withLock { $0[worker] = sockets } }

    /// In the order of the workers' numbers, which spreads an address's sockets evenly over those of the next process.
    var inOrder: [ListeningSocket] { copies.withLock { $0.sorted { $0.key < $1.key }.flatMap(\.value) } }
}

/// Identities of listening sockets.
private final class ListenerIdentities: Sendable {
    private let identities = Mutex<Set<UInt64>>([])

    func add(_ some: [UInt64]) { identities.withLock { $0.formUnion(some) } }
    var all: Set<UInt64> { identities.withLock { $0 } }
}
