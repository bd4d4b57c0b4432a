/// What a node tells its store and asks of it, in one round trip.
package struct AllowanceBatch: Sendable {
    /// Number of this batch: each is larger than the one before. A store that other nodes share ignores what comes late.
    package var sequence: UInt64
    package var ceilings: [CeilingRequest]
    package var quotas: [QuotaRequest]

    package init(sequence: UInt64, ceilings: [CeilingRequest] = [], quotas: [QuotaRequest] = []) {
        self.sequence = sequence
        self.ceilings = ceilings
        self.quotas = quotas
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

        package init(key: QuotaKey, window: UInt64, limit: UInt64, granted: UInt64, givenBack: UInt64 = 0, wanted: UInt64) {
            self.key = key
            self.window = window
            self.limit = limit
            self.granted = granted
            self.givenBack = givenBack
            self.wanted = wanted
        }
    }
}
