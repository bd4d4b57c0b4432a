import Foundation
import Synchronization

/// Clients that ask of a limit without end, each on a connection that it keeps, with a millisecond between an answer and the next request.
/// What is no 200 is a refusal.
final class Demand: Sendable {
    private let outcome = Mutex(Outcome())
    private let isStopped = Flag()
    private let ended = Flag()
    private let clients: Int

    private struct Outcome {
        var admitted: [Double] = []
        var refused = 0
        var unanswered = 0
    }

    /// - Parameters:
    ///   - target: what is asked for.
    ///   - fields: of every request.
    ///   - clients: at each gateway.
    ///   - requests: of each client, which then ends by itself.
    init(_ gateways: [Gateway], target: String = "/api/x", fields: [String] = [], clients: Int, requests: Int = .max) {
        self.clients = gateways.count * clients
        for gateway in gateways {
            for _ in 0..<clients {
                Thread.detachNewThread { self.run(gateway, Gateway.text("GET", target, fields), requests) }
            }
        }
    }

    private func run(_ gateway: Gateway, _ request: String, _ requests: Int) {
        defer { ended.set() }
        do {
            let client = try gateway.client()
            var sent = 0
            while !isStopped.isSet, sent < requests {
                sent += 1
                let response = try client.exchange(request)
                let now = monotonicSeconds()
                outcome.withLock { if response.status == 200 { $0.admitted.append(now) } else { $0.refused += 1 } }
                pause(0.001)
            }
        } catch {
            outcome.withLock { $0.unanswered += 1 }
        }
    }

    var admitted: Int { outcome.withLock { $0.admitted.count } }
    var refused: Int { outcome.withLock { $0.refused } }
    /// Clients whose last request had no answer. It may have been admitted.
    var unanswered: Int { outcome.withLock { $0.unanswered } }

    /// Waits until every client has ended by itself: it has sent its requests, or the gateway has gone.
    func hasEnded(within seconds: Double = 20) -> Bool { eventually(within: seconds) { ended.count == clients } }

    /// Ends all clients. When each 200 arrived, in order, in seconds of the monotonic clock.
    func stop() -> [Double] {
        isStopped.set()
        _ = hasEnded()
        return outcome.withLock { $0.admitted.sorted() }
    }

    /// The most of these times that lie in one second.
    static func mostInASecond(_ times: [Double]) -> Int { most(times, within: 1) }

    /// The most of these times that lie in an interval of so many seconds.
    static func most(_ times: [Double], within seconds: Double) -> Int {
        var (first, most) = (0, 0)
        for last in times.indices {
            while times[last] - times[first] >= seconds { first += 1 }
            most = max(most, last - first + 1)
        }
        return most
    }
}
