/// What an endpoint look-up writes down, one per worker and snapshot: which `**` below another `**` has been entered.
/// Nothing is cleared between look-ups: a mark counts only with the epoch of the running one.
final class RouteMemory: WorkerResource {
    struct State: BitwiseCopyable {
        /// The epoch in which each was entered last.
        let entered: UnsafeMutablePointer<UInt32>
        let capacity: Int
        /// Of the running look-up; 0 is no look-up's.
        var epoch: UInt32 = 0
        /// Nodes that the last look-up visited: a measure of its work.
        var visits = 0
    }

    typealias Handle = UnsafeMutablePointer<State>

    let state: Handle

    /// - Parameter capacity: the largest `EndpointTable.memoryCapacity` of the tables that it is used with.
    init(capacity: Int) {
        let entered = UnsafeMutablePointer<UInt32>.allocate(capacity: max(1, capacity))
        entered.initialize(repeating: 0, count: max(1, capacity))
        state = .allocate(capacity: 1)
        state.initialize(to: State(entered: entered, capacity: capacity))
    }

    deinit {
        state.pointee.entered.deallocate()
        state.deallocate()
    }

    /// A `Handle`.
    var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }
}

extension RouteMemory.State {
    mutating func begin() {
        visits = 0
        epoch &+= 1
        if epoch == 0 {
            entered.update(repeating: 0, count: max(1, capacity))
            epoch = 1
        }
    }

    /// Whether this is the first time in this look-up.
    func enter(_ index: Int) -> Bool {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: capacity))
        if entered[index] == epoch { return false }
        entered[index] = epoch
        return true
    }
}
