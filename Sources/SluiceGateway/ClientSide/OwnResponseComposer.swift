import SluiceHTTP

/// A domain's own response to an error, composed in the work area of its thread.
struct ComposedResponse {
    let status: UInt16
    /// With room for the body behind it.
    var head: HeadWriter
    let body: ByteView
    /// Where the body lasts as long as the snapshot; nil for one that was written for this response.
    var stored: UnsafePointer<StoredResponse>?
}

/// Composes own responses: out of the head that the error would have had, so that nothing is lost which that says of credentials, limits, origins and the
/// connection.
///
/// Only for errors of which the domain has an own response. `run` and `explain` compose in the same way.
struct OwnResponseComposer {
    /// Bytes in which the head of the error is composed.
    private static let headBytesMax = 64 * 1024

    let heads: ClientResponseHeads
    let work: WorkArea

    /// Nil if it does not fit, which the error's own response does.
    func compose(_ block: ExchangeRef, _ refusal: Refusal, _ place: ErrorPlace, by response: UnsafePointer<OwnResponse>) -> ComposedResponse? {
        let text = heads.refusals[place]
        let status = response.pointee.status == 0 ? text.status : response.pointee.status
        let facts = facts(block, refusal, place, status: status)
        // The error's head in front, ours behind it, and the body at the end of the area.
        let bodyPlace = work.composeCapacity - OwnResponse.bodyBytesMax
        var writer = HeadWriter(work.compose + bodyPlace, capacity: OwnResponse.bodyBytesMax)
        let body = chosenBody(block, response)
        writeBody(&writer, block, refusal, text, body, facts, hasBody: StoredResponse.allowsBody(status))
        guard writer.isComplete else { return nil }
        let stored = StoredResponse.allowsBody(status) ? body?.pointee.stored : nil
        let content = stored?.pointee.body ?? ByteView(base: writer.start, count: writer.count)

        var error = HeadWriter(work.compose, capacity: Self.headBytesMax)
        heads.write(&error, block, refusal, text)
        guard error.isComplete else { return nil }
        var head = HeadWriter(work.compose + Self.headBytesMax, capacity: work.composeCapacity - Self.headBytesMax)
        writeHead(&head, ByteView(base: error.start, count: error.count), response, facts, contentType: body?.pointee.contentType, length: content.count)
        guard head.isComplete, head.count <= bodyPlace - Self.headBytesMax else { return nil }
        return ComposedResponse(status: status, head: head, body: content, stored: stored)
    }

    private func facts(_ block: ExchangeRef, _ refusal: Refusal, _ place: ErrorPlace, status: UInt16) -> ResponseFacts {
        let message = heads.refusals.message(at: place)
        let endpoint = block.pointee.exchange.endpoint
        return ResponseFacts(
            exchange: block.exchange, pattern: endpoint?.pointee.pattern ?? .empty, variables: endpoint?.pointee.variables ?? ArenaSlice(), status: status,
            code: message.code, message: .init(start: message.start, detail: refusal.toldDetail(in: block.pointee.exchange.domain), end: message.end), refusal: refusal.row.label)
    }

    /// Nil where the body is the error's.
    private func chosenBody(_ block: ExchangeRef, _ response: UnsafePointer<OwnResponse>) -> UnsafePointer<OwnResponse.Body>? {
        guard response.pointee.bodies.count > 0 else { return nil }
        let bytes = block.pointee.exchange.headBytes
        return response.pointee.bodies.pointer(at: AcceptChoice.choose(among: response.pointee.types, block.pointee.exchange.head.fields, bytes))
    }

    private func writeBody(
        _ writer: inout HeadWriter, _ block: ExchangeRef, _ refusal: Refusal, _ text: RefusalTexts.Text, _ body: UnsafePointer<OwnResponse.Body>?,
        _ facts: ResponseFacts, hasBody: Bool
    ) {
        guard hasBody else { return }
        guard let body else {
            writer.write(text.bodyStart)
            writer.write(refusal.toldDetail(in: block.pointee.exchange.domain))
            return writer.write(text.bodyEnd)
        }
        guard body.pointee.stored == nil else { return }
        var template = TemplateWriter(writer, body.pointee.template.escaping, valueBytesMax: OwnResponse.bodyValueBytesMax)
        body.pointee.template.write(&template, facts)
        writer = template.out
    }

    // MARK: The head

    /// - Parameters:
    ///   - error: the head that the error would have had.
    ///   - contentType: nil for the error's.
    private func writeHead(
        _ head: inout HeadWriter, _ error: ByteView, _ response: UnsafePointer<OwnResponse>, _ facts: ResponseFacts, contentType: ByteView?,
        length: Int
    ) {
        head.write("HTTP/1.1 ")
        head.write(decimal: UInt64(facts.status))
        head.write(" ")
        head.write(ReasonPhrase.standard(for: facts.status))
        head.write("\r\n")
        let hasBody = StoredResponse.allowsBody(facts.status)
        if hasBody, let contentType { head.writeField("Content-Type: ", contentType) }
        // RFC 9110, 8.6: none in 204, and in 304 it would be another response's.
        if facts.status != 204, facts.status != 304 {
            head.write("Content-Length: ")
            head.write(decimal: UInt64(length))
            head.write("\r\n")
        }
        if response.pointee.bodies.count > 1 { head.write("Vary: Accept\r\n") }
        copyLines(&head, error, response, hasOwnType: contentType != nil || !hasBody)
        writeHeaders(&head, response, facts)
        head.write("\r\n")
    }

    /// The error's lines, without its status line, what delimits its body, what ours replace, and the empty line.
    private func copyLines(_ head: inout HeadWriter, _ error: ByteView, _ response: UnsafePointer<OwnResponse>, hasOwnType: Bool) {
        var start = error.index(of: UInt8(ascii: "\n"), from: 0) + 1
        while start < error.count {
            let end = min(error.index(of: UInt8(ascii: "\n"), from: start) + 1, error.count)
            let line = error[start..<end]
            start = end
            guard line.count > 2 else { continue }
            let name = StoredResponse.name(of: line)
            if name.equalsIgnoringCase("content-length") || hasOwnType && name.equalsIgnoringCase("content-type") { continue }
            if response.pointee.replaced.contains(name) { continue }
            head.write(line)
        }
    }

    /// Own headers. One whose value comes to nothing is not sent.
    private func writeHeaders(_ head: inout HeadWriter, _ response: UnsafePointer<OwnResponse>, _ facts: ResponseFacts) {
        // Each has its own part: a long value of one makes no other disappear.
        let valueBytesMax = response.pointee.headerValuePart
        for index in 0..<response.pointee.headers.count {
            let header = response.pointee.headers.pointer(at: index)
            let lineStart = head.count
            head.write(header.pointee.name)
            let valueStart = head.count
            var template = TemplateWriter(head, .header, valueBytesMax: valueBytesMax)
            header.pointee.value.write(&template, facts)
            head = template.out
            trimBlanks(&head, from: valueStart)
            if head.count == valueStart { head.takeBack(to: lineStart) } else { head.write("\r\n") }
        }
    }

    /// Takes away the blanks at both ends of what was written from there: no field value has any (RFC 9110, 5.5).
    private func trimBlanks(_ head: inout HeadWriter, from valueStart: Int) {
        let value = ByteView(base: head.start + valueStart, count: head.count - valueStart)
        let trimmed = value.trimmed
        guard trimmed.count < value.count else { return }
        head.takeBack(to: valueStart)
        head.write(trimmed)
    }
}
