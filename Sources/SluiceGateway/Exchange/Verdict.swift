/// A policy's answer for one exchange. Sendable although it may hold a pointer: what it points to is never written again.
enum Verdict: BitwiseCopyable, @unchecked Sendable {
    /// Ask the next policy.
    case proceed
    /// The gateway answers with an error; the chain ends.
    case refuse(Refusal)
    /// The gateway answers with a configured response; the chain ends.
    case respond(UnsafePointer<StoredResponse>)
    /// The policy needs something from elsewhere. The worker resumes the chain exactly once: at the step after this one when
    /// a pre-call was answered, at this very step when a key set was fetched.
    case suspend
}
