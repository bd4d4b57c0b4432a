import Synchronization

/// Something that a test tells a script on another thread, or the other way round.
final class Flag: Sendable {
    private let value = Atomic<Int>(0)

    var isSet: Bool { count > 0 }
    /// How often it has been set.
    var count: Int { value.load(ordering: .sequentiallyConsistent) }

    /// Sets it; returns how often it was set before.
    @discardableResult
    func set() -> Int { value.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue }

    /// Waits until it is set, at most `seconds`.
    func wait(_ seconds: Double = 10) throws {
        guard eventually(within: seconds, { isSet }) else { throw HarnessError("a flag was not set in \(seconds) s") }
    }
}
