/// A request to see or change callers and plans at run time. Commands and the admin listener make the same ones. Each operation says what it takes.
package struct CallerRequest: Codable, Sendable {
    package enum Operation: String, CaseIterable, Sendable {
        case listKeys = "keys/list"
        case showKey = "keys/show"
        case createKey = "keys/create"
        case setKey = "keys/set"
        case rotateKey = "keys/rotate"
        case disableKey = "keys/disable"
        case enableKey = "keys/enable"
        case deleteKey = "keys/delete"
        case listPlans = "plans/list"
        case createPlan = "plans/create"
        case setPlan = "plans/set"
        case deletePlan = "plans/delete"

        /// What a request for it may say.
        package var members: [String] {
            switch self {
            case .listKeys: ["after", "limit"]
            case .showKey, .disableKey, .enableKey, .deleteKey, .deletePlan: ["name"]
            case .createKey: ["name", "description", "key", "secondaryKey", "withSecondary", "plans", "notBefore", "expires", "enabled"]
            case .setKey: ["name", "description", "plans", "notBefore", "expires", "enabled"]
            case .rotateKey: ["name", "slot", "key"]
            case .listPlans: []
            case .createPlan, .setPlan: ["name", "requestsPerSecond", "quota", "per"]
            }
        }

        /// Of the admin listener.
        package var path: String { "/" + rawValue }
    }

    /// Which of a caller's two keys.
    package enum Slot: String, Codable, Sendable, CaseIterable {
        case primary, secondary
    }

    /// Of a caller or a plan.
    package var name: String?
    package var description: String?
    /// A key that somebody has chosen; left out, one is made.
    package var key: String?
    /// The same for the second key; `withSecondary` has one made.
    package var secondaryKey: String?
    package var withSecondary: Bool?
    package var slot: Slot?
    /// `PLAN`, `DOMAIN=PLAN`, and `none` for a plan without limits.
    package var plans: [String]?
    /// RFC 3339, or `none`.
    package var notBefore: String?
    package var expires: String?
    package var enabled: Bool?
    package var requestsPerSecond: UInt64?
    package var quota: UInt64?
    /// `day`, `month`; `none` takes the quota away.
    package var per: String?
    /// List: names behind this one.
    package var after: String?
    package var limit: Int?

    package init(name: String? = nil) { self.name = name }
}

/// What came of it.
package struct CallerAnswer: Codable, Sendable {
    package struct Caller: Codable, Sendable {
        package var name: String
        package var description: String?
        /// `active`, `disabled`, `notYetValid` or `expired`.
        package var state: String
        package var plans: [String]
        package var notBefore: String?
        package var expires: String?
        package var created: String?
        package var hasSecondary: Bool
        /// Whether the configuration declares it, which alone changes it then.
        package var isConfigured: Bool?
    }

    package struct Plan: Codable, Sendable {
        package var name: String
        package var requestsPerSecond: UInt64?
        package var quota: UInt64?
        package var per: String?
        /// Callers that have it, of those that are made at run time.
        package var callers: Int?
        package var isConfigured: Bool?
    }

    package var callers: [Caller]?
    package var plans: [Plan]?
    /// Shown this once: only digests are kept.
    package var key: String?
    package var secondaryKey: String?
    /// Whether there are further callers behind the last.
    package var hasMore: Bool?
    /// What to think of.
    package var notes: [String]?

    package init() {}
}

/// Why something cannot be done, and as which status of HTTP that is told.
package struct CallerFault: Error, CustomStringConvertible {
    package enum Kind: Int, Sendable {
        case unusable = 400
        case unknown = 404
        case conflict = 409
        case unavailable = 503
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
