/// Where callers and plans are kept that are made at run time.
///
/// For one thread at a time, which may wait in it. No worker ever calls it.
package protocol CallerStore: AnyObject {
    /// Runs `body`, whose changes hold together or not at all; on the disk when it returns. Not nested.
    func change(_ body: () throws -> Void) throws(CallerStoreError)

    /// Changes whenever somebody else has changed what is kept.
    func version() throws(CallerStoreError) -> Int
    /// Hands over every caller, in any order.
    func forEachCaller(_ body: (Caller) -> Void) throws(CallerStoreError)
    func plans() throws(CallerStoreError) -> [Plan]

    /// In the order of their names: the first `count` behind `name`.
    func callers(behind name: String, count: Int) throws(CallerStoreError) -> [Caller]
    func caller(named name: String) throws(CallerStoreError) -> Caller?
    /// Name of the caller that a key is of.
    func owner(of digest: KeyDigest) throws(CallerStoreError) -> String?
    /// How many callers have a plan.
    func callerCount(ofPlan name: String) throws(CallerStoreError) -> Int

    /// - Returns: the id that it got.
    func insert(_ caller: Caller) throws(CallerStoreError) -> UInt32
    /// Replaces what is kept of the caller with this id.
    func update(_ caller: Caller) throws(CallerStoreError)
    func delete(callerID: UInt32) throws(CallerStoreError)
    /// Inserts or replaces.
    func put(_ plan: Plan) throws(CallerStoreError)
    func delete(plan name: String) throws(CallerStoreError)
    /// Clears what all callers of a plan have used of it: see `Caller.Grant.clearings`.
    func clearUse(ofPlan name: String) throws(CallerStoreError)

    func close()
}

/// Why a store could not do what it was asked: one line, without secrets.
package struct CallerStoreError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
