import Glibc
import Synchronization

/// The way of workers to the table of callers in force, and to the plans. Stays at its place while tables come and go.
///
/// Sendable, because everything behind it is atomic, or is not written any more once somebody can see it.
package struct CallerRoot: BitwiseCopyable, @unchecked Sendable {
    /// How many plans may be known at once, and what the number of one is that is not.
    package static let planNumberMax: UInt32 = 65_535

    private let current: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<CallerView>>>
    private let plans: UnsafeMutablePointer<Atomic<UInt64>>

    /// - Parameter table: kept by the caller, as every later one is.
    package init(_ table: CallerTable) {
        current = .allocate(capacity: 1)
        current.initialize(to: Atomic(table.place))
        // Zeros, which no memory is taken for until somebody writes: an atomic word is its value.
        let count = Int(Self.planNumberMax) + 1
        guard let zeros = calloc(count, MemoryLayout<UInt64>.stride) else { preconditionFailure("no memory for plans") }
        plans = zeros.bindMemory(to: Atomic<UInt64>.self, capacity: count)
    }

    /// Nobody may use it any more.
    package func deallocate() {
        current.deallocate()
        free(plans)
    }

    /// What is in force now. Not to be kept beyond one evaluation of a policy.
    package var view: UnsafeMutablePointer<CallerView> { current.pointee.load(ordering: .acquiring) }

    /// Puts another table in force. The former one must stay until no worker can be reading it.
    package func put(_ table: CallerTable) { current.pointee.store(table.place, ordering: .releasing) }

    /// The plan of a number; nil if there is none, or none any more.
    package func plan(_ number: UInt32) -> PlanWord? {
        guard number > 0, number < Self.planNumberMax else { return nil }
        return PlanWord(word: plans[Int(number)].load(ordering: .acquiring))
    }

    /// Says what the plan of a number is from now on.
    package func setPlan(_ number: UInt32, _ plan: Plan?) {
        guard number > 0, number < Self.planNumberMax else { return }
        plans[Int(number)].store(plan.map { PlanWord($0).word } ?? 0, ordering: .releasing)
    }
}

/// A plan in one word, so that it changes all at once.
package struct PlanWord: BitwiseCopyable {
    /// Bit 63: there is one. Then the requests per second (13 bits), 0 for no limit; the period (2 bits); the quota (31 bits).
    let word: UInt64

    init(_ plan: Plan) {
        let period: UInt64 = switch plan.quota?.per {
        case .day: 1
        case .month: 2
        case nil: 0
        }
        word = 1 << 63 | min(plan.requestsPerSecond ?? 0, 8191) | period << 13 | min(plan.quota?.limit ?? 0, 0x7FFF_FFFF) << 15
    }

    init?(word: UInt64) {
        guard word >> 63 == 1 else { return nil }
        self.word = word
    }

    /// 0: no limit.
    package var requestsPerSecond: UInt64 { word & 8191 }

    package var quota: Plan.Quota? {
        switch word >> 13 & 3 {
        case 1: Plan.Quota(limit: word >> 15 & 0x7FFF_FFFF, per: .day)
        case 2: Plan.Quota(limit: word >> 15 & 0x7FFF_FFFF, per: .month)
        default: nil
        }
    }
}
