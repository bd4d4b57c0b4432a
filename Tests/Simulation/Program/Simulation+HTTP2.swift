import CVirtualKernel
import SluiceSimulation

// What clients do that speak HTTP/2.

extension Simulation {
    func beginMultiplexing(_ client: Client) {
        client.multiplex(streamWindow: random.pick([(14, 65_535), (4, 3000), (3, 600), (1, 60)]))
        if random.chance(25) { client.http2?.pieceBytes = random.pick([30, 100, 1000]) }
        if random.chance(8) { hold(client) }
        // It learns late what the gateway's settings are.
        if conditions.focus == .streams, random.chance(30) {
            client.isDeaf = true
            at(random.between(5, 60)) { client.isDeaf = false }
        }
    }

    func multiplexedActs(_ client: Client) {
        guard let http2 = client.http2 else { return }
        switch random.below(100) {
        case 0..<56: sendStream(client)
        case 56..<68: for _ in 0..<random.pick([(5, random.between(2, 6)), (1, 20)]) { sendStream(client, isWhole: true) }
        case 68..<74:
            guard let stream = http2.open.last else { return sendStream(client) }
            log("client \(client.number) resets stream \(stream.number)")
            http2.cancel(stream)
        case 74..<77: http2.ping()
        case 77..<81: changeSettings(client)
        case 81..<86:
            // What is under way to it has to fit into its windows, until it reads on.
            guard !http2.isStingy else { return }
            http2.isStingy = true
            client.note(slow: true)
            sendStream(client, isWhole: true)
            at(random.pick([(6, random.between(1, 700)), (1, 2500)])) {
                client.note(slow: false)
                http2.credit()
            }
        case 86..<88:
            client.isDeaf = true
            at(random.between(10, 700)) { client.isDeaf = false }
        case 88..<90: hold(client)
        case 90..<92:
            http2.sendRaw(type: random.pick([2, 0x42]), flags: 0, stream: UInt32(random.pick([1, 3, 201])), [0, 0, 0, 0, 7])
            sendStream(client)
        case 92..<95: sendMalformed(client)
        case 95: sendGarbageFrames(client)
        case 96..<98:
            client.finish()
            log("client \(client.number) ends its side")
        case 98:
            client.reset()
            log("client \(client.number) resets")
        default:
            http2.sayGoodbye()
            log("client \(client.number) says GOAWAY")
        }
    }

    /// Lets what the client sends go in pieces, wherever frames begin and end.
    private func hold(_ client: Client) {
        client.holdBack()
        release(client)
    }

    private func release(_ client: Client) {
        at(random.below(20)) { [unowned self] in
            if client.allow(random.pick([1, 3, 8, 40, 200, 2000])) { release(client) }
        }
    }

    /// Sends a request, and of its body what it has at hand; the rest follows.
    func sendStream(_ client: Client, isWhole: Bool = false) {
        guard client.isUsable, let http2 = client.http2, http2.mayOpen,
            let plan = (versions.count > 1 && random.chance(15) ? versions[versions.count - 2] : versions.last)?.plan
        else { return }
        var request = maker.make(plan, wall: Int(vk_wall() / 1_000_000_000), &random)
        let hadBadBody = request.hasBadBody
        request.hasBadBody = false
        request.removeConnectionFields()
        var content = request.body
        if hadBadBody || random.chance(4), case .length = request.framing, !content.isEmpty, content.count < min(http2.pieceBytes, 2500) {
            // Not as long as Content-Length says; what is too long is so in its only frame.
            request.hasBadBody = true
            content = random.chance(50) || conditions.focus == .streams ? content.dropLast() : content + [1, 2, 3]
        }
        let hasBody = request.framing != .none
        let shape = random.pick([(70, 0), (12, 1), (8, 2)])
        guard let stream = http2.open(&request, place: client.requests.count, ends: !hasBody || random.chance(50), { [unowned self] in shaped($0, shape) }) else { return }
        log("client \(client.number) sends \(request.id) on stream \(stream.number): \(request.method) \(request.target) \(request.fields.map { "\($0.name): \($0.value)" }) and \(content.count) bytes")
        stream.body = content[...]
        stream.trailers = request.framing == .chunked ? request.trailers : []
        stream.endsApart = random.chance(30)
        if request.hasBadBody { request.body = [] }
        client.requests.append(request)
        // What is too long has to be seen with what is too much of it.
        let isAtOnce = isWhole || request.hasBadBody || random.chance(65)
        stream.stopsShort = !isAtOnce && random.chance(8)
        if stream.stopsShort, stream.body.isEmpty { stream.stopsShort = false }
        if isAtOnce {
            stream.atHand = content.count
        } else {
            // Some of it may go before anything is known of the gateway's windows.
            if random.chance(50) { stream.atHand = content.count / 3 }
            provide(client, stream)
        }
        http2.sendBody(stream)
        switch random.below(100) {
        case 0..<3:
            log("client \(client.number) resets stream \(stream.number) at once")
            http2.cancel(stream)
        case 3..<10: at(random.below(60)) { [unowned self] in
            log("client \(client.number) resets stream \(stream.number)")
            http2.cancel(stream)
        }
        default: break
        }
        if !isWhole { reloadBehindRequest() }
    }

    /// More of a body comes to the client's hand by and by.
    private func provide(_ client: Client, _ stream: ClientStream) {
        at(random.below(40)) { [unowned self] in
            guard !stream.hasEnded, !stream.isOver || stream.isWhole, client.isUsable else { return }
            let left = stream.body.count - stream.atHand - (stream.stopsShort ? 1 : 0)
            stream.atHand += min(max(0, left), random.pick([1, 40, 200, 2000, 20_000]))
            client.http2?.sendBody(stream)
            if random.chance(4) { reload() }
            if stream.atHand < stream.body.count, left > 0 { provide(client, stream) }
        }
    }

    /// The same head in other frames: in two, or with padding and a priority.
    private func shaped(_ frame: [UInt8], _ shape: Int) -> [UInt8] {
        let payload = Array(frame[9...])
        let stream = UInt32(frame[5]) << 24 | UInt32(frame[6]) << 16 | UInt32(frame[7]) << 8 | UInt32(frame[8])
        switch shape {
        case 1:
            let split = random.below(payload.count)
            return ClientHTTP2.frame(type: 1, flags: frame[4] & ~4, stream: stream, Array(payload[..<split]))
                + ClientHTTP2.frame(type: 9, flags: 4, stream: stream, Array(payload[split...]))
        case 2:
            let padding = random.below(40)
            return ClientHTTP2.frame(type: 1, flags: frame[4] | 0x28, stream: stream, [UInt8(padding), 0, 0, 0, 0, 16] + payload + [UInt8](repeating: 0, count: padding))
        default: return frame
        }
    }

    /// Changes how much of every response may be under way, and back again, or something that changes nothing here.
    private func changeSettings(_ client: Client) {
        guard let http2 = client.http2 else { return }
        func send(_ setting: UInt8, _ value: Int) {
            http2.sendRaw(type: 4, flags: 0, stream: 0, [0, setting, UInt8(truncatingIfNeeded: value >> 24), UInt8(truncatingIfNeeded: value >> 16), UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)])
        }
        switch random.below(4) {
        case 0: send(1, random.pick([0, 4096, 100]))
        case 1: send(random.pick([3, 5]), 16_384)
        default:
            guard !http2.isStingy else { return }
            send(4, min(random.pick([0, 1, 100]), http2.streamWindow))
            client.note(slow: true)
            for _ in 0..<random.between(1, 3) { sendStream(client, isWhole: true) }
            at(random.pick([(6, random.between(1, 500)), (1, 2500)])) {
                client.note(slow: false)
                send(4, http2.streamWindow)
            }
        }
    }

    /// A head that is none: its stream ends, and nothing else.
    private func sendMalformed(_ client: Client) {
        guard client.isUsable, let http2 = client.http2, http2.mayOpen, let plan = versions.last?.plan else { return }
        var request = maker.make(plan, wall: Int(vk_wall() / 1_000_000_000), &random)
        let (good, bad) = random.pick([
            ("x-faulty", "X-faulty"), ("x-faulty", "x faulty"), ("x-faulty", ":x-fault"), ("xonnection", "connection"), ("xransfer-encoding", "transfer-encoding"),
            ("value", "val\u{0}e"), ("value", " alue"),
        ])
        request.isMalformed = true
        request.hasBadBody = false
        request.body = []
        request.trailers = []
        request.framing = .none
        request.fields.append(Field(good == "value" ? "x-faulty" : good, "value"))
        request.removeConnectionFields()
        let stream = http2.open(&request, place: client.requests.count, ends: true) { frame in
            let wanted = Array(good.utf8)
            guard let place = frame.indices.last(where: { frame[$0...].starts(with: wanted) }) else { return frame }
            return Array(frame[..<place]) + Array(bad.utf8) + frame[(place + wanted.count)...]
        }
        guard let stream else { return }
        client.requests.append(request)
        log("client \(client.number) sends \(request.id) on stream \(stream.number), which is malformed: \(bad.debugDescription)")
    }

    /// What ends the connection.
    private func sendGarbageFrames(_ client: Client) {
        let (name, bytes) = random.pick([
            ("DATA on stream 0", ClientHTTP2.frame(type: 0, flags: 0, stream: 0, [1])), ("HEADERS on an even stream", ClientHTTP2.frame(type: 1, flags: 5, stream: 2, [0x82])),
            ("a PING of seven bytes", ClientHTTP2.frame(type: 6, flags: 0, stream: 0, [1, 2, 3, 4, 5, 6, 7])),
            ("a window that is too large", ClientHTTP2.frame(type: 8, flags: 0, stream: 0, [0x7F, 0xFF, 0xFF, 0xFF]) + ClientHTTP2.frame(type: 8, flags: 0, stream: 0, [0x7F, 0xFF, 0xFF, 0xFF])),
            ("a setting that is not legal", ClientHTTP2.frame(type: 4, flags: 0, stream: 0, [0, 2, 0, 0, 0, 7])),
            ("RST_STREAM on an idle stream", ClientHTTP2.frame(type: 3, flags: 0, stream: 20_001, [0, 0, 0, 8])),
            ("CONTINUATION without a head", ClientHTTP2.frame(type: 9, flags: 4, stream: 1, [0x82])), ("PUSH_PROMISE", ClientHTTP2.frame(type: 5, flags: 4, stream: 1, [0, 0, 0, 2, 0x82])),
            ("a request of HTTP/1", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)), ("a frame that is too long", ClientHTTP2.frame(type: 0, flags: 0, stream: 1, [UInt8](repeating: 0, count: 16_385))),
        ])
        log("client \(client.number) sends \(name)")
        client.http2?.sendGarbage(bytes)
    }
}
