/// Refuses a request whose path cannot be matched with anything, or whose client is not known. No part of an ordinary chain: where it is, only the ceiling stands before it.
enum UnsafeTarget: BuiltInPolicy {
    static let key = "target"
    static let declaration = PolicyDeclaration(keepsOut: true)

    struct Compiled: CompiledPolicy {
        @inline(__always)
        func evaluate(_ exchange: inout Exchange) -> Verdict {
            .refuse(exchange.hasMalformedForwarding ? .badRequest(Refusal.malformedForwarding) : .invalidTarget)
        }
    }

    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? { nil }

    /// The chain of a domain's requests with such a path: they count, and go no further.
    static func steps(at site: PolicySite) -> [Step] {
        ProjectCeiling.compiled(at: site).map { [Step(ProjectCeiling.self, $0), Step(Self.self, site.snapshot.arena.store(Compiled()))] } ?? []
    }
}
