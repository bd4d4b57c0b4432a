import Glibc
import SluiceEvent
import SluiceHTTP

/// The thread of a control server: all its sockets, and what `ControlConnection` decides about each. Waits in poll(2), which is plenty for so few.
struct ControlLoop {
    /// Most connections at once; of a small table of descriptors an eighth. A flood of connections, or an agent that leaves its own open, must not take the
    /// descriptors that forwarding requests and reloading need.
    static let connectionsMax = 64
    /// Bytes of responses that wait for their clients, together; a single one may be larger. Beyond them the response that has waited longest is cut.
    static let waitingBytesMax = 16 << 20
    /// Most connections that are accepted in one turn, so that those which are there have theirs.
    private static let acceptsMax = 16
    /// Milliseconds without accepting when the system has no descriptor to give.
    private static let restMilliseconds: UInt64 = 100

    private struct Client {
        let descriptor: Int32
        var connection: ControlConnection
    }

    private let listener: Int32
    private let server: ControlServer
    private var clients: [Int: Client] = [:]
    /// Numbers are not used again: an answer that comes late is for nobody.
    private var count = 0
    /// Questions that wait for the other thread, those of clients that have gone among them.
    private var questions = 0
    private var isAccepting = true
    private var restsUntil: UInt64 = 0
    private var piece = [UInt8](repeating: 0, count: 16_384)

    init(listener: Int32, server: ControlServer) {
        self.listener = listener
        self.server = server
    }

    private var now: UInt64 { Clock.monotonicNanoseconds() / 1_000_000 }

    /// Until the server is stopped.
    mutating func run() {
        while turn() {}
        if isAccepting { Socket.close(listener) }
        for number in clients.keys { close(number) }
    }

    private mutating func turn() -> Bool {
        let numbers = clients.keys.sorted()
        var entries = numbers.map { number in entry(clients[number]!) }
        entries.append(pollfd(fd: server.waitable, events: Int16(POLLIN), revents: 0))
        let accepts = isAccepting && now >= restsUntil
        if accepts { entries.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0)) }
        _ = poll(&entries, nfds_t(entries.count), timeout)
        let mail = server.takeMail()
        guard mail.goesOn else { return false }
        if isAccepting, !mail.accepts {
            isAccepting = false
            Socket.close(listener)
        }
        questions -= mail.answers.count
        for (number, response) in mail.answers { change(number) { connection, _, now in connection.answer(response, now: now) } }
        for (number, entry) in zip(numbers, entries) where entry.revents != 0 { serve(number) }
        for number in numbers where clients[number].map({ $0.connection.deadline <= now }) ?? false {
            change(number) { connection, _, now in connection.expire(now: now) }
        }
        if accepts, isAccepting, entries[entries.count - 1].revents != 0 { accept() }
        return true
    }

    private func entry(_ client: Client) -> pollfd {
        var events: Int32 = 0
        if client.connection.wantsInput { events |= POLLIN }
        if !client.connection.unsent.isEmpty { events |= POLLOUT }
        // Of one that waits for its answer only the end is of interest, which poll reports unasked.
        return pollfd(fd: client.descriptor, events: Int16(events), revents: 0)
    }

    /// Until the next deadline.
    private var timeout: Int32 {
        let now = now
        var next = clients.values.map(\.connection.deadline).min() ?? .max
        if isAccepting, restsUntil > now { next = min(next, restsUntil) }
        return next == .max ? -1 : Int32(clamping: max(next, now) - now + 1)
    }

    // MARK: One client

    /// Reads what has come, and writes what is to be written.
    private mutating func serve(_ number: Int) {
        guard let client = clients[number] else { return }
        if client.connection.wantsInput { read(number, client.descriptor) }
        if client.connection.state == .asking { change(number) { connection, _, _ in connection.fail() } }
        change(number) { _, _, _ in }
    }

    private mutating func read(_ number: Int, _ descriptor: Int32) {
        // Once: others wait too.
        let result = piece.withUnsafeMutableBytes { Socket.receive(descriptor, into: $0.baseAddress.unsafelyUnwrapped, capacity: $0.count) }
        let piece = piece
        change(number) { connection, router, now in
            switch result {
            case .bytes(let count): connection.receive(piece[..<count], router, now: now)
            case .wouldBlock: break
            case .ended: connection.receiveEnd()
            case .failed: connection.fail()
            }
        }
    }

    /// Does something with a connection, and then what follows from its state: asks for its answer, sends, closes.
    private mutating func change(_ number: Int, _ body: (inout ControlConnection, ControlRouter, UInt64) -> Void) {
        guard var client = clients[number] else { return }
        body(&client.connection, server.routes, now)
        flush(&client)
        while let question = client.connection.takeQuestion() {
            if questions < Self.connectionsMax {
                questions += 1
                server.ask(question.route, question.request, for: number)
            } else {
                // Whoever asks and leaves again and again would otherwise fill the memory.
                client.connection.answer(ControlResponse(status: 503, body: "too many requests wait for their answers\n"), now: now)
                flush(&client)
            }
        }
        clients[number] = client
        if client.connection.state == .over { close(number) }
        if client.connection.unsent.count > 0 { boundWaitingBytes() }
    }

    private mutating func boundWaitingBytes() {
        var waiting = clients.filter { !$0.value.connection.unsent.isEmpty }
        var bytes = waiting.values.reduce(0) { $0 + $1.connection.unsent.count }
        while bytes > Self.waitingBytesMax, waiting.count > 1, let oldest = waiting.min(by: isOlder) {
            bytes -= oldest.value.connection.unsent.count
            waiting[oldest.key] = nil
            close(oldest.key)
        }
    }

    /// Whether a connection has waited for its client for longer than another.
    private func isOlder(_ one: (key: Int, value: Client), _ other: (key: Int, value: Client)) -> Bool {
        (one.value.connection.since, one.key) < (other.value.connection.since, other.key)
    }

    private func flush(_ client: inout Client) {
        while !client.connection.unsent.isEmpty, client.connection.state != .over {
            let wasWriting = client.connection.state == .writing
            let result = client.connection.unsent.withUnsafeBytes {
                Socket.send(client.descriptor, $0.baseAddress.unsafelyUnwrapped, count: $0.count)
            }
            switch result {
            case .bytes(let count): client.connection.take(count, server.routes, now: now)
            case .wouldBlock: return
            case .ended, .failed: client.connection.fail()
            }
            if wasWriting, client.connection.state == .lingering { Socket.shutdownSending(client.descriptor) }
        }
    }

    private mutating func close(_ number: Int) {
        guard let client = clients.removeValue(forKey: number) else { return }
        Socket.close(client.descriptor)
    }

    // MARK: Accepting

    private mutating func accept() {
        for _ in 0..<Self.acceptsMax {
            var address = SocketAddress()
            switch Socket.accept(listener, from: &address) {
            case .bytes(let descriptor):
                guard makeRoom() else {
                    Socket.close(Int32(descriptor))
                    continue
                }
                count += 1
                clients[count] = Client(descriptor: Int32(descriptor), connection: ControlConnection(now: now))
                // Most have sent their request already.
                read(count, Int32(descriptor))
            case .wouldBlock, .ended: return
            case .failed:
                restsUntil = now + Self.restMilliseconds
                return
            }
        }
    }

    /// Closes the connection that has waited longest for its client if there are too many. False if all of them wait for this process.
    private mutating func makeRoom() -> Bool {
        guard clients.count >= max(1, min(Self.connectionsMax, Descriptors.limit / 8)) else { return true }
        guard let spare = clients.filter({ $0.value.connection.isSpare }).min(by: isOlder) else { return false }
        close(spare.key)
        return true
    }
}
