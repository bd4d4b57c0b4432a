/// What the gateway would do with one request, and why: texts for an operator.
package struct Explanation: Sendable {
    /// Something that was found out before the first step: `domain`, `path`, `endpoint`.
    package struct Fact: Sendable {
        package let label: String
        /// The first line, and what goes below it.
        package let lines: [String]
    }

    /// One step of the chain.
    package struct Step: Sendable {
        /// The policy's name in the configuration.
        package let policy: String
        /// For example `proceed`, `refuse 401 hmac_invalid`, `not reached`.
        package let verdict: String
    }

    package internal(set) var facts: [Fact] = []
    package internal(set) var steps: [Step] = []
    /// What the last lines are: the upstream's request, or the response.
    package internal(set) var messageTitle = ""
    /// Head lines of that message and, of a response, the body after an empty line.
    package internal(set) var message: [String] = []
    /// For programs: `proxy GET http://127.0.0.1:9000/base/x`, `200 mock` or `401 20001 HMAC authentication failed (...)`.
    package internal(set) var verdict = ""
    /// Whether the request is proxied, or answered by what was configured to answer it.
    package internal(set) var passes = false
}
