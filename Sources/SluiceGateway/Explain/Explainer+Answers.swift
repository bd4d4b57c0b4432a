import SluiceHTTP

// How the walk ends: with an error, a configured response, or a request to the upstream.

extension Explainer {
    func conclude(_ explanation: inout Explanation, _ block: ExchangeRef, _ refusal: Refusal) {
        let texts = worker.parts.responseHeads.refusals
        let place = ErrorPlace(of: refusal, in: block.pointee.exchange.domain, block.pointee.exchange.context, block.pointee.exchange)
        explanation.messageTitle = "response"
        var status = texts[place].status
        if let own = block.pointee.exchange.domain?.pointee.responses?.pointee[place.responseType(of: refusal)],
            let composed = OwnResponseComposer(heads: worker.parts.responseHeads, work: worker.parts.work).compose(block, refusal, place, by: own)
        {
            status = composed.status
            explanation.message = Self.shownLines(of: ByteView(base: composed.head.start, count: composed.head.count))
            addBody(composed.body.string, to: &explanation, block)
        } else {
            explanation.message = headLines { worker.parts.responseHeads.write(&$0, block, refusal, texts[place]) }
            addBody(texts.body(at: place, detail: refusal.toldDetail(in: block.pointee.exchange.domain)), to: &explanation, block)
        }
        let told = texts.message(at: place)
        // Some messages begin with their code already.
        let message = told.start.string + refusal.toldDetail(in: block.pointee.exchange.domain).string + told.end.string
        let code = message.hasPrefix("\(told.code) ") ? "" : "\(told.code) "
        explanation.verdict = "\(status) \(code)\(message)"
        explanation.passes = false
    }

    func conclude(
        _ explanation: inout Explanation, _ block: ExchangeRef, _ response: UnsafePointer<StoredResponse>,
        by step: Step
    ) {
        explanation.messageTitle = "response"
        explanation.message = headLines { worker.parts.responseHeads.write(&$0, block, response) }
        addBody(response.pointee.body.string, to: &explanation, block)
        explanation.verdict = "\(response.pointee.status) \(step.policy.key)"
        explanation.passes = !step.policy.declaration.keepsOut
    }

    private func addBody(_ body: String, to explanation: inout Explanation, _ block: ExchangeRef) {
        guard !body.isEmpty, block.pointee.exchange.head.method != .head else { return }
        explanation.message += ["", body]
    }

    /// A head as a worker writes it, without the lines that belong to a moment and to a connection.
    private func headLines(_ write: (inout HeadWriter) -> Void) -> [String] {
        var writer = worker.parts.work.writer
        write(&writer)
        return Self.shownLines(of: ByteView(base: writer.start, count: writer.count))
    }

    private static func shownLines(of head: ByteView) -> [String] {
        lines(of: head).filter { !$0.hasPrefix("Date: ") && !$0.hasPrefix("Connection: ") }
    }

    /// The chain has let the request pass: what the upstream would get, in the worker's own writing.
    func concludeForwarding(_ explanation: inout Explanation, _ block: ExchangeRef) {
        guard let upstream = block.pointee.exchange.domain?.pointee.upstream, upstream.pointee.targets.count > 0 else {
            return conclude(&explanation, block, .upstreamUnavailable("no upstream configured"))
        }
        let target = upstream.pointee.targets.pointer(at: 0)
        block.pointee.run.target = target
        var writer = worker.parts.work.writer
        worker.parts.requestHeads.writeRequest(&writer, block)
        guard writer.isComplete else { return conclude(&explanation, block, .headTooLarge) }
        let others = upstream.pointee.targets.count - 1
        explanation.messageTitle = others == 0 ? "upstream request" : "upstream request, to one of \(others + 1) URLs"
        explanation.message = Self.lines(of: ByteView(base: writer.start, count: writer.count))
        let exchange = block.pointee.exchange
        let origin = origins.first { $0.number == target.pointee.origin }
        let place = origin.map { "\($0.url.scheme)://\($0.url.authority)" } ?? ""
        let path = Exchange.target(exchange.upstreamPath, exchange.upstreamQuery)
        explanation.verdict = "proxy \(exchange.method.string) \(place)\(target.pointee.basePath.string)\(path)"
        explanation.passes = true
    }
}
