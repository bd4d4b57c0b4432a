/// Where callers and plans are kept that are made at run time.
///
/// For one thread at a time, which may wait in it. No worker ever calls it.
package protocol CallerStore: AnyObject {
    /// Runs `body`, whose changes hold together or not at all; on the disk when it returns. Not nested.
    func change(_ body: () throws -> Void) throws(CallerStoreError)

    /// Changes whenever somebody else has changed what is kept.
    func version() throws(CallerStoreError) -> Int
    /// Hands over every caller, in any order. What is damaged is left out, as if it were not there.
    ///
    /// - Parameter damaged: told of each row that somebody has damaged: which one, and what is wrong with it.
    func forEachCaller(damaged: (String) -> Void, _ body: (Caller) -> Void) throws(CallerStoreError)
    /// All plans, without those that are damaged.
    func plans(damaged: (String) -> Void) throws(CallerStoreError) -> [Plan]

    /// In the order of their names: the first `count` behind `name`, without those that are damaged.
    func callers(behind name: String, count: Int, damaged: (String) -> Void) throws(CallerStoreError) -> [Caller]
    /// Fails with `isOfRow` for one that is damaged.
    func caller(named name: String) throws(CallerStoreError) -> Caller?
    /// Name of the caller that a key is of.
    func owner(of digest: KeyDigest) throws(CallerStoreError) -> String?
    /// How many callers have a plan.
    func callerCount(ofPlan name: String) throws(CallerStoreError) -> Int

    /// Its id is the one that it has, if nobody else has that, or a new one.
    ///
    /// - Returns: the id that it got.
    func insert(_ caller: Caller) throws(CallerStoreError) -> UInt32
    /// Replaces what is kept of the caller with this id.
    func update(_ caller: Caller) throws(CallerStoreError)
    func delete(callerID: UInt32) throws(CallerStoreError)
    /// Forgets a caller if it is damaged.
    ///
    /// - Returns: whether it was.
    func deleteDamaged(callerNamed name: String) throws(CallerStoreError) -> Bool
    /// Inserts or replaces.
    func put(_ plan: Plan) throws(CallerStoreError)
    func delete(plan name: String) throws(CallerStoreError)
    /// Clears what all callers of a plan have used of it: see `Caller.Grant.clearings`.
    func clearUse(ofPlan name: String) throws(CallerStoreError)
    /// How often the use of a caller's plans was cleared in a domain (nil: for all) in which it had one and has none any more; nil if it never had one there.
    func clearings(ofCaller id: UInt32, formerlyIn domain: String?) throws(CallerStoreError) -> UInt32?

    func close()
}

/// Why a store could not do what it was asked: one line, without secrets.
package struct CallerStoreError: Error, CustomStringConvertible {
    package let description: String
    /// Whether one row is damaged, and all else is not.
    package let isOfRow: Bool

    package init(_ description: String, isOfRow: Bool = false) {
        self.description = description
        self.isOfRow = isOfRow
    }
}
