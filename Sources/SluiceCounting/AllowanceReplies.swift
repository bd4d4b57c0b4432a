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

        package init(granted: UInt64, total: UInt64, keep: UInt64? = nil) {
            self.granted = granted
            self.total = total
            self.keep = keep
        }
    }
}
