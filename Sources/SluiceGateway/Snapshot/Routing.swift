import SluiceHTTP
import SluicePattern

/// Finds where a request leads: its normal path, its domain, its endpoint, its client's address. The same for a worker and for
/// `sluice explain`.
enum Routing {
    /// Fills the exchange's routing. A refusal if the request leads nowhere, before any step of a chain. One whose path is unsafe but
    /// whose domain is known leads to that domain, which counts it and answers in a way that browsers can read: see `hasUnsafeTarget`.
    static func resolve(
        _ exchange: inout Exchange, in snapshot: UnsafePointer<SnapshotTables>, trusted: TrustedProxies
    ) -> Refusal? {
        let bytes = exchange.headBytes
        // Not by its address alone: behind a PROXY header that names nobody the peer is a trusted proxy that vouches for nothing.
        var isForwardingMalformed = false
        exchange.client = exchange.peerIsTrusted
            ? ForwardedFor.client(
                peer: exchange.peer, fields: exchange.head.fields, in: bytes, isMalformed: &isForwardingMalformed, isTrusted: { trusted.contains($0) })
            : exchange.peer
        exchange.query = exchange.head.query(in: bytes)
        exchange.upstreamQuery = exchange.query
        // `OPTIONS *` asks about the gateway itself, which has no path to match.
        guard exchange.head.form != .asterisk else { return .notFound }
        guard let whole = normalise(exchange.head.path(in: bytes), in: &exchange) else {
            // The host alone may name the domain; a key is the beginning of a path, and this is none.
            guard let index = snapshot.pointee.domains.lookUp(hostName: bytes[exchange.head.hostName.range]) else { return .invalidTarget }
            exchange.domain = snapshot.pointee.compiledDomains.pointer(at: index)
            exchange.hasUnsafeTarget = true
            return nil
        }
        guard let match = snapshot.pointee.domains.lookUp(hostName: bytes[exchange.head.hostName.range], path: whole.path) else {
            return whole.marks.intersects(.encodedSlash) ? .invalidTarget : .notFound
        }
        let domain = snapshot.pointee.compiledDomains.pointer(at: match.domain)
        exchange.domain = domain
        exchange.isFoundByKey = match.restStart > 0
        if whole.marks.intersects(domain.pointee.unsafeMarks) {
            exchange.hasUnsafeTarget = true
            return nil
        }
        // With `v2`, who does not know the client asks for no guess.
        if isForwardingMalformed, domain.pointee.errors == .v2 {
            exchange.hasMalformedForwarding = true
            exchange.hasUnsafeTarget = true
            return nil
        }
        exchange.path = match.restStart < whole.path.count ? whole.path[match.restStart...] : ByteView("/" as StaticString)
        exchange.upstreamPath = exchange.path
        let method = snapshot.pointee.methods.bit(for: exchange.head.method, token: exchange.method)
        let index = domain.pointee.endpoints.match(
            path: exchange.path, method: method, memory: exchange.routeMemory(snapshot),
            scratch: exchange.context.pointee.matchScratch)
        // None matches, or which one is meant could not be found out within bounds: both are no endpoint, never another one.
        guard index >= 0 else { return nil }
        exchange.endpoint = domain.pointee.compiledEndpoints.pointer(at: index)
        if !whole.marks.isEmpty { checkReadings(&exchange, whole.marks, match.rule, in: snapshot) }
        return nil
    }

    private static func normalise(_ path: ByteView, in exchange: inout Exchange) -> (path: ByteView, marks: PathMarks)? {
        guard let memory = exchange.allocate(path.count) else { return nil }
        switch NormalisedPath.normalise(path, into: memory) {
        case .unchanged(let marks):
            exchange.storageUsed -= path.count
            return (path, marks)
        case .changed(let count, let marks):
            return (ByteView(base: memory, count: count), marks)
        case .malformed: return nil
        }
    }
}

// MARK: - One path, one reading

extension Routing {
    /// Takes the endpoint away again where a service may read the path as one that leads to another endpoint, or to another domain.
    @inline(never)
    private static func checkReadings(
        _ exchange: inout Exchange, _ marks: PathMarks, _ rule: DomainMatch.Rule, in snapshot: UnsafePointer<SnapshotTables>
    ) {
        guard exchange.domain?.pointee.keepsAmbiguousPaths == false else { return }
        exchange.pathMarks = marks
        exchange.isOfAnyHost = rule == .anyHost
        guard hasOtherReading(&exchange, in: snapshot, where: { _ in true }) else { return }
        exchange.endpoint = nil
        exchange.isAmbiguous = true
    }

    /// Whether a reading of the exchange's path leads elsewhere for which `body`, given its text, answers true: to another endpoint, to
    /// another domain, or past the endpoint's rewrite, which leaves the path alone as it stands and would change it as it is read. A reading
    /// that leads to no endpoint leads nowhere else.
    ///
    /// Where the exchange has no memory for readings, true: which way they lead is not known then. The work is at most that of
    /// nine look-ups.
    static func hasOtherReading(
        _ exchange: inout Exchange, in snapshot: UnsafePointer<SnapshotTables>, where body: (ByteView) -> Bool
    ) -> Bool {
        guard let domain = exchange.domain else { return false }
        let path = exchange.path
        let used = exchange.storageUsed
        defer { exchange.storageUsed = used }
        guard let memory = exchange.allocate(path.count) else { return true }
        let method = snapshot.pointee.methods.bit(for: exchange.head.method, token: exchange.method)
        let hostName = exchange.headBytes[exchange.head.hostName.range]
        let routeMemory = exchange.routeMemory(snapshot)
        let scratch = exchange.context.pointee.matchScratch
        let endpoint = exchange.endpoint
        let rewrite = endpoint?.pointee.rewrite
        // A domain that was found by a host has every path, and a key is not part of what its service reads.
        let mayBeOthers = exchange.isOfAnyHost
        return PathReading.contains(path, exchange.pathMarks, into: memory) { text in
            if mayBeOthers, let other = snapshot.pointee.domains.lookUp(hostName: hostName, path: text),
                snapshot.pointee.compiledDomains.pointer(at: other.domain) != domain
            {
                return body(text)
            }
            let index = domain.pointee.endpoints.match(path: text, method: method, memory: routeMemory, scratch: scratch)
            guard index != EndpointTable.noMatch else { return false }
            guard index >= 0, domain.pointee.compiledEndpoints.pointer(at: index) == endpoint else { return body(text) }
            let isRewrittenOnlyThus = rewrite?.pointee.matches(path, scratch) == MatchOutcome.none && rewrite?.pointee.matches(text, scratch) != MatchOutcome.none
            return isRewrittenOnlyThus && body(text)
        }
    }
}

extension Exchange {
    fileprivate func routeMemory(_ snapshot: UnsafePointer<SnapshotTables>) -> RouteMemory.Handle {
        resource(snapshot.pointee.routeMemorySlot, as: RouteMemory.State.self)
    }
}
