import SluiceConfiguration
import SluiceHTTP
import SluicePattern

// Why a request leads where it does: the domain's rule, the endpoint and those it was preferred to.

extension Explainer {
    /// Runners-up that are named; the rest is counted.
    private static var runnersUpMax: Int { 5 }

    func describeClient(_ explanation: inout Explanation, _ exchange: Exchange) {
        let peer = "\(exchange.peer)"
        let client = "\(exchange.client)"
        let text = peer == client ? peer : "\(client), as the trusted proxy \(peer) says"
        explanation.facts.append(.init(label: "client", lines: [text]))
    }

    func describeRoute(_ explanation: inout Explanation, _ exchange: inout Exchange) {
        guard let domain = exchange.domain else {
            explanation.facts.append(.init(label: "domain", lines: ["none"]))
            return
        }
        explanation.facts.append(.init(label: "domain", lines: ["\(domain.pointee.key.string), \(rule(exchange))"]))
        guard !exchange.hasUnsafeTarget else {
            explanation.facts.append(.init(label: "path", lines: [exchange.hasMalformedForwarding ? "not matched: the client is not known" : "unsafe: it cannot be matched"]))
            return
        }
        explanation.facts.append(.init(label: "path", lines: [exchange.path.string]))
        guard let configured = configured(exchange) else { return }
        if exchange.isAmbiguous {
            explanation.facts.append(.init(label: "endpoint", lines: ["none: a service may read the path as \(otherReading(of: &exchange)), which leads elsewhere"]))
            return
        }
        let index = chosen(exchange, domain)
        let found = candidates(configured, exchange, except: index)
        guard let index, index < configured.endpoints.count else {
            let lines = found.filter { !$0.servesMethod }.map { "\(name(configured.endpoints[$0.index])) matches the path, not the method" }
            explanation.facts.append(.init(label: "endpoint", lines: ["none"] + shortened(lines)))
            return
        }
        let endpoint = configured.endpoints[index]
        let lines = found.filter(\.servesMethod).map { candidate in
            let other = configured.endpoints[candidate.index]
            return "preferred to \(name(other))\(reason(endpoint, other))"
        }
        explanation.facts.append(.init(label: "endpoint", lines: [name(endpoint)] + shortened(lines)))
    }

    /// The reading of an ambiguous path that leads elsewhere.
    private func otherReading(of exchange: inout Exchange) -> String {
        var text = "another one"
        // The endpoint was taken away.
        let kept = exchange.endpoint
        exchange.endpoint = ambiguousEndpoint(of: exchange)
        _ = Routing.hasOtherReading(&exchange, in: snapshot.tables) { reading in
            text = reading.string
            return true
        }
        exchange.endpoint = kept
        return text
    }

    /// The endpoint that the path as it stands leads to.
    private func ambiguousEndpoint(of exchange: Exchange) -> UnsafePointer<CompiledEndpoint>? {
        guard let domain = exchange.domain else { return nil }
        let tables = snapshot.tables
        let memory = exchange.resource(tables.pointee.routeMemorySlot, as: RouteMemory.State.self)
        let index = domain.pointee.endpoints.match(
            path: exchange.path, method: tables.pointee.methods.bit(for: exchange.head.method, token: exchange.method),
            memory: memory, scratch: worker.parts.matchScratch.handle)
        return index < 0 ? nil : domain.pointee.compiledEndpoints.pointer(at: index)
    }

    // MARK: The domain

    private func rule(_ exchange: Exchange) -> String {
        let path = exchange.head.path(in: exchange.headBytes)
        var normal = [UInt8](repeating: 0, count: path.count)
        let host = exchange.head.authority.count == 0 ? nil : exchange.headBytes[exchange.head.authority.range]
        let match = normal.withUnsafeMutableBufferPointer { buffer -> DomainMatch? in
            guard let memory = buffer.baseAddress else { return nil }
            let domains = snapshot.tables.pointee.domains
            switch NormalisedPath.normalise(path, into: memory) {
            case .unchanged: return domains.lookUp(host: host, path: path)
            case .changed(let count, _): return domains.lookUp(host: host, path: ByteView(base: memory, count: count))
            case .malformed: return domains.lookUp(host: host, path: ByteView("/" as StaticString))
            }
        }
        let name = host?.string ?? ""
        switch match?.rule {
        case .host: return "by its host \(name)"
        case .wildcardHost: return "by a wildcard for the host \(name)"
        case .key: return "by its key, the first segment of the path"
        case .anyHost: return "by \"*\": no other domain has this host or key"
        case nil: return ""
        }
    }

    // MARK: The endpoint

    func chosen(_ exchange: Exchange, _ domain: UnsafePointer<CompiledDomain>) -> Int? {
        guard let endpoint = exchange.endpoint else { return nil }
        let endpoints = domain.pointee.compiledEndpoints
        return (0..<endpoints.count).first { endpoints.pointer(at: $0) == endpoint }
    }

    private struct Candidate {
        let index: Int
        let servesMethod: Bool
    }

    /// The endpoints whose pattern matches the path, each asked in a table of its own.
    private func candidates(
        _ domain: GatewayConfiguration.DomainConfiguration, _ exchange: Exchange, except chosen: Int?
    ) -> [Candidate] {
        domain.endpoints.indices.compactMap { index in
            guard index != chosen else { return nil }
            let endpoint = domain.endpoints[index]
            if matches(endpoint.path, methods: endpoint.methods, exchange) { return Candidate(index: index, servesMethod: true) }
            guard matches(endpoint.path, methods: nil, exchange, isAny: true) else { return nil }
            return Candidate(index: index, servesMethod: false)
        }
    }

    /// - Parameter isAny: whether the path alone is asked about; `methods` is nil then.
    private func matches(
        _ pattern: Located<String>, methods: Located<[Located<String>]>?, _ exchange: Exchange, isAny: Bool = false
    ) -> Bool {
        let arena = Arena()
        let registry = MethodRegistry()
        let problems = Problems(file: "")
        let table = EndpointTable.compile(
            [EndpointSource(pattern: pattern, methods: methods)], registry: registry, into: arena, problems: problems)
        let method = isAny
            ? MethodSet(.get) : registry.compile(into: arena).bit(for: exchange.head.method, token: exchange.method)
        let memory = RouteMemory(capacity: table.memoryCapacity)
        return withExtendedLifetime((arena, memory)) {
            table.match(path: exchange.path, method: method, memory: memory.state, scratch: worker.parts.matchScratch.handle) >= 0
        }
    }

    private func name(_ endpoint: GatewayConfiguration.EndpointConfiguration) -> String { endpoint.name }

    /// The segment that decided, in words.
    private func reason(
        _ endpoint: GatewayConfiguration.EndpointConfiguration, _ other: GatewayConfiguration.EndpointConfiguration
    ) -> String {
        let problems = Problems(file: "")
        guard let mine = PathPattern(endpoint.path, problems: problems), let others = PathPattern(other.path, problems: problems)
        else { return "" }
        for (index, pair) in zip(mine.segments, others.segments).enumerated() where pair.0.kind != pair.1.kind {
            return ": segment \(index + 1) is \(pair.0.kind.words), not \(pair.1.kind.words)"
        }
        if mine.segments.count != others.segments.count { return ": it has more segments" }
        return ": it has more letters to match"
    }

    private func shortened(_ lines: [String]) -> [String] {
        guard lines.count > Self.runnersUpMax else { return lines }
        return lines.prefix(Self.runnersUpMax) + ["and \(lines.count - Self.runnersUpMax) more"]
    }
}

extension PathPattern.Kind {
    /// As an operator writes it.
    fileprivate var words: String {
        switch self {
        case .literal: "literal"
        case .regex: "{name:regex}"
        case .mix: "letters with ? or *"
        case .name: "{name}"
        case .star: "*"
        case .doubleStar: "**"
        }
    }
}
