package import SluiceConfiguration
import SluiceCallers
import SluiceCounting
import SluiceEvent
import SluiceHTTP
import Synchronization

/// Walks one request through a compiled configuration without sending anything.
///
/// It is a worker that never runs its loop: it has the snapshot, the clock and the resources of one, and evaluates the very
/// steps that `sluice run` evaluates. What it cannot know are the counts of a running gateway: ceilings and quotas begin at zero.
/// The one thing that it asks others for is a key set, where a step waits for one.
package final class Explainer {
    /// The request cannot be walked: the system has no memory or descriptors.
    package struct SetupError: Error {
        package let message: String
    }

    let configuration: GatewayConfiguration
    let worker: Worker
    let snapshot: Snapshot
    let settings: ProcessSettings
    private let registries: SnapshotCompiler.Registries

    /// Compiles a configuration as a start of the gateway does. Nil if it cannot be served: `problems` says why.
    package init?(
        _ tree: ConfigurationNode, settings: ProcessSettings, callers: CallerStoreSource = .none, problems: Problems
    ) throws(SetupError) {
        self.settings = settings
        registries = SnapshotCompiler.Registries(settings, callers: callers)
        configuration = GatewayConfiguration.read(tree, problems: problems)
        let compiler = SnapshotCompiler(settings: settings, registries: registries, problems: problems)
        guard let snapshot = compiler.compile(configuration, generation: 1), !problems.refuseConfiguration else { return nil }
        self.snapshot = snapshot
        do throws(EventLoop.SetupError) {
            worker = try Worker(number: 0, limits: WorkerLimits(settings), workerCount: 1,
                bounds: ConnectionBounds(settings, descriptors: 0), counts: registries.counts, accessLog: nil)
        } catch {
            throw SetupError(message: error.message)
        }
        let labels = registries.metrics.labels
        worker.take(Worker.Publication(
            snapshot: snapshot, listeners: [], origins: registries.origins.all, addresses: [:],
            projectCount: registries.counts.projectCount, endpointRows: labels.endpoints.count, domainRows: labels.domains.count))
        if let fault = registries.knownCallers.putInForce() { throw SetupError(message: fault.description) }
        // What callers have used of their plans is not known here.
        KeeperState.setWhenLate(registries.counts.state, .admit)
        KeeperState.setAway(registries.counts.state, true)
        registries.counts.fillAll(seconds: worker.parts.context.pointee.countSeconds)
        // Key sets can be had: `fetchKeySet` fetches them, when a step waits for one.
        registries.keySets.setRefresher {}
    }

    var origins: [Origin] { registries.origins.all }

    /// What would become of the request.
    package func explain(_ request: ExplainedRequest) throws(SetupError) -> Explanation {
        guard let block = prepare(request) else { throw SetupError(message: "no memory for an exchange") }
        var explanation = Explanation()
        explanation.facts.append(.init(label: "request", lines: ["\(request.method) \(request.target.target)"]))
        if let fault = try shakeHands(&explanation, request, block) {
            explanation.messageTitle = "no response: the TLS handshake fails"
            explanation.verdict = "handshake failed: client certificate \(fault)"
            return explanation
        }
        if let refusal = receive(request.head, block) {
            conclude(&explanation, block, refusal)
            return explanation
        }
        block.pointee.run.begin(block.pointee.exchange.head.framing, at: worker.parts.context.pointee.monotonicNanoseconds)
        let place = worker.parts.snapshots.pointee.enter()
        block.enter(place)
        let refusal = Routing.resolve(&block.pointee.exchange, in: place.pointee.tables, trusted: trusted(request))
        describeClient(&explanation, block.pointee.exchange)
        describeRoute(&explanation, &block.pointee.exchange)
        if let refusal {
            conclude(&explanation, block, refusal)
        } else {
            // What refuses may point into the body, until all has been told.
            (request.body ?? []).withUnsafeBufferPointer { body in
                walk(&explanation, block, request.body == nil ? nil : body.baseAddress.map { ByteView(base: $0, count: body.count) } ?? .empty)
            }
        }
        return explanation
    }

    // MARK: The exchange

    /// The listener that the request would come by: of those that may be meant the first.
    func listener(of request: ExplainedRequest) -> GatewayConfiguration.ListenerConfiguration? {
        let listeners = configuration.listeners.filter { $0.certificates.isEmpty != request.target.isSecure }
        return (request.target.isSecure ? listeners.first { $0.clients != nil } : nil) ?? listeners.first
    }

    private func trusted(_ request: ExplainedRequest) -> TrustedProxies {
        let listener = listener(of: request) ?? configuration.listeners.first
        return listener.flatMap { snapshot.trusted[$0.address.value.description] } ?? snapshot.trustedEverywhere
    }

    private func prepare(_ request: ExplainedRequest) -> ExchangeRef? {
        let connection = worker.parts.clients.begin(owner: worker.owners.clientTransport.opaque, socket: PeerSocket())
        connection.pointee.peer = request.client
        connection.pointee.peerIsTrusted = trusted(request).contains(request.client)
        connection.pointee.isSecure = request.target.isSecure
        guard let memory = worker.parts.blocks.pointee.take() else { return nil }
        let block = memory.assumingMemoryBound(to: ExchangeBlock.self)
        worker.parts.exchangeBlocks.prepare(block, for: connection)
        connection.pointee.block = block
        return block
    }

    /// Puts the head into the block and parses it, as a worker does with what a socket brings.
    private func receive(_ head: [UInt8], _ block: ExchangeRef) -> Refusal? {
        guard head.count <= worker.parts.exchangeBlocks.layout.headBytesMax else { return .headTooLarge }
        block.pointee.exchange.bytes.update(from: head, count: head.count)
        block.pointee.inputCount = head.count
        let bytes = ByteView(base: block.pointee.exchange.bytes, count: head.count)
        let slots = block.pointee.exchange.head.fields.slots
        switch RequestHead.parse(bytes, slots: slots, capacity: worker.parts.exchangeBlocks.layout.slotCapacity, into: &block.pointee.exchange.head) {
        case .complete:
            block.pointee.inputUsed = block.pointee.exchange.head.length
            let isUnusual = block.pointee.exchange.head.fields.present & KnownField.unusual.bit != 0
            return worker.parts.limits.pointee.refusesUnusualFields && isUnusual ? .unusualField : nil
        case .incomplete: return .badRequest("incomplete head")
        case .malformed(let fault):
            switch fault.kind {
            case .syntax: return .badRequest(fault.detail)
            case .target: return .invalidTarget
            case .tooManyFields: return .headTooLarge
            }
        }
    }

    /// Gets the key set with this number, as the refresher of a gateway does. In the time of SLUICE_KEY_SET_FETCH_TIMEOUT_MS.
    private func fetchKeySet(_ number: Int, _ explanation: inout Explanation) {
        guard let source = registries.keySets.sources.first(where: { $0.number == number }), source.begin(now: Clock.monotonicNanoseconds())
        else { return }
        let settings = registries.keySets.settings
        registries.keySets.fetch(
            source, interval: settings.refreshNanoseconds, now: Clock.monotonicNanoseconds,
            load: { KeySetFetch.load($0, milliseconds: settings.fetchMilliseconds) }, report: { _, _ in })
        let outcome = source.lastFault.map { "not available: \($0)" } ?? "fetched"
        explanation.facts.append(.init(label: "key set", lines: ["\(source.location): \(outcome)"]))
    }

    // MARK: The chain

    /// Evaluates the steps as `PolicyChain.run` does, one by one.
    ///
    /// - Parameter body: of the request; nil if it is not known.
    private func walk(_ explanation: inout Explanation, _ block: ExchangeRef, _ body: ByteView?) {
        let steps = PolicyChain.steps(of: block.pointee.exchange)
        while block.pointee.exchange.step < steps.count {
            let step = steps[block.pointee.exchange.step]
            block.pointee.exchange.step += 1
            let verdict = step.evaluate(&block.pointee.exchange)
            // Each step waits a bounded number of times, and is asked again afterwards.
            if case .suspend(.keySet(let number)) = verdict {
                fetchKeySet(number, &explanation)
                block.pointee.exchange.step -= 1
                continue
            }
            if case .suspend(.body) = verdict, let body, block.pointee.exchange.body == nil {
                guard body.count <= settings.maxValidatedBytes else {
                    explanation.steps.append(.init(policy: step.policy.key, verdict: describe(.refuse(.bodyTooLarge), of: step, block.pointee.exchange)))
                    addUnreached(&explanation, steps, block)
                    return conclude(&explanation, block, .bodyTooLarge)
                }
                block.pointee.exchange.body = body
                block.pointee.exchange.step -= 1
                continue
            }
            explanation.steps.append(.init(policy: step.policy.key, verdict: describe(verdict, of: step, block.pointee.exchange)))
            switch verdict {
            case .proceed: continue
            case .suspend:
                if case .suspend(.body) = verdict { continue }
                // Nothing else suspends here: what is reserved is at hand.
                guard case .suspend(.service) = verdict else { return conclude(&explanation, block, .quotaExceeded) }
            case .refuse(let refusal):
                addUnreached(&explanation, steps, block)
                return conclude(&explanation, block, refusal)
            case .respond(let response):
                addUnreached(&explanation, steps, block)
                return conclude(&explanation, block, response, by: step)
            }
        }
        if block.pointee.exchange.endpoint == nil {
            conclude(&explanation, block, PolicyChain.withoutEndpoint(block.pointee.exchange))
        } else {
            concludeForwarding(&explanation, block)
        }
    }

    private func addUnreached(
        _ explanation: inout Explanation, _ steps: ArenaSlice<Step>, _ block: ExchangeRef
    ) {
        for index in block.pointee.exchange.step..<steps.count {
            explanation.steps.append(.init(policy: steps[index].policy.key, verdict: "not reached"))
        }
    }

    private func describe(_ verdict: Verdict, of step: Step, _ exchange: Exchange) -> String {
        switch verdict {
        case .refuse(let refusal):
            let detail = refusal.toldDetail.isEmpty ? refusal.detail.string : ""
            let reasons = [refusal.tokenFault.map { "\($0.label)" } ?? "", detail].filter { !$0.isEmpty }
            let status = worker.parts.responseHeads.refusals[ErrorPlace(of: refusal, in: exchange.domain, exchange.context, exchange)].status
            return "refuse \(status) \(refusal.row.label)" + (reasons.isEmpty ? "" : " (\(reasons.joined(separator: ": ")))")
        case .respond(let response): return "respond \(response.pointee.status)"
        case .suspend(.keySet): return "suspend: waits for a key set"
        case .suspend(.allowance): return "suspend: waits for allowance"
        case .suspend(.body): return "suspend: would wait for the body, which --body gives; the walk goes on as if it were right"
        case .suspend(.service(let call)):
            let line = Self.lines(of: call.pointee.requestHead).first?.split(separator: " ") ?? []
            let origin = origins.first { $0.number == call.pointee.origin }
            let place = origin.map { "\($0.url.scheme)://\($0.url.authority)" } ?? ""
            return "suspend: would call \(line.first ?? "") \(place)\(line.dropFirst().first ?? ""); the walk goes on as if it answered \(call.pointee.allow[0])"
        case .proceed: return step.policy.describePassing(exchange)
        }
    }

    /// Lines of a head, without their ends and the empty one.
    static func lines(of head: ByteView) -> [String] {
        head.string.split(separator: "\r\n").map(String.init)
    }

    /// What the configuration says of the exchange's domain.
    func configured(_ exchange: Exchange) -> GatewayConfiguration.DomainConfiguration? {
        guard let key = exchange.domain?.pointee.key.string else { return nil }
        return configuration.domains.first { $0.key.value == key }
    }
}
