/// What a store answers to a batch: durable, or as safe as the store is, before it is returned.
package struct AllowanceReplies: Sendable {
    /// Nodes that the store knows, this one included. 1 for a store of one node.
    package var nodes: Int
    /// The store's wall clock in microseconds since the Unix epoch, when it read the batch; nil if it has none of its own.
    package var clockMicroseconds: UInt64?
    /// For every request of the batch in its order, then for projects of which other nodes need what this one holds.
    package var ceilings: [CeilingReply]
    /// For every request of the batch, in its order.
    package var quotas: [QuotaReply]
    /// Windows of which other nodes need what this one holds unspent. May name windows that the node does not hold.
    package var quotaNotices: [QuotaNotice] = []
    /// Changes when the store may not know any more what this node holds: it has been restarted, or has forgotten the node.
    /// Everything must then be reported again: what is held of ceilings, and every window of a quota that grants lie in.
    package var registration: UInt64 = 0
    /// For how long the store still only confirms what nodes say that they hold, and grants nothing; 0 if it grants.
    package var settlesInMilliseconds: UInt64 = 0
    /// The part of every ceiling that is set aside for this node should it lose its store, in `fairUnit`s: recorded, and aimed at.
    package var fairParts: UInt64 = 0
    package var fairTarget: UInt64 = 0
    /// Changes when another node has lost the store and will go on with its fair part: all others must make room for it.
    package var squeeze: UInt64 = 0

    /// What fair parts are counted in. Divisible by every number of nodes up to 22.
    package static let fairUnit: UInt64 = 232_792_560

    package init(nodes: Int = 1, clockMicroseconds: UInt64? = nil, ceilings: [CeilingReply] = [], quotas: [QuotaReply] = []) {
        self.nodes = nodes
        self.clockMicroseconds = clockMicroseconds
        self.ceilings = ceilings
        self.quotas = quotas
    }

    /// A node's part of a project's ceiling.
    package struct CeilingReply: Sendable, Equatable {
        package var project: String
        /// What the store holds in this node's name: at least what the batch said that it holds.
        package var share: UInt64
        /// What this node should hold, given everybody's demand. If it is less than `share`, the node lowers its limit to it
        /// at once and tells the store when no more is in use; if it is more, others have been asked to give.
        package var target: UInt64
        /// What this node may use when it has lost its store for long enough: its part if all nodes had the same.
        package var fair: UInt64

        package init(project: String, share: UInt64, target: UInt64, fair: UInt64) {
            self.project = project
            self.share = share
            self.target = target
            self.fair = fair
        }
    }

    /// A node's part of a window.
    package struct QuotaReply: Sendable, Equatable {
        /// What is granted to this node in this window altogether: at least what the batch said.
        package var granted: UInt64
        /// What is granted to all nodes together.
        package var total: UInt64
        /// What this node may hold unspent at most: beyond it, others are in need. Nil if nobody is.
        package var keep: UInt64?
        /// Grows when the condition is reset: grants of an earlier generation are void, and what of them lies unspent must not be spent.
        package var generation: UInt64
        /// Which pass of the window the reply is about (`QuotaRequest.begun`), and what was granted by it; 0 and nil from a store that takes
        /// everything for one.
        package var begun: UInt64
        package var added: UInt64?

        package init(granted: UInt64, total: UInt64, keep: UInt64? = nil, generation: UInt64 = 0, begun: UInt64 = 0, added: UInt64? = nil) {
            self.begun = begun
            self.added = added
            self.granted = granted
            self.total = total
            self.keep = keep
            self.generation = generation
        }
    }

    /// Others need what this node holds unspent of a window.
    package struct QuotaNotice: Sendable, Equatable {
        package var key: QuotaKey
        package var window: UInt64
        /// What this node may hold unspent at most.
        package var keep: UInt64

        package init(key: QuotaKey, window: UInt64, keep: UInt64) {
            self.key = key
            self.window = window
            self.keep = keep
        }
    }
}
