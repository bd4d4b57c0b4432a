import Synchronization
import Testing

/// Ends, after a test, whatever the test started: processes, servers, sockets, temporary folders. Also when the test
/// failed or threw. Last started, first ended.
struct LoopbackScope: SuiteTrait, TestTrait, TestScoping {
    @TaskLocal static var current: LoopbackScope.Store?

    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let store = Store()
        defer { store.endAll() }
        try await LoopbackScope.$current.withValue(store) { try await function() }
    }

    /// Registers what ends something that the running test started. Without a scope (which is a mistake in the suite's
    /// traits) nothing would end it, so that is an error.
    static func onEnd(_ action: @escaping @Sendable () -> Void) throws {
        guard let current else { throw HarnessError("the suite lacks the trait .loopback") }
        current.add(action)
    }

    final class Store: Sendable {
        private let actions = Mutex<[@Sendable () -> Void]>([])

        func add(_ action: @escaping @Sendable () -> Void) { actions.withLock { $0.append(action) } }

        func endAll() {
            let all = actions.withLock { list in
                defer { list = [] }
                return list
            }
            for action in all.reversed() { action() }
        }
    }
}

extension Trait where Self == LoopbackScope {
    /// The test may start processes and servers on loopback; they end with it.
    static var loopback: LoopbackScope { LoopbackScope() }
}
