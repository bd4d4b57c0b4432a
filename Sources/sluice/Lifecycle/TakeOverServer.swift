import Glibc
import Logging
import SluiceAdmin
import SluiceEvent
import SluiceGateway
import Synchronization

/// The old process's side: waits behind the takeover socket on a thread of its own.
final class TakeOverServer: Sendable {
    private let door: DescriptorChannel.Door
    private let gateway: Gateway
    private let admin: AdminServer?
    private let log: Logger
    private let taken = Mutex<Successor?>(nil)

    init(_ path: String, gateway: Gateway, admin: AdminServer?, log: Logger) throws(TakeOver.Failure) {
        do throws(SocketError) {
            door = try DescriptorChannel.Door(path)
        } catch {
            throw TakeOver.Failure(message: "\(path): \(error)")
        }
        self.gateway = gateway
        self.admin = admin
        self.log = log
        do throws(SocketError) {
            // In the midst of handing over it may wait for a minute, which the end of the process must not.
            try SluiceEvent.Thread(name: "sluice-takeover") { self.run() }.detach()
        } catch {
            throw TakeOver.Failure(message: "\(error)")
        }
    }

    /// A process that serves in this one's stead.
    struct Successor {
        let process: Int32
        /// The listening sockets that it serves with.
        let identities: Set<UInt64>
    }

    /// Who has taken over, and which sockets; nil as long as nobody has. Any thread.
    var successor: Successor? { taken.withLock { $0 } }

    /// Lets nobody else take over.
    func stop() { door.close() }

    private func run() {
        while let caller = door.next(timeoutMilliseconds: TakeOver.answerMilliseconds) {
            guard caller.receiveText() == TakeOver.greeting else { continue }
            log.notice("a new process takes over", metadata: ["pid": "\(caller.peer?.process ?? 0)"])
            if let identities = handOver(to: caller) {
                let successor = Successor(process: caller.peer?.process ?? 0, identities: identities)
                taken.withLock { $0 = successor }
                admin?.release()
                // The thread that obeys signals does the rest: from here on this is an ordinary end.
                kill(getpid(), SIGTERM)
                return
            }
            gateway.handOverEnded()
            log.error("the new process did not start to serve; this process continues")
        }
    }

    /// The sockets that the caller serves with; nil if it has given up.
    private func handOver(to caller: DescriptorChannel) -> Set<UInt64>? {
        var sockets = gateway.beginHandOver()
        defer { for socket in sockets { Socket.close(socket.descriptor) } }
        if let own = admin?.duplicateListener() { sockets.append(own) }
        for start in stride(from: 0, to: sockets.count, by: DescriptorChannel.descriptorsMax) {
            let batch = sockets[start..<min(sockets.count, start + DescriptorChannel.descriptorsMax)]
            let letters = String(batch.map { $0.isHeldElsewhere ? "H" : "O" })
            guard caller.send("sockets " + letters, batch.map(\.descriptor)) else { return nil }
        }
        guard gateway.handOverReplays({ caller.send("replays " + $0, [$1]) }), caller.send("end") else { return nil }
        caller.limitReceiving(milliseconds: TakeOver.startMilliseconds)
        let words = caller.receiveText()?.split(separator: " ") ?? []
        guard words.first == "ready", caller.send("draining") else { return nil }
        return Set(words.dropFirst().compactMap { UInt64($0, radix: 16) })
    }
}
