import SluiceHTTP

/// The head of every response that a client gets, whoever made it: the lines that its policies let through, what the gateway
/// adds, and the empty line. `ResponsePolicies` says which policies hold for which kind.
struct ClientResponseHeads: BitwiseCopyable {
    /// Whether a refusal for a limit tells more of it, and whether every response does.
    private let tellsLimits: Bool
    private let tellsLimitsAlways: Bool
    private let context: UnsafeMutablePointer<EvaluationContext>
    private let date = DateField()
    let refusals: RefusalTexts

    init(_ limits: WorkerLimits, _ context: UnsafeMutablePointer<EvaluationContext>) {
        refusals = RefusalTexts(bodyBytesMax: limits.bodyBytesMax)
        tellsLimits = limits.tellsLimits
        tellsLimitsAlways = limits.tellsLimitsAlways
        self.context = context
    }

    func deallocate() {
        date.deallocate()
        refusals.deallocate()
    }

    /// A head that a service or a pre-call API has sent, with the framing that the client is told.
    @inline(__always)
    func write(
        _ writer: inout HeadWriter, _ block: ExchangeRef, _ kind: ResponseKind, _ head: ResponseHead,
        _ bytes: ByteView
    ) {
        let policies = ResponsePolicies(block, kind)
        let hasLength = writeLines(&writer, policies, head, bytes)
        switch head.framing {
        case .length(let length):
            if hasLength { break }
            writer.write("Content-Length: ")
            writer.write(decimal: length)
            writer.write("\r\n")
        case .chunked, .untilClose:
            if block.pointee.run.responseIsChunked { writer.write("Transfer-Encoding: chunked\r\n") }
        case .none: break
        }
        finishHead(
            &writer, block, policies, hasDate: head.fields.present & KnownField.date.bit != 0,
            namesProtocols: kind == .upgrade || head.namesProtocols)
    }

    /// The head of an error of the catalogue.
    /// - Parameter text: what its domain's clients are told.
    func write(_ writer: inout HeadWriter, _ block: ExchangeRef, _ refusal: Refusal, _ text: RefusalTexts.Text) {
        writer.write(text.head)
        if text.isChallenge { PolicyChain.writeOtherChallenges(&writer, of: block.pointee.exchange, besides: refusal.row) }
        writer.write("Content-Length: ")
        writer.write(decimal: UInt64(text.bodyCount + refusal.toldDetail(in: block.pointee.exchange.domain).count))
        writer.write("\r\n")
        finishHead(&writer, block, ResponsePolicies(block, .own), hasDate: false, refusal: refusal)
    }

    /// The head of a refusal of a gRPC call: with the status of the call, and nothing behind it. Of the message's bytes none needs to be encoded: the
    /// catalogue has no others than visible ASCII and blanks, and no percent sign.
    func writeCall(_ writer: inout HeadWriter, _ block: ExchangeRef, _ refusal: Refusal, status: Int) {
        let message = refusals.message(at: ErrorPlace(of: refusal, in: block.pointee.exchange.domain, block.pointee.exchange.context, block.pointee.exchange))
        writer.write("HTTP/1.1 200 \r\nContent-Type: application/grpc\r\ngrpc-status: ")
        writer.write(decimal: UInt64(status))
        writer.write("\r\ngrpc-message: ")
        writer.write(message.start)
        writer.write(refusal.toldDetail(in: block.pointee.exchange.domain))
        writer.write(message.end)
        writer.write("\r\n")
        finishHead(&writer, block, ResponsePolicies(block, .own), hasDate: false, refusal: refusal)
    }

    /// The head of a configured response, in which its endpoint's changes stand already.
    func write(
        _ writer: inout HeadWriter, _ block: ExchangeRef, _ response: UnsafePointer<StoredResponse>
    ) {
        writer.write(response.pointee.head)
        let kind = response.pointee.isAmended ? ResponseKind.own : .preflight
        finishHead(&writer, block, ResponsePolicies(block, kind), hasDate: false, stored: response)
    }

    // MARK: Lines that came

    /// Writes the status line and the end-to-end fields that pass. True if Content-Length is among them.
    private func writeLines(
        _ writer: inout HeadWriter, _ policies: ResponsePolicies, _ head: ResponseHead, _ bytes: ByteView
    ) -> Bool {
        let isSelective = policies.isSelective
        var dropped = HopByHop.mask
        // Of a body that is not sent (HEAD, 304) the length may still be told, never with 1xx and 204 (RFC 9110, 8.6).
        if head.framing != .none || head.status < 200 || head.status == 204 || head.hasVainFraming {
            dropped |= KnownField.contentLength.bit
        }
        if head.namesProtocols { dropped &= ~KnownField.upgrade.bit }
        // A length that is written as we would write it stays where it is, so that the lines around it are copied with it.
        var keepsLength = false
        if case .length = head.framing { keepsLength = !isSelective }
        var hasLength = false
        let statusLine = head.plainStatusLineCount
        if statusLine == 0 { writeStatusLine(&writer, head, bytes) }
        var runs = FieldRuns(bytes, prefix: statusLine)
        for index in 0..<head.fields.count {
            // By pointer: of a line that is copied with its neighbours little is looked at.
            let slot = UnsafePointer(head.fields.slots + index)
            if dropped & slot.pointee.known.bit != 0 {
                guard keepsLength, slot.pointee.known == .contentLength, isPlainNumber(bytes[slot.pointee.value]) else { continue }
                hasLength = true
            }
            if isSelective, policies.drops(slot.pointee, in: bytes) { continue }
            runs.add(slot, to: &writer)
        }
        runs.finish(&writer)
        return hasLength
    }

    /// Whether these digits are what we would write for their number: without leading zeros.
    @inline(__always)
    private func isPlainNumber(_ digits: ByteView) -> Bool { digits.count == 1 || digits[0] != UInt8(ascii: "0") }

    @inline(never)
    private func writeStatusLine(_ writer: inout HeadWriter, _ head: ResponseHead, _ bytes: ByteView) {
        writer.write("HTTP/1.1 ")
        writer.write(decimal: UInt64(head.status))
        writer.write(" ")
        // Some clients read no status without one.
        if head.reason.start == 0 { writer.write(ReasonPhrase.standard(for: head.status)) } else { writer.write(bytes[head.reason.range]) }
        writer.write("\r\n")
    }

    // MARK: What the gateway adds

    /// Date, the endpoint's and the domain's fields, what limits leave, Connection, and the empty line: the end of every head.
    @inline(__always)
    private func finishHead(
        _ writer: inout HeadWriter, _ block: ExchangeRef, _ policies: ResponsePolicies, hasDate: Bool,
        namesProtocols: Bool = false, refusal: Refusal? = nil, stored: UnsafePointer<StoredResponse>? = nil
    ) {
        if policies.kind != .interim {
            // RFC 9110, 6.6.1: whoever passes on a response without Date says when it was received.
            if !hasDate, policies.kind != .upgrade, !policies.drops(.date) { writer.write(date.line(at: context.pointee.wallSeconds)) }
            if let changes = policies.changes { writer.write(changes.pointee.response.setLines) }
            if policies.kind != .preflight, let cors = policies.cors {
                writer.write(cors.pointee.responseFields(origin: block.pointee.exchange.value(of: .origin)))
            }
            writeLimits(&writer, block, policies.kind, refusal, stored)
            if namesProtocols {
                writeConnectionUpgrade(&writer, block, policies.kind)
            } else {
                writeConnection(&writer, block)
            }
        }
        writer.write("\r\n")
    }

    /// What the domain's limits leave, as far as the settings want it told.
    @inline(__always)
    private func writeLimits(
        _ writer: inout HeadWriter, _ block: ExchangeRef, _ kind: ResponseKind, _ refusal: Refusal?,
        _ stored: UnsafePointer<StoredResponse>?
    ) {
        if tellsLimits, let refusal, refusal.isForLimit {
            RateLimitFields.writeRefusal(&writer, PolicyChain.step(behind: refusal, of: block.pointee.exchange), block.pointee.exchange)
            if block.pointee.exchange.domain?.pointee.errors == .v2 {
                RateLimitFields.writeRemaining(&writer, PolicyChain.steps(of: block.pointee.exchange), block.pointee.exchange)
            }
            return
        }
        guard tellsLimitsAlways, let domain = block.pointee.exchange.domain else { return }
        // What the endpoint's changes name is theirs, of a mock too. No error is.
        let isItsOwn = kind != .preCall && kind != .preflight && refusal == nil
        let changes = isItsOwn ? block.pointee.exchange.endpoint?.pointee.headers : nil
        RateLimitFields.writeAll(&writer, PolicyChain.steps(of: block.pointee.exchange), block.pointee.exchange, changes: changes?.pointee.response, stored: stored)
        if domain.pointee.errors == .v2 {
            RateLimitFields.writeRemaining(&writer, PolicyChain.steps(of: block.pointee.exchange), block.pointee.exchange, changes: changes?.pointee.response)
        }
    }

    /// Connection, where the client would otherwise expect something else (RFC 9112, 9.3).
    @inline(__always)
    private func writeConnection(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        if !block.pointee.run.keepsAlive {
            writer.write("Connection: close\r\n")
        } else if block.pointee.exchange.head.minorVersion == 0 {
            writer.write("Connection: keep-alive\r\n")
        }
    }

    /// Connection beside an Upgrade field, which it has to name (RFC 9110, 7.8).
    @inline(never)
    private func writeConnectionUpgrade(
        _ writer: inout HeadWriter, _ block: ExchangeRef, _ kind: ResponseKind
    ) {
        writer.write("Connection: upgrade")
        if kind != .upgrade {
            if !block.pointee.run.keepsAlive {
                writer.write(", close")
            } else if block.pointee.exchange.head.minorVersion == 0 {
                writer.write(", keep-alive")
            }
        }
        writer.write("\r\n")
    }
}
