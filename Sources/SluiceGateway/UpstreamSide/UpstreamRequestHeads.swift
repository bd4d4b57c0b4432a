import SluiceHTTP

/// Writes the heads of requests as services see them: anew from the parsed form, so that each has exactly one reading.
struct UpstreamRequestHeads: BitwiseCopyable {
    /// Fields that are not written although a gateway would, as in `FieldTable.present`; a client's own pass.
    let unwrittenFields: UInt64
    let ids: RequestIDs

    /// The request line, Host, the client's end-to-end fields, and what a gateway adds.
    func writeRequest(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        guard let target = block.pointee.run.target else { return }
        writer.write(block.pointee.exchange.method)
        writer.write(" ")
        if !target.pointee.basePath.isEmpty { writer.write(target.pointee.basePath) }
        writer.write(block.pointee.exchange.upstreamPath)
        if let query = block.pointee.exchange.upstreamQuery {
            writer.write("?")
            writer.write(query)
        }
        writer.write(" HTTP/1.1\r\n")
        writer.write(target.pointee.hostLine)
        writeClientFields(&writer, block)
        if let endpoint = block.pointee.exchange.endpoint {
            writeClaims(&writer, block, endpoint)
            if let headers = endpoint.pointee.headers { writer.write(headers.pointee.request.setLines) }
        }
        let changed = block.pointee.exchange.endpoint?.pointee.headers?.pointee.request.knownFields ?? 0
        if block.pointee.exchange.tellsCertificate { writeCertificate(&writer, block, omitting: changed) }
        writeForwarding(&writer, block, omitting: changed | unwrittenFields)
        if block.pointee.exchange.head.upgrade {
            writer.write("Connection: upgrade\r\n")
            writeUpgrade(&writer, block)
        }
        if block.pointee.exchange.head.expectsContinue { writer.write("Expect: 100-continue\r\n") }
        switch block.pointee.run.requestFraming {
        case .none: break
        case .length(let length):
            writer.write("Content-Length: ")
            writer.write(decimal: length)
            writer.write("\r\n")
        case .chunked, .untilClose: writer.write("Transfer-Encoding: chunked\r\n")
        }
        writer.write("\r\n")
    }

    /// The pre-call's own line and Host, with the client's end-to-end fields; never its target or body.
    func writePreCall(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        guard let call = block.pointee.run.call else { return }
        writer.write(call.pointee.requestHead)
        writeClientFields(&writer, block, isPreCall: true)
        if block.pointee.exchange.tellsCertificate { writeCertificate(&writer, block, omitting: 0) }
        writeForwarding(&writer, block, omitting: unwrittenFields)
        writer.write("\r\n")
    }

    // MARK: The client's fields

    /// Copies the client's end-to-end fields.
    private func writeClientFields(
        _ writer: inout HeadWriter, _ block: ExchangeRef, isPreCall: Bool = false
    ) {
        let bytes = block.pointee.exchange.headBytes
        let fields = block.pointee.exchange.head.fields
        let selection = FieldSelection(block.exchange, isPreCall: isPreCall, notWritten: unwrittenFields)
        // A trace that cannot be continued is begun anew, without the state of the old one (W3C Trace Context, 4.3).
        let dropped = selection.dropped | (block.pointee.exchange.validTraceparent == nil ? KnownField.tracestate.bit : 0)
        var runs = FieldRuns(bytes)
        for index in 0..<fields.count {
            // By pointer: of a line that is copied with its neighbours little is looked at.
            let slot = UnsafePointer(fields.slots + index)
            if dropped & slot.pointee.known.bit != 0 { continue }
            if selection.isSelective, selection.drops(slot.pointee, in: bytes) { continue }
            runs.add(slot, to: &writer)
        }
        runs.finish(&writer)
    }

    private func writeClaims(
        _ writer: inout HeadWriter, _ block: ExchangeRef, _ endpoint: UnsafePointer<CompiledEndpoint>
    ) {
        let names = endpoint.pointee.forwardedClaims
        guard names.count > 0 else { return }
        for index in 0..<min(names.count, block.pointee.exchange.forwardedClaimCount) {
            let value = block.pointee.exchange.forwardedClaims[index]
            guard !value.isEmpty else { continue }
            // What the endpoint sets stands in the place of the claim, and what it removes is not sent.
            if let headers = endpoint.pointee.headers, headers.pointee.request.drops(names[index]) { continue }
            writer.write(names[index])
            writer.write(": ")
            writer.write(value)
            writer.write("\r\n")
        }
    }

    private func writeUpgrade(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        let bytes = block.pointee.exchange.headBytes
        let fields = block.pointee.exchange.head.fields
        for index in 0..<fields.count where fields[index].known == .upgrade {
            writer.writeField("Upgrade: ", bytes[fields[index].value])
        }
        guard needsWebSocketKey(block) else { return }
        writer.write("Sec-WebSocket-Key: ")
        if let place = writer.take(WebSocketKey.byteCount) { WebSocketKey.write(ids.made(for: block), into: place) }
        writer.write("\r\n")
    }

    /// Whether the request opens a WebSocket over HTTP/2, whose client has no key (RFC 8441, 5): services of HTTP/1.1 ask for one.
    private func needsWebSocketKey(_ block: ExchangeRef) -> Bool {
        guard block.isExtendedConnect else { return false }
        let bytes = block.pointee.exchange.headBytes
        let fields = block.pointee.exchange.head.fields
        // A client that sends one all the same looks at the answer itself.
        return !(0..<fields.count).contains { bytes[fields[$0].name].equalsIgnoringCase("sec-websocket-key") }
    }

    /// Whether the service's 101 confirms the key that it was sent, if it was sent one of ours (RFC 6455, 4.1).
    func accepts(_ head: ResponseHead, _ bytes: ByteView, _ block: ExchangeRef) -> Bool {
        guard needsWebSocketKey(block) else { return true }
        for index in 0..<head.fields.count where bytes[head.fields[index].name].equalsIgnoringCase("sec-websocket-accept") {
            return WebSocketKey.isConfirmed(ids.made(for: block), by: bytes[head.fields[index].value])
        }
        return false
    }

    // MARK: What a gateway adds

    /// Writes what services are told of the client's certificate.
    @inline(never)
    private func writeCertificate(_ writer: inout HeadWriter, _ block: ExchangeRef, omitting omitted: UInt64) {
        guard let certificate = block.pointee.exchange.certificate else { return }
        if omitted & KnownField.xForwardedClientCert.bit == 0 { writer.write(certificate.pointee.forwardedLine) }
        if omitted & KnownField.clientCert.bit == 0 { writer.write(certificate.pointee.certificateLine) }
    }

    /// Writes the forwarding fields, but for those that the endpoint's header changes set or remove.
    @inline(__always)
    private func writeForwarding(_ writer: inout HeadWriter, _ block: ExchangeRef, omitting omitted: UInt64) {
        if omitted & KnownField.xForwardedFor.bit == 0 { writeForwardedFor(&writer, block) }
        writeForwardedOrigin(&writer, block, omitting: omitted)
        if omitted & KnownField.xForwardedHost.bit == 0 { writeForwardedHost(&writer, block) }
        if omitted & KnownField.xRequestID.bit == 0 { writer.writeField("X-Request-Id: ", ids.id(of: block)) }
        if omitted & KnownField.traceparent.bit == 0 { writeTrace(&writer, block) }
        if omitted & KnownField.via.bit == 0 { writeVia(&writer, block) }
    }

    private func writeForwardedFor(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        writer.write("X-Forwarded-For: ")
        // An untrusted peer's list would let it choose its own address in the eyes of the services behind.
        if block.pointee.exchange.peerIsTrusted { writeList(.xForwardedFor, &writer, block) }
        writer.write(block.pointee.exchange.peer)
        writer.write("\r\n")
    }

    /// How the client has come to the gateway, to which port (that of its Host, which is the port that it knows, else its scheme's own), and
    /// what was taken off its path.
    @inline(__always)
    private func writeForwardedOrigin(
        _ writer: inout HeadWriter, _ block: ExchangeRef, omitting omitted: UInt64
    ) {
        let all = KnownField.xForwardedProto.bit | KnownField.xForwardedPort.bit | KnownField.xForwardedPrefix.bit
        guard omitted & all == 0, block.pointee.exchange.head.port == nil, !block.pointee.exchange.peerIsTrusted else {
            writeOtherProtoAndPort(&writer, block, omitting: omitted)
            if omitted & KnownField.xForwardedPrefix.bit == 0 { writeForwardedPrefix(&writer, block) }
            return
        }
        let isSecure = block.pointee.exchange.isSecure
        if block.pointee.exchange.isFoundByKey, let domain = block.pointee.exchange.domain {
            writer.write(isSecure ? domain.pointee.keyLines.https : domain.pointee.keyLines.http)
        } else {
            writer.write(isSecure
                ? "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n" : "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n")
        }
    }

    /// The same with a port in Host, or with what a trusted proxy says.
    @inline(never)
    private func writeOtherProtoAndPort(
        _ writer: inout HeadWriter, _ block: ExchangeRef, omitting omitted: UInt64
    ) {
        let isTrusted = block.pointee.exchange.peerIsTrusted
        let proto = isTrusted ? block.pointee.exchange.value(of: .xForwardedProto) : nil
        if omitted & KnownField.xForwardedProto.bit == 0 {
            let own = ByteView(block.pointee.exchange.isSecure ? "https" as StaticString : "http" as StaticString)
            writer.writeField("X-Forwarded-Proto: ", proto ?? own)
        }
        guard omitted & KnownField.xForwardedPort.bit == 0 else { return }
        if isTrusted, let port = block.pointee.exchange.value(of: .xForwardedPort) {
            return writer.writeField("X-Forwarded-Port: ", port)
        }
        let host = isTrusted ? block.pointee.exchange.value(of: .xForwardedHost) : nil
        let named = host.map { Authority.parse($0)?.port } ?? block.pointee.exchange.head.port
        let isSecure = proto.map { $0.equalsIgnoringCase("https") } ?? block.pointee.exchange.isSecure
        writer.write("X-Forwarded-Port: ")
        writer.write(decimal: UInt64(named ?? (isSecure ? 443 : 80)))
        writer.write("\r\n")
    }

    /// What was taken off the path in front of the request, by a trusted proxy and by the gateway.
    @inline(never)
    private func writeForwardedPrefix(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        let own = block.pointee.exchange.isFoundByKey ? block.pointee.exchange.domain : nil
        if block.pointee.exchange.peerIsTrusted, let before = block.pointee.exchange.value(of: .xForwardedPrefix) {
            writer.write("X-Forwarded-Prefix: ")
            // A last slash of theirs is the first one of ours.
            let hasSlash = own != nil && !before.isEmpty && before[before.count - 1] == UInt8(ascii: "/")
            writer.write(hasSlash ? before[..<(before.count - 1)] : before)
            if let own {
                writer.write("/")
                writer.write(own.pointee.key)
            }
            writer.write("\r\n")
        } else if let own {
            writer.write(own.pointee.keyLines.prefix)
        }
    }

    private func writeForwardedHost(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        if block.pointee.exchange.peerIsTrusted, let host = block.pointee.exchange.value(of: .xForwardedHost) {
            writer.writeField("X-Forwarded-Host: ", host)
        } else if block.pointee.exchange.head.authority.count > 0 {
            writer.writeField("X-Forwarded-Host: ", block.pointee.exchange.headBytes[block.pointee.exchange.head.authority.range])
        }
    }

    /// Continues the client's trace, or begins one.
    private func writeTrace(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        if let trace = block.pointee.exchange.validTraceparent { return writer.writeField("traceparent: ", trace) }
        writer.write("traceparent: 00-")
        // A pre-call, the request and its retries are one trace: its id is the one that was made for the exchange, which is the request
        // id unless the client has given that.
        writer.write(ids.made(for: block))
        if let span = writer.take(1 + Hexadecimal.digitCount) {
            span[0] = UInt8(ascii: "-")
            // No id may be all zero.
            Hexadecimal.write(ids.next() | 1, into: span + 1)
        }
        writer.write("-00\r\n")
    }

    private func writeVia(_ writer: inout HeadWriter, _ block: ExchangeRef) {
        writer.write("Via: ")
        if block.pointee.exchange.head.fields.present & KnownField.via.bit != 0 { writeList(.via, &writer, block) }
        if block.pointee.run.isHTTP2 { return writer.write("2.0 sluice\r\n") }
        writer.write(block.pointee.exchange.head.minorVersion == 0 ? "1.0 sluice\r\n" : "1.1 sluice\r\n")
    }

    /// The values of all lines of a list field, each with the comma that its successor needs.
    private func writeList(_ field: KnownField, _ writer: inout HeadWriter, _ block: ExchangeRef) {
        let fields = block.pointee.exchange.head.fields
        guard fields.present & field.bit != 0 else { return }
        for index in 0..<fields.count where fields[index].known == field && fields[index].valueCount > 0 {
            writer.write(block.pointee.exchange.headBytes[fields[index].value])
            writer.write(", ")
        }
    }
}
