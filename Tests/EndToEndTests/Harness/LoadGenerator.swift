import Foundation
import Synchronization

/// Clients that send requests without a pause, some on kept connections and some on a new one each time. Every response carries the
/// nonce of its request. Nothing is tried again: a refused, reset or early closed connection is a failure.
final class LoadGenerator: Sendable {
    private let port: UInt16
    private let target: String
    private let isStopped = Flag()
    private let ended = Flag()
    private let clients: Int
    private let outcome = Mutex(Outcome())

    struct Outcome {
        var served = 0
        var connections = 0
        var failures: [String] = []
    }

    /// - Parameters:
    ///   - kept: clients that keep their connection for as long as the gateway lets them.
    ///   - fresh: clients that connect for every request.
    init(port: UInt16, target: String, kept: Int, fresh: Int) {
        self.port = port
        self.target = target
        clients = kept + fresh
        for number in 0..<clients {
            Thread.detachNewThread { self.run(number, keeps: number < kept) }
        }
    }

    private func run(_ number: Int, keeps: Bool) {
        defer { ended.set() }
        var client: RawClient?
        var turn = 0
        while !isStopped.isSet {
            turn += 1
            let nonce = "\(number)-\(turn)"
            do {
                if client == nil {
                    client = try RawClient(port: port, timeout: 5)
                    outcome.withLock { $0.connections += 1 }
                }
                guard let connection = client else { continue }
                let response = try connection.exchange(
                    Gateway.text("GET", "\(target)?nonce=\(nonce)", keeps ? [] : ["Connection: close"]))
                guard response.status == 200, response.text == nonce else {
                    throw HarnessError("\(response.status) \(response.text) for \(nonce)")
                }
                outcome.withLock { $0.served += 1 }
                if !keeps || response.saysClose {
                    connection.close()
                    client = nil
                }
            } catch {
                outcome.withLock { $0.failures.append("\(keeps ? "kept" : "fresh") \(nonce): \(error)") }
                client = nil
            }
        }
        client?.close()
    }

    /// Requests answered so far.
    var served: Int { outcome.withLock { $0.served } }

    /// Ends all clients and tells what came of it.
    func stop() -> Outcome {
        isStopped.set()
        _ = eventually(within: 10) { ended.count == clients }
        return outcome.withLock { $0 }
    }

    /// Answers with the nonce of the request.
    static let echo: ScriptedUpstream.Script = { call in
        try call.reply(200, body: call.request.target.split(separator: "=").last.map(String.init) ?? "none")
    }
}
