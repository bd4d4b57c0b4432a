import Glibc
package import SluiceEvent
import SluiceHTTP
import Synchronization

/// Finds the addresses of one name within a deadline. The system's look-up has none, and it may wait long for name servers that do not answer. So it runs
/// on a thread of its own, one look-up at a time. If it does not end in time, the addresses that were known are used. For one thread.
package final class NameLookUp {
    package typealias Outcome = Result<[SocketAddress], StreamFailure>

    /// One look-up, shared with its thread. Whoever waited for it may have gone.
    private final class Attempt: Sendable {
        let outcome = Mutex<Outcome?>(nil)
        let signal = Signal()

        func give(_ found: Outcome) {
            outcome.withLock { $0 = found }
            signal.raise()
        }
    }

    private let host: String
    private let port: UInt16
    private let ask: @Sendable (String, UInt16) -> Outcome
    private var underWay: Attempt?
    private var known: [SocketAddress] = []

    /// - Parameters:
    ///   - host: a name, or an address without brackets.
    ///   - ask: the system's look-up, or a test's. May block.
    package init(_ host: String, port: UInt16, ask: @escaping @Sendable (String, UInt16) -> Outcome = NameLookUp.system) {
        (self.host, self.port, self.ask) = (host, port, ask)
    }

    /// The addresses, at least one, in the order in which they are to be tried.
    package func addresses(_ patience: Patience) throws(StreamFailure) -> [SocketAddress] {
        // No thread for what needs no look-up.
        if let literal = IPAddress(host) { return [SocketAddress(literal, port: port)] }
        let attempt: Attempt
        if let underWay {
            attempt = underWay
        } else {
            attempt = try begin()
            underWay = attempt
        }
        var failure = StreamFailure("its name is not resolved in time")
        if attempt.signal.wait(patience) {
            underWay = nil
            switch attempt.outcome.withLock({ $0 }) {
            case .success(let addresses) where !addresses.isEmpty:
                known = addresses
                return addresses
            case .failure(let reason): failure = StreamFailure("its name cannot be resolved: \(reason)")
            default: failure = StreamFailure("its name has no address")
            }
        }
        guard known.isEmpty else { return known }
        throw failure
    }

    private func begin() throws(StreamFailure) -> Attempt {
        let attempt = Attempt()
        let (host, port, ask) = (host, port, ask)
        do throws(SocketError) {
            try Thread(name: "sluice-lookup") { attempt.give(ask(host, port)) }.detach()
        } catch {
            throw StreamFailure("no thread to resolve its name: \(error)")
        }
        return attempt
    }

    /// Asks the system (hosts file, name servers) for the addresses of a name, in its order (RFC 6724). Blocks.
    @Sendable
    package static func system(_ host: String, port: UInt16) -> Outcome {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        var status = getaddrinfo(host, String(port), &hints, &list)
        if status != 0 {
            // A machine with nothing but loopback has no "configured" address family.
            hints.ai_flags = 0
            status = getaddrinfo(host, String(port), &hints, &list)
        }
        guard status == 0 else { return .failure(StreamFailure(String(cString: gai_strerror(status)))) }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            if let address = SocketAddress(entry.ai_addr, size: entry.ai_addrlen) { found.append(address) }
        }
        return .success(found)
    }
}

extension Signal {
    /// Waits until it is raised. False when the patience is over before.
    fileprivate func wait(_ patience: Patience) -> Bool {
        // What has been raised counts also when there is no time to wait.
        patience.wait(waitable, POLLIN) && wait(milliseconds: 0)
    }
}
