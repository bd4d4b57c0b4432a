import SluiceHTTP

/// Refuses a request that announces more of a body than the gateway takes. One that says nothing of its length is measured as it comes.
///
/// Refuses with `.bodyTooLarge` (413). Never suspends.
enum BodyLimit: BuiltInPolicy {
    static let key = "bodyLimit"
    static let declaration = PolicyDeclaration(refusals: [.bodyTooLarge])

    struct Compiled: CompiledPolicy {
        let bytesMax: UInt64

        @inline(__always)
        func evaluate(_ exchange: inout Exchange) -> Verdict { exchange.announcesMore(than: bytesMax) ? .refuse(.bodyTooLarge) : .proceed }
    }

    /// Every endpoint's; a request without one takes no body.
    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? {
        guard let domain = site.domain else { return nil }
        return domain.once(key) { site.snapshot.arena.store(Compiled(bytesMax: site.snapshot.bodyBytesMax)) }
    }
}
