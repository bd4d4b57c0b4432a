/// A policy's answer for one exchange. Sendable although it may hold a pointer: what it points to is never written again.
enum Verdict: BitwiseCopyable, @unchecked Sendable {
    /// Ask the next policy.
    case proceed
    /// The gateway answers with an error; the chain ends.
    case refuse(Refusal)
    /// The gateway answers with a configured response; the chain ends.
    case respond(UnsafePointer<StoredResponse>)
    /// The policy needs something from elsewhere. The worker resumes the chain exactly once.
    case suspend(Wait)
}

/// What a suspended exchange waits for. It says all that there is to do: nobody asks which policy waits.
enum Wait: BitwiseCopyable {
    /// A service's answer to a question. If it lets the request pass, the chain goes on behind the step; otherwise it is the client's answer.
    case service(UnsafePointer<ServiceCall>)
    /// The end of a fetch of the key set with this number (`KeySetSource.number`). The step is evaluated again.
    case keySet(Int)
    /// The keeper's next round, in which more allowance may be reserved. The step is evaluated again.
    case allowance
    /// The whole of the request's body, which then stands in `Exchange.body`. The step is evaluated again.
    case body

    /// What a policy declares that it may wait for.
    enum Kind: String, Sendable {
        case service = "a service's answer"
        case keySet = "a key set"
        case allowance = "allowance"
        case body = "the request's body"
    }
}
