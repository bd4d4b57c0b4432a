import Foundation
import SluiceCounting
import SluiceGateway

/// Usage of quotas as JSON, and its reset. What `sluice quota` asks.
package enum QuotaPage {
    /// Of the admin listener: GET lists.
    package static let path = "/quotas"
    /// POST clears.
    package static let resetPath = "/quotas/reset"

    /// The answer to a GET of `path`.
    package struct List: Codable, Sendable {
        package var quotas: [Row]
        /// What an operator should know of the gateway that answers, for the commands that ask it.
        package var notes: [String]?

        package init(quotas: [Row], notes: [String]? = nil) {
            self.quotas = quotas
            self.notes = notes
        }
    }

    /// A condition and what of it is used in its present window.
    package struct Row: Codable, Sendable {
        /// The domain's key, and for an endpoint's list its methods and pattern.
        package var owner: String
        package var perSeconds: UInt64
        /// Nil where only the store was asked, which does not know it.
        package var limit: UInt64?
        package var used: UInt64
        /// Seconds since the Unix epoch.
        package var windowEnds: UInt64

        package init(owner: String, perSeconds: UInt64, limit: UInt64?, used: UInt64, windowEnds: UInt64) {
            self.owner = owner
            self.perSeconds = perSeconds
            self.limit = limit
            self.used = used
            self.windowEnds = windowEnds
        }
    }

    /// The body of a POST to `resetPath`: everything, one owner's conditions, or one of these.
    package struct Reset: Codable, Sendable {
        package var all: Bool?
        package var owner: String?
        package var perSeconds: UInt64?

        package init(all: Bool? = nil, owner: String? = nil, perSeconds: UInt64? = nil) {
            self.all = all
            self.owner = owner
            self.perSeconds = perSeconds
        }
    }

    /// What is asked of quotas, wherever it may be asked.
    ///
    /// - Parameter notes: see `List`.
    static func routes(_ gateway: Gateway, notes: [String] = []) -> [ControlRouter.Route] {
        [.init("GET", path) { _ in list(gateway, notes: notes) }, .init("POST", resetPath) { reset($0, gateway) }]
    }

    private static func list(_ gateway: Gateway, notes: [String]) -> ControlResponse {
        let rows = gateway.quotaUsage.map {
            Row(owner: $0.key.owner, perSeconds: $0.key.perSeconds, limit: $0.limit, used: $0.used, windowEnds: $0.windowEnd)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(List(quotas: rows, notes: notes.isEmpty ? nil : notes)) else { return .init(status: 500, body: "cannot be encoded\n") }
        return .init(status: 200, contentType: "application/json", body: String(decoding: data, as: UTF8.self) + "\n")
    }

    /// Wants `application/json`, which no page in a browser can send to another origin unasked.
    private static func reset(_ request: ControlRequest, _ gateway: Gateway) -> ControlResponse {
        guard request.values("Content-Type") == ["application/json"] else { return .init(status: 415, body: "application/json only\n") }
        guard let wish = try? JSONDecoder().decode(Reset.self, from: Data(request.body)), (wish.all == true) != (wish.owner != nil) else {
            return .init(status: 400, body: "{\"all\": true}, or {\"owner\": \"...\"} with or without \"perSeconds\"\n")
        }
        guard let owner = wish.owner else { return answer([gateway.resetQuota(nil)]) }
        let keys = gateway.quotaUsage.map(\.key).filter { $0.owner == owner && (wish.perSeconds ?? $0.perSeconds) == $0.perSeconds }
        guard !keys.isEmpty else { return .init(status: 404, body: "no such quota is configured\n") }
        return answer(keys.map { gateway.resetQuota($0) })
    }

    private static func answer(_ failures: [String?]) -> ControlResponse {
        guard let failure = failures.compactMap(\.self).first else { return .init(status: 200, body: "reset\n") }
        return .init(status: 503, body: "\(failure)\n")
    }
}
