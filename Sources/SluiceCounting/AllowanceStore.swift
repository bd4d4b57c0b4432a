/// Where allowance is reserved before it is spent: SQLite for one node, Redis for several, memory for none.
///
/// For one thread, which may wait in it. No worker ever calls it.
package protocol AllowanceStore: AnyObject {
    /// Does what the batch says, as a whole or not at all, so that it survives what the store promises to survive, and answers.
    /// After an error the node does not know whether it was done: it goes on as if not, which can only waste.
    func exchange(_ batch: AllowanceBatch) throws(AllowanceStoreError) -> AllowanceReplies

    /// What is reserved in the windows that contain `wallSeconds`, by all nodes.
    func usage(wallSeconds: UInt64) throws(AllowanceStoreError) -> [(key: QuotaKey, window: UInt64, reserved: UInt64)]

    /// Forgets what was reserved, for one condition or for all: their windows begin anew, on every node.
    func reset(_ key: QuotaKey?) throws(AllowanceStoreError)

    /// What an operator should know of the store, for the log, in one line; nil if nothing has come up since the last call.
    func takeRemark() -> String?

    /// Ends the use of the store: what the node holds of ceilings is free at once. Waits for at most a second.
    func close()
}

extension AllowanceStore {
    package func takeRemark() -> String? { nil }
}

/// Why a store could not do what it was asked: one line for the log, without secrets.
package struct AllowanceStoreError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
