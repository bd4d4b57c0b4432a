/// One line of a file of callers and plans, with which they are moved to another gateway: a plan or a caller. Of keys it has digests alone.
package struct CallerLine: Codable, Sendable, Equatable {
    /// A plan's name; nil for a caller.
    package var plan: String?
    package var requestsPerSecond: UInt64?
    package var quota: UInt64?
    package var per: String?

    /// A caller's name; nil for a plan.
    package var caller: String?
    /// What the caller's use is counted by, beside its name: kept where nobody else has it.
    package var id: UInt32?
    package var description: String?
    /// True if it is left out.
    package var enabled: Bool?
    /// `sha256:` and 64 hexadecimal digits.
    package var key: String?
    package var secondaryKey: String?
    package var plans: [String]?
    /// RFC 3339.
    package var notBefore: String?
    package var expires: String?
    package var created: String?

    /// What a line about a plan may say, and one about a caller.
    package static let planMembers = ["plan", "requestsPerSecond", "quota", "per"]
    package static let callerMembers = ["caller", "id", "description", "enabled", "key", "secondaryKey", "plans", "notBefore", "expires", "created"]

    package init(_ plan: Plan) {
        self.plan = plan.name
        requestsPerSecond = plan.requestsPerSecond
        quota = plan.quota?.limit
        per = plan.quota?.per.rawValue
    }

    package init(_ caller: Caller) {
        self.caller = caller.name
        id = caller.id
        description = caller.description.isEmpty ? nil : caller.description
        enabled = caller.isEnabled
        key = caller.primary.map(Self.text)
        secondaryKey = caller.secondary.map(Self.text)
        plans = caller.grants.map(\.text)
        notBefore = caller.notBefore.map(CallerTimes.text)
        expires = caller.expires.map(CallerTimes.text)
        created = caller.created > 0 ? CallerTimes.text(caller.created) : nil
    }

    private static let prefix = "sha256:"

    private static func text(_ digest: KeyDigest) -> String { prefix + digest.hexadecimal }

    static func digest(_ text: String) -> KeyDigest? { text.hasPrefix(prefix) ? KeyDigest(hexadecimal: text.dropFirst(prefix.count)) : nil }
}

/// What came of a file of callers and plans.
package struct CallerImport: Codable, Sendable, Equatable {
    package var made = 0
    package var changed = 0
    package var unchanged = 0

    package init() {}
}
