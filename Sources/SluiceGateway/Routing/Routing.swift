import SluiceHTTP

/// Finds where a request leads: its normal path, its domain, its endpoint, its client's address. The same for a worker and for
/// `sluice explain`.
enum Routing {
    /// Fills the exchange's routing. A refusal if the request leads nowhere, before any step of a chain. One whose path is unsafe but
    /// whose domain is known leads to that domain, which counts it and answers in a way that browsers can read: see `hasUnsafeTarget`.
    static func resolve(
        _ exchange: inout Exchange, in snapshot: UnsafePointer<SnapshotTables>, trusted: TrustedProxies
    ) -> Refusal? {
        let bytes = exchange.headBytes
        exchange.client = ForwardedFor.client(
            peer: exchange.peer, fields: exchange.head.fields, in: bytes,
            isTrusted: { trusted.contains($0) })
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
            return whole.hasEncodedSlash ? .invalidTarget : .notFound
        }
        let domain = snapshot.pointee.compiledDomains.pointer(at: match.domain)
        exchange.domain = domain
        if whole.hasEncodedSlash, !domain.pointee.keepsEncodedSlashes {
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
        if index >= 0 { exchange.endpoint = domain.pointee.compiledEndpoints.pointer(at: index) }
        return nil
    }

    private static func normalise(_ path: ByteView, in exchange: inout Exchange) -> (path: ByteView, hasEncodedSlash: Bool)? {
        guard let memory = exchange.allocate(path.count) else { return nil }
        switch NormalisedPath.normalise(path, into: memory) {
        case .unchanged(let hasEncodedSlash):
            exchange.storageUsed -= path.count
            return (path, hasEncodedSlash)
        case .changed(let count, let hasEncodedSlash):
            return (ByteView(base: memory, count: count), hasEncodedSlash)
        case .malformed: return nil
        }
    }
}

extension Exchange {
    fileprivate func routeMemory(_ snapshot: UnsafePointer<SnapshotTables>) -> RouteMemory.Handle {
        context.pointee.resources[snapshot.pointee.routeMemorySlot].assumingMemoryBound(to: RouteMemory.State.self)
    }
}
