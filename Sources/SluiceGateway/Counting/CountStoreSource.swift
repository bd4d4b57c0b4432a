package import SluiceCounting

/// Which store keeps the counts, and how it is opened.
package struct CountStoreSource: Sendable {
    /// A store that was opened.
    package struct Opened {
        package let store: any AllowanceStore
        /// What the clock showed when the store was last written to, in seconds since the Unix epoch; 0 if the store does not know.
        package let latestSeconds: UInt64

        package init(store: any AllowanceStore, latestSeconds: UInt64 = 0) {
            self.store = store
            self.latestSeconds = latestSeconds
        }
    }

    /// For the log, without secrets.
    package let name: String
    /// Whether several nodes share the store: it then divides ceilings too.
    package let isShared: Bool
    /// How much of a quota is reserved at once.
    package let sizing: BlockSizing
    /// Opens it. On the keeper's thread, or before that runs; may wait.
    package let open: @Sendable () throws(AllowanceStoreError) -> Opened

    package init(
        name: String, isShared: Bool, sizing: BlockSizing, open: @escaping @Sendable () throws(AllowanceStoreError) -> Opened
    ) {
        self.name = name
        self.isShared = isShared
        self.sizing = sizing
        self.open = open
    }

    /// Counts that end with the process.
    package static let memory = CountStoreSource(name: "memory", isShared: false, sizing: .whole) { () throws(AllowanceStoreError) in
        Opened(store: MemoryStore())
    }
}
