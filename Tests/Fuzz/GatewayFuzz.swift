import Glibc

@testable import SluiceGateway
@testable import SluiceHTTP

/// A client, the gateway and a service, over sockets. The input is a script: its first byte chooses the listener (bit 0: the one with
/// PROXY headers; bit 2: the one with TLS; bit 3: the one for HTTP/2, to which the client speaks it at once unless bit 4 is set) and the
/// end (bit 1: both sides fall silent; else both break their connections), the rest is cut at every 0xFE, and the byte behind that says
/// what the piece is.
///
///     c or none   the client sends it        e   the client ends its side     t   the service sends it, byte by byte
///     s           the service sends it       z   the service ends its side    x   the service resets the connection
///     r           the client sends it past   f   the same without a           y   the same without a
///                 TLS, if it has that            close_notify                     close_notify
///     w           time passes, some 4 ms times the square of the next byte    g   a reload             d   draining begins
///
/// Whatever either side sends: the service gets well-formed requests only, one at a time, each of which the client has sent, in
/// their order and with their content; the client gets well-formed responses only, no more than it sent requests, each of them the
/// gateway's own or one that the service gave to a request, in their order and with their content; the worker comes to rest; and
/// nothing is left when both have gone. Of HTTP/2 the client gets whole frames, and none on a stream that has ended.
enum GatewayFuzz: FuzzTarget {
    static let name = "gateway"
    private static let piecesMax = 24
    private static let mark: UInt8 = 0xFE
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    nonisolated(unsafe) private static var gateway = FuzzGateway()

    static func run(_ input: ByteView) {
        if gateway?.isDraining != false { gateway = FuzzGateway() }
        guard let gateway else { return require(false, "no gateway") }
        guard input.count > 1, input.count <= 4096 else { return }
        let mayMultiplex = input[0] & 8 != 0
        let isTLS = !mayMultiplex && input[0] & 4 != 0
        let hasProxyHeader = !mayMultiplex && !isTLS && input[0] & 1 != 0
        gateway.begin(listener: mayMultiplex ? 3 : isTLS ? 2 : hasProxyHeader ? 1 : 0)
        var sent: [UInt8] = []
        if mayMultiplex, input[0] & 16 == 0 {
            sent = preface + [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0]
            gateway.clientSends(sent)
        }
        sent += play(input[1...].array, gateway, isTLS: isTLS)
        if mayMultiplex, sent.starts(with: preface) {
            checkFrames(gateway)
            _ = checkServices(gateway)
        } else if !mayMultiplex || !preface.starts(with: sent) {
            check(gateway, sent, hasProxyHeader: hasProxyHeader)
        }
        if input[0] & 2 == 0 { gateway.end() } else { gateway.endByTime() }
    }

    /// Returns what the client sent.
    private static func play(_ script: [UInt8], _ gateway: FuzzGateway, isTLS: Bool) -> [UInt8] {
        var sent: [UInt8] = []
        var hasEnded = false
        for (index, piece) in script.split(separator: mark, maxSplits: piecesMax, omittingEmptySubsequences: false).enumerated() {
            switch index == 0 ? nil : piece.first {
            case UInt8(ascii: "s"): gateway.serviceSends(piece.dropFirst())
            case UInt8(ascii: "t"): for byte in piece.dropFirst().prefix(64) { gateway.serviceSends([byte]) }
            case UInt8(ascii: "z"): gateway.serviceEnds(abruptly: false)
            case UInt8(ascii: "y"): gateway.serviceEnds(abruptly: true)
            case UInt8(ascii: "x"): gateway.serviceResets()
            case UInt8(ascii: "w"):
                let byte = UInt64(piece.dropFirst().first ?? 0)
                gateway.pass(milliseconds: 4 * byte * byte)
            case UInt8(ascii: "g"): gateway.reload()
            case UInt8(ascii: "d"): gateway.drain()
            case UInt8(ascii: "e"), UInt8(ascii: "f"):
                gateway.clientEnds(abruptly: piece.first == UInt8(ascii: "f"))
                hasEnded = true
            case UInt8(ascii: "r") where isTLS: if !hasEnded { gateway.clientSendsRaw(piece.dropFirst()) }
            case UInt8(ascii: "c") where index > 0, _ where index == 0:
                let bytes = index == 0 ? piece : piece.dropFirst()
                guard !hasEnded, !bytes.isEmpty else { continue }
                sent += bytes
                gateway.clientSends(bytes)
            default: continue
            }
        }
        return sent
    }

    // MARK: What must hold

    private static func check(_ gateway: FuzzGateway, _ sent: [UInt8], hasProxyHeader: Bool) {
        var sent = sent
        if hasProxyHeader {
            let header = withCopy(sent.prefix(ProxyHeader.bytesMax)) { _, view in ProxyHeader.parse(view) }
            guard case .complete(let header) = header else {
                return require(gateway.received.isEmpty && gateway.services.isEmpty, "something without a PROXY header")
            }
            sent.removeFirst(header.length)
        }
        var wanted = MessageReading(requests: sent)
        let got = responses(gateway, to: wanted, sent)
        wanted.endAtUpgrade(got.finalMessages)
        require(!got.isMalformed, "the client gets what is no response: \(text(gateway.received))")
        let served = checkServices(gateway, wanted)
        checkClient(gateway, got.finalMessages, wanted, served, hasRest: wanted.position < sent.count)
        if gateway.clientKeepsTLS, gateway.clientEnd == .reset {
            let isCut = got.finalMessages.count < wanted.messages.count || got.messages.contains { !$0.isComplete || $0.status == 101 }
            require(isCut, "no close_notify behind whole responses: \(text(gateway.received))")
        }
    }

    /// A request that reached the service, and what it said to it.
    private struct Served {
        let number: Int
        let request: MessageReading.Message
        let response: MessageReading.Message?
        /// Whether the service ended its side behind the response.
        let isFinished: Bool

        var isPreCall: Bool { request.path.elementsEqual("/pre".utf8) }
    }

    /// Frames of HTTP/2 that the client gets (RFC 9113, 4.1, 5.1).
    private static func checkFrames(_ gateway: FuzzGateway) {
        let received = gateway.received
        var ended: Set<UInt32> = []
        var isReset: Set<UInt32> = []
        var at = 0
        while received.count - at >= 9 {
            let length = Int(received[at]) << 16 | Int(received[at + 1]) << 8 | Int(received[at + 2])
            let (kind, flags) = (received[at + 3], received[at + 4])
            let stream = received[(at + 5)..<(at + 9)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            require(length <= 16_384 && kind <= 9 && kind != 5, "a frame of type \(kind) and \(length) bytes")
            require((stream == 0) == (kind == 4 || kind == 6 || kind == 7) || kind == 8, "a frame of type \(kind) on stream \(stream)")
            require(stream == 0 || stream & 1 == 1, "a frame on stream \(stream)")
            if stream != 0 {
                require(kind == 3 || !isReset.contains(stream), "a frame of type \(kind) behind the reset of stream \(stream)")
                require(kind == 3 || kind == 8 || kind == 9 || !ended.contains(stream), "a frame of type \(kind) behind the end of stream \(stream)")
                if kind == 3 { isReset.insert(stream) }
                if kind <= 1, flags & 1 != 0 { ended.insert(stream) }
            }
            at += 9 + length
        }
        require(at == received.count || gateway.clientEnd == .reset, "a frame is cut off")
    }

    private static func checkServices(_ gateway: FuzzGateway, _ wanted: MessageReading) -> [Served] {
        let all = checkServices(gateway)
        return inOrder(all, wanted)
    }

    /// What the service has got is requests, one at a time on a connection.
    private static func checkServices(_ gateway: FuzzGateway) -> [Served] {
        var all: [Served] = []
        for service in gateway.services {
            var requests = MessageReading(requests: service.received)
            let answers = MessageReading(responses: service.sent, to: requests.messages.map(\.knownMethod)).finalMessages
            requests.endAtUpgrade(answers)
            require(!requests.isMalformed, "the service gets what is no request: \(text(service.received))")
            for (index, request) in requests.messages.enumerated() {
                require(index <= answers.count, "a request before the response to the one in front of it has ended")
                require(index == 0 || answers[index - 1].isComplete, "a request behind a response that has not ended")
                checkRequest(request, authority: service.authority)
                guard let read = service.reads.last(where: { $0.start <= request.start }) else { continue }
                if index < answers.count { require(answers[index].start >= read.sent, "a request behind what could be taken for its response") }
                all.append(Served(
                    number: read.number, request: request, response: index < answers.count ? answers[index] : nil,
                    isFinished: service.isFinished && index == answers.count - 1))
            }
        }
        all.sort { $0.number < $1.number }
        return all
    }

    /// What the service has got is what the client has sent, in its order.
    private static func inOrder(_ all: [Served], _ wanted: MessageReading) -> [Served] {
        // What the gateway sends again has the same X-Request-Id; another with the same was named by the client.
        var next = -1
        var repeated = 0
        var id: [UInt8]?
        for served in all where !served.isPreCall {
            if next < 0 || served.request.values("x-request-id").first != id || !isSame(served.request, wanted.messages[next]) {
                repeated = 0
                repeat { next += 1 } while next < wanted.messages.count && !isSame(served.request, wanted.messages[next])
                require(next < wanted.messages.count, "the service gets what the client did not send: \(served.request)")
            }
            id = served.request.values("x-request-id").first
            repeated += 1
            require(repeated <= 2 || !wanted.messages[next].values("x-request-id").isEmpty, "a request is sent \(repeated) times")
        }
        return all
    }

    /// Whether it came by the domain that changes nothing.
    private static func isPlain(_ request: MessageReading.Message) -> Bool { request.path.starts(with: "/base/".utf8) }

    /// Fields of a request that the gateway writes itself, or passes only from trusted proxies.
    private static let writtenAnew: UInt64 = [
        KnownField.host, .contentLength, .expect, .xForwardedFor, .xForwardedProto, .xForwardedHost, .xForwardedPort, .xForwardedPrefix, .xRequestID,
        .traceparent, .tracestate, .via,
        .forwarded, .xRealIP, .saidByProxies, .xForwardedClientCert, .clientCert, .clientCertChain,
    ].reduce(0) { $0 | $1.bit }

    /// Whether the service's request can be this one of the client's. Its path may have been rewritten.
    private static func isSame(_ served: MessageReading.Message, _ wanted: MessageReading.Message) -> Bool {
        guard served.method == wanted.method, served.framing == wanted.framing, wanted.content.starts(with: served.content) else {
            return false
        }
        if isPlain(served), served.endToEnd(writtenAnew) != wanted.withoutLookalikes().endToEnd(writtenAnew) { return false }
        return !served.isComplete || wanted.isComplete && served.content == wanted.content
    }

    private static func checkRequest(_ request: MessageReading.Message, authority: String) {
        require(request.minorVersion == 1, "a request of another version")
        require(request.values("host") == [Array(authority.utf8)], "Host is \(request.values("host"))")
        withCopy(request.path) { _, view in
            require(PathFuzz.normalised(view) == request.path, "a path that is not in normal form: \(view.string)")
        }
        let isChunked = request.framing == .chunked
        require(request.values("transfer-encoding") == (isChunked ? [Array("chunked".utf8)] : []), "Transfer-Encoding")
        if case .length(let length) = request.framing {
            require(request.values("content-length") == [Array("\(length)".utf8)], "Content-Length")
        }
        for name in ["keep-alive", "te", "trailer", "proxy-connection", "proxy-authorization", "proxy-authenticate"] {
            require(request.values(name).isEmpty, "the service gets \(name)")
        }
        require(request.values("connection") == (request.isUpgrade ? [Array("upgrade".utf8)] : []), "Connection")
        require(request.isUpgrade || request.values("upgrade").isEmpty, "Upgrade without Connection")
        for name in ["x-request-id", "traceparent", "x-forwarded-for", "x-forwarded-proto"] {
            require(request.values(name).count == 1, "\(request.values(name).count) of \(name)")
        }
        let trace = String(decoding: request.values("traceparent")[0], as: UTF8.self).split(separator: "-", omittingEmptySubsequences: false)
        require(trace.count >= 4 && trace[1].utf8.count == 32 && trace[2].utf8.count == 16, "traceparent is \(trace)")
        let id = request.values("x-request-id")[0]
        require((1...128).contains(id.count) && id.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 }, "X-Request-Id")
        let hops = request.values("x-forwarded-for")[0].split(separator: 0x2C)
        let last = withCopy(hops.last?.drop { $0 == 0x20 } ?? []) { _, view in IPAddress(view) }
        require(last != nil, "X-Forwarded-For does not end with an address")
        require(request.values("x-forwarded-host").count <= 1 && request.values("via").count == 1, "X-Forwarded-Host or Via")
    }

    /// What the client reads.
    private static func responses(_ gateway: FuzzGateway, to wanted: MessageReading, _ sent: [UInt8]) -> MessageReading {
        let methods = wanted.messages.map(\.knownMethod)
        // Whether a request that was refused for its head was a HEAD request is known only if so much of it was read.
        let rest = sent[min(wanted.position, sent.count)...].drop { $0 == 0x0D || $0 == 0x0A }
        let got = MessageReading(responses: gateway.received, to: methods, beyond: rest.starts(with: "HEAD ".utf8) ? .head : .get)
        return got.isMalformed ? MessageReading(responses: gateway.received, to: methods) : got
    }

    private static func checkClient(
        _ gateway: FuzzGateway, _ responses: [MessageReading.Message], _ wanted: MessageReading, _ served: [Served], hasRest: Bool
    ) {
        // What is refused before it is a request gets a response too.
        require(responses.count <= wanted.messages.count + (hasRest ? 1 : 0), "more responses than requests: \(text(gateway.received))")
        var next = 0
        for (index, response) in responses.enumerated() {
            for name in ["keep-alive", "te", "trailer", "proxy-connection", "proxy-authorization", "proxy-authenticate"] {
                require(response.values(name).isEmpty, "the client gets \(name)")
            }
            require(response.values("content-length").count <= 1 && response.values("transfer-encoding").count <= 1, "framing twice")
            if isOwn(response) { continue }
            let isWhole = response.isComplete || response.framing == .untilClose && gateway.clientEnd == .ended
            while next < served.count, !isAnswer(response, isWhole: isWhole, of: served[next]) { next += 1 }
            require(next < served.count, "response \(index) was given to no request: \(text(gateway.received))")
            next += 1
        }
    }

    /// Whether the client's response can be the one that this request got.
    private static func isAnswer(_ response: MessageReading.Message, isWhole: Bool, of served: Served) -> Bool {
        guard let given = served.response, given.status == response.status else { return false }
        if served.isPreCall, given.status == 200 { return false }
        // Where the service sends no Date the gateway does.
        let lacksDate = given.values("date").isEmpty
        require(!lacksDate || response.status < 200 || response.values("date").count == 1, "\(response.values("date").count) of Date")
        let written = KnownField.contentLength.bit | (lacksDate ? KnownField.date.bit : 0)
        if isPlain(served.request), given.endToEnd(written) != response.endToEnd(written) { return false }
        // To HEAD, also of what a pre-call API has said to its own method.
        if response.content.isEmpty, response.framing == .none { return true }
        guard given.content.starts(with: response.content) else { return false }
        guard isWhole else { return true }
        return response.content == given.content && (given.isComplete || given.framing == .untilClose && served.isFinished)
    }

    /// Whether it is one of the gateway's own.
    private static func isOwn(_ response: MessageReading.Message) -> Bool {
        if response.values("content-type") == [Array("application/json; charset=utf-8".utf8)] {
            return response.content.isEmpty || response.content.starts(with: #"{"header":{"resultCode":"#.utf8)
        }
        if response.status == 204 {
            return response.values("vary") == [Array("Origin, Access-Control-Request-Method, Access-Control-Request-Headers".utf8)]
        }
        return response.values("x-mock") == [Array("1".utf8)]
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).debugDescription }
}
