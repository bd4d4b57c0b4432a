/// What a node tells its store and asks of it, in one round trip.
package struct AllowanceBatch: Sendable {
    /// Number of this batch: each is larger than the one before. A store that other nodes share ignores what comes late.
    package var sequence: UInt64
    package var ceilings: [CeilingRequest]
    package var quotas: [QuotaRequest]
    /// How the node stands with a store that other nodes share (`CeilingLedger.standing`). A store of one node ignores it.
    package var standing: Standing
    /// By how many seconds the clock of windows was set back since the last batch. For a store that has no clock of its own; others ignore it.
    package var setBackSeconds: UInt64
    /// The clock of windows, in seconds since the Unix epoch, for a store that has no clock of its own; 0 where nobody knows it.
    package var seconds: UInt64

    package init(
        sequence: UInt64, ceilings: [CeilingRequest] = [], quotas: [QuotaRequest] = [], standing: Standing = Standing(),
        setBackSeconds: UInt64 = 0, seconds: UInt64 = 0
    ) {
        self.sequence = sequence
        self.seconds = seconds
        self.setBackSeconds = setBackSeconds
        self.ceilings = ceilings
        self.quotas = quotas
        self.standing = standing
    }

    /// What a node's store must know of it apart from single projects.
    package struct Standing: Sendable, Equatable {
        /// Number of the latest batch whose replies the node has and acts by; 0 if none. By it the store knows for how long
        /// a node has heard nothing, although its batches may come.
        package var acknowledged: UInt64
        /// The part of every ceiling that the node may use when it has been without its store for long: in `AllowanceReplies.fairUnit`s.
        package var fairParts: UInt64
        /// Whether the node goes on with its fair part when it is without its store (`local`), or with nothing (`closed`).
        package var isLocal: Bool

        package init(acknowledged: UInt64 = 0, fairParts: UInt64 = 0, isLocal: Bool = false) {
            self.acknowledged = acknowledged
            self.fairParts = fairParts
            self.isLocal = isLocal
        }
    }

    /// One project's ceiling as this node sees it.
    package struct CeilingRequest: Sendable, Equatable {
        package var project: String
        /// Requests per second that the configuration allows, on all nodes together.
        package var ceiling: UInt64
        /// The share that this node can still use: never less than what it has in use.
        package var held: UInt64
        /// Requests per second that have come to this node lately, refused ones included.
        package var demand: UInt64

        package init(project: String, ceiling: UInt64, held: UInt64, demand: UInt64) {
            self.project = project
            self.ceiling = ceiling
            self.held = held
            self.demand = demand
        }
    }

    /// One condition's window as this node sees it.
    package struct QuotaRequest: Sendable, Equatable {
        /// Whether it begins no window that the store does not have: what a caller gives back whose plan goes by the other calendar by now, where its use has gone
        /// over already. A window that were begun by this would be taken for all that was used of it when the plan changes again.
        package var beginsNothing: Bool { key.isOfCaller && wanted == 0 }

        package var key: QuotaKey
        /// Number of the window: seconds since the Unix epoch by the length of a window.
        package var window: UInt64
        /// Requests per window that the configuration allows, on all nodes together.
        package var limit: UInt64
        /// What was granted to this node in this window altogether, less what it has given back.
        package var granted: UInt64
        /// What of it is given back with this batch: it will not be spent.
        package var givenBack: UInt64
        /// How much more is asked for.
        package var wanted: UInt64
        /// The generation of the grants: `QuotaReply.generation` of the latest reply about this condition, 0 before the first.
        package var generation: UInt64
        /// Which of its passes the window is in, where a clock that was set back lets it come again: `QuotaReply.begun` of the latest reply about this
        /// window, 0 before the first. What was granted in another pass counts no more.
        package var begun: UInt64

        package init(
            key: QuotaKey, window: UInt64, limit: UInt64, granted: UInt64, givenBack: UInt64 = 0, wanted: UInt64, generation: UInt64 = 0,
            begun: UInt64 = 0
        ) {
            self.begun = begun
            self.key = key
            self.window = window
            self.limit = limit
            self.granted = granted
            self.givenBack = givenBack
            self.wanted = wanted
            self.generation = generation
        }
    }
}
