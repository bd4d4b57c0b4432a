import SluiceHTTP

/// The end of an exchange as numbers and as a line of the access log. Nothing else counts responses or writes that log.
struct ExchangeRecords: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let context: UnsafeMutablePointer<EvaluationContext>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let requestHeads: UpstreamRequestHeads
        let counters: WorkerCounters
        /// The worker's, which outlives its owners; nil if no log is kept.
        let accessLog: Unmanaged<AccessLogBuffer>?
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var context: UnsafeMutablePointer<EvaluationContext> { state.pointee.context }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var requestHeads: UpstreamRequestHeads { state.pointee.requestHeads }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts) {
        state.initialize(to: State(
            turn: parts.turn, context: parts.context, traffic: parts.traffic, requestHeads: parts.requestHeads, counters: parts.counters,
            accessLog: parts.accessLog.map { .passUnretained($0) }))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Counts an answer of the catalogue.
    @inline(__always)
    func refused(_ refusal: Refusal, _ block: ExchangeRef) {
        state.pointee.counters.refused(refusal.row, domain: block.pointee.exchange.domainRow)
        if let fault = refusal.tokenFault { state.pointee.counters.refused(token: fault, domain: block.pointee.exchange.domainRow) }
    }

    /// Counts the exchange, once, and logs it if a log is kept.
    func record(_ block: ExchangeRef, aborted: Bool) {
        let run = block.run
        guard run.pointee.end() else { return }
        let now = context.pointee.monotonicNanoseconds
        if aborted { traffic.pointee.aborted &+= 1 }
        let upstream: UInt64? = run.pointee.upstreamStartedAt == 0 ? nil
            : (run.pointee.upstreamHeadAt == 0 ? now : run.pointee.upstreamHeadAt) &- run.pointee.upstreamStartedAt
        let duration = now &- run.pointee.startedAt
        state.pointee.counters.responded(
            domain: block.pointee.exchange.domainRow, endpoint: block.pointee.exchange.endpointRow, status: run.pointee.status, nanoseconds: duration,
            upstreamNanoseconds: upstream)
        if !block.pointee.exchange.caller.name.isEmpty {
            state.pointee.counters.responded(caller: block.pointee.exchange.caller.row, status: run.pointee.status)
        }
        guard let accessLog = state.pointee.accessLog else { return }
        let id = requestHeads.ids.id(of: block)
        accessLog._withUnsafeGuaranteedRef {
            $0.append { writer in writeLine(&writer, block, id: id, duration: duration, upstream: upstream, aborted: aborted) }
            if let due = $0.due { turn.noteDue(due) }
        }
    }

    /// Bytes of the subject of a client's certificate in a line.
    private static let loggedSubjectBytesMax = 512

    private func writeLine(
        _ writer: inout HeadWriter, _ block: ExchangeRef, id: ByteView, duration: UInt64,
        upstream: UInt64?, aborted: Bool
    ) {
        let exchange = block.pointee.exchange
        let run = block.pointee.run
        writer.write(#"{"time":""#)
        writer.writeTimestamp(turn.wallNanoseconds)
        writer.write(#"","requestId":""#)
        writer.writeEscaped(id)
        writer.write(#"","client":""#)
        writer.write(exchange.head.length > 0 ? exchange.client : exchange.peer)
        writer.write(#"","protocol":""#)
        writer.write(run.isHTTP2 ? "HTTP/2" : exchange.head.length > 0 && exchange.head.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1")
        writer.write(#"","method":""#)
        writer.writeEscaped(exchange.head.length > 0 ? exchange.method : .empty)
        // Without the query, in which clients put what no log should keep.
        writer.write(#"","path":""#)
        writer.writeEscaped(exchange.head.length > 0 ? exchange.head.path(in: exchange.headBytes) : .empty)
        writer.write(#"","domain":""#)
        if let domain = exchange.domain { writer.writeEscaped(domain.pointee.key) }
        writer.write(#"","endpoint":""#)
        if let endpoint = exchange.endpoint { writer.writeEscaped(endpoint.pointee.pattern) }
        if !exchange.caller.name.isEmpty {
            writer.write(#"","caller":""#)
            writer.writeEscaped(exchange.caller.name)
        }
        if let certificate = exchange.certificate, certificate.pointee.isPresent {
            writer.write(#"","certificate":""#)
            writer.writeEscaped(certificate.pointee.subject, bytesMax: Self.loggedSubjectBytesMax)
            writer.write(#"","certificateHash":""#)
            writer.write(certificate.pointee.fingerprint)
        }
        writer.write(#"","status":"#)
        writer.write(decimal: UInt64(run.status))
        writer.write(#","requestBytes":"#)
        writer.write(decimal: run.requestBodyBytes)
        writer.write(#","responseBytes":"#)
        writer.write(decimal: run.responseBodyBytes)
        writer.write(#","durationMs":"#)
        writer.writeMilliseconds(duration)
        if let upstream {
            writer.write(#","upstreamMs":"#)
            writer.writeMilliseconds(upstream)
        }
        if let row = run.refusal {
            writer.write(#","policy":""#)
            writer.write(row.policy)
            writer.write(#"","refusal":""#)
            writer.write(row.label)
            writer.write("\"")
            if let fault = run.tokenFault {
                writer.write(#","reason":""#)
                writer.write(fault.label)
                writer.write("\"")
            }
            if !run.refusalDetail.isEmpty {
                writer.write(#","detail":""#)
                writer.write(run.refusalDetail)
                writer.write("\"")
            }
        }
        if aborted { writer.write(#","aborted":true"#) }
        writer.write("}\n")
    }
}

extension HeadWriter {
    /// Bytes of a text in a log line at most; the rest of a longer one is cut.
    static let loggedBytesMax = 2048

    /// The text inside a JSON string. Bytes beyond ASCII are written as U+00XX, so that the line is valid whatever a client sent.
    mutating func writeEscaped(_ text: ByteView, bytesMax: Int = HeadWriter.loggedBytesMax) {
        for index in 0..<min(text.count, bytesMax) {
            let byte = text[index]
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                write(byte: UInt8(ascii: "\\"))
                write(byte: byte)
            case 0x20...0x7E: write(byte: byte)
            default:
                write("\\u00")
                write(byte: Self.digit(byte >> 4))
                write(byte: Self.digit(byte & 15))
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}
