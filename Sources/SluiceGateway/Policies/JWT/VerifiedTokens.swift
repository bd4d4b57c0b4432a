/// The tokens that one worker has verified for one JWT policy, whoever issued them, and how often the keys have changed that it verified them with.
final class VerifiedTokens: WorkerResource {
    struct State: BitwiseCopyable {
        let cache: VerifiedTokenCache.Handle
        /// Raised with each new key set of any issuer of the policy: what was verified before is verified anew.
        var generation: UInt64
    }

    private let state: UnsafeMutablePointer<State>
    private let cache: VerifiedTokenCache

    var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }

    /// - Parameter entries: see `VerifiedTokenCache`.
    init(entries: Int) {
        cache = VerifiedTokenCache(entries: entries)
        state = .allocate(capacity: 1)
        state.initialize(to: State(cache: cache.handle, generation: 1))
    }

    deinit { state.deallocate() }
}
