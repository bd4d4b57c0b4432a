/// One condition of one list: the same condition after a reload, whatever its limit, and on every node.
public struct QuotaKey: Hashable, Sendable {
    /// The domain's key, and for an endpoint's list its methods and pattern.
    package var owner: String
    /// Length of the window in seconds, aligned to the Unix epoch: 1 to 2,592,000. Or `month`.
    package var perSeconds: UInt64

    package init(owner: String, perSeconds: UInt64) {
        self.owner = owner
        self.perSeconds = perSeconds
    }
}
