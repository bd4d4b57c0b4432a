import SluiceHTTP
@testable import SluiceHTTP2

/// `HTTP2Session`: whatever comes, in whichever pieces, the events and the frames that are answered are the same; windows stay within their bounds; what is written is frames;
/// nothing is read behind a failure.
///
/// The input: a byte of options, then what the other side sends. The preface and SETTINGS are put before it unless the options say no.
enum HTTP2Fuzz: FuzzTarget {
    static let name = "http2"

    private struct Reading: Equatable {
        var events: [String] = []
        var sent: [UInt8] = []
        var used = 0
    }

    static func run(_ input: ByteView) {
        guard input.count > 0 else { return }
        let options = input[0]
        let isServer = options & 1 == 0
        var bytes = input[1...].array
        if options & 2 == 0 {
            bytes = (isServer ? Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) : []) + [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0] + bytes
        }
        let whole = read(bytes, options) { _ in Int.max }
        let singly = read(bytes, options) { _ in 1 }
        require(singly == whole, "byte by byte: \(singly.events) \(singly.used), whole: \(whole.events) \(whole.used)")
        var seed = UInt32(options) &+ 1
        let inPieces = read(bytes, options) { _ in
            seed = seed &* 1_664_525 &+ 1_013_904_223
            return 1 + Int(seed >> 24) % 23
        }
        require(inPieces == whole, "in pieces: \(inPieces.events), whole: \(whole.events)")
    }

    private static func read(_ bytes: [UInt8], _ options: UInt8, size: (Int) -> Int) -> Reading {
        let limits = UnsafeMutablePointer<HTTP2Limits>.allocate(capacity: 1)
        defer { limits.deallocate() }
        limits.initialize(to: HTTP2Limits())
        limits.pointee.concurrentStreams = 5
        limits.pointee.streamWindow = options & 4 == 0 ? 100 : 65_536
        limits.pointee.glitchBurst = 60
        limits.pointee.resetBurst = 10
        limits.pointee.headBytes = 600
        limits.pointee.headerTableBytes = options & 8 == 0 ? 400 : 4_096
        limits.pointee.extendedConnect = options & 16 != 0
        let area = HTTP2HeadArea(base: .allocate(capacity: 600), capacity: 600)
        defer { area.base.deallocate() }
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 200_000)
        defer { memory.deallocate() }
        var output = HTTP2Output(base: memory, capacity: 200_000)
        var session = HTTP2Session(role: options & 1 == 0 ? .server : .client, limits: limits)
        defer { session.deallocate() }
        session.start(&output)
        if session.role == .client {
            for _ in 0..<3 { ask(&session, &output) }
        }
        var reading = Reading()
        while reading.used < bytes.count, !session.isFailed {
            let end = min(bytes.count, reading.used + min(bytes.count, size(reading.used)))
            withCopy(bytes[reading.used..<end]) { _, piece in
                var input = HTTP2Input(piece)
                while take(session.next(&input, head: area, output: &output, now: 1), &session, &output, area, options, &reading) {
                    check(&session)
                }
                require(session.isFailed || input.count == 0, "bytes are left")
                reading.used += input.used
            }
        }
        reading.sent += output.bytes.array
        checkFrames(reading.sent)
        // Where in a piece it failed makes no difference.
        if session.isFailed { reading.used = 0 }
        if session.isFailed, let event = reading.events.last { require(event.hasPrefix("failed"), "something happens behind a failure: \(event)") }
        return reading
    }

    private static func ask(_ session: inout HTTP2Session, _ output: inout HTTP2Output) {
        var stream: UInt32 = 0
        let text = ByteView("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = session.sendRequest(text, endsStream: false, isHTTPS: true, isHead: false, stream: &stream, &output)
    }

    /// What the caller does at an event depends on nothing but that event.
    private static func take(
        _ event: HTTP2Event, _ session: inout HTTP2Session, _ output: inout HTTP2Output, _ area: HTTP2HeadArea, _ options: UInt8, _ reading: inout Reading
    ) -> Bool {
        switch event {
        case .needMore: return false
        case .outputFull:
            reading.sent += output.bytes.array
            output.clear()
            session.outputSent(&output)
        case .head(let head):
            let text = ByteView(base: area.base, count: head.count)
            require(text.count >= 4 && text[(text.count - 4)...] == "\r\n\r\n", "a head without its end")
            reading.events.append("head \(head) \(text.string)")
            answer(head.stream, &session, &output)
        case .headRefused(let stream, let reason, let ends):
            reading.events.append("refused \(stream) \(reason) \(ends)")
            answer(stream, &session, &output)
        case .data(let stream, let bytes, let ends):
            reading.events.append("data \(stream) \(bytes.array) \(ends)")
            // Of pieces of a frame, one.
            if reading.events.count > 1, case let before = reading.events[reading.events.count - 2], before.hasPrefix("data \(stream) ["), before.hasSuffix("] false") {
                let joined = before.dropLast("] false".count) + (bytes.isEmpty ? "" : ", ") + "\(bytes.array)".dropFirst() + " \(ends)"
                reading.events.removeLast(2)
                reading.events.append(String(joined))
            }
            if ends { session.consumed(stream, Int.max, &output) }
        case .trailers(let head): reading.events.append("trailers \(head) \(ByteView(base: area.base, count: head.count).string)")
        case .reset(let reset):
            reading.events.append("reset \(reset)")
            if reset.isKnown { require(session.release(reset.stream, &output), "no room") }
        case .windowOpened(let stream): reading.events.append("window \(stream)")
        case .settingsChanged: reading.events.append("settings")
        case .goAway(let last, let code): reading.events.append("goaway \(last) \(code.rawValue)")
        case .pingAcknowledged(let opaque): reading.events.append("pong \(opaque)")
        case .failed(let code, let reason):
            reading.events.append("failed \(code.rawValue) \(reason)")
            return false
        }
        return true
    }

    private static func answer(_ stream: UInt32, _ session: inout HTTP2Session, _ output: inout HTTP2Output) {
        guard session.role == .server else { return }
        switch stream % 5 {
        case 0: session.reset(stream, .cancel, &output)
        case 1, 2: _ = session.sendHead(stream, ByteView("HTTP/1.1 200 OK\r\n\r\n"), endsStream: true, &output)
        case 3:
            _ = session.sendHead(stream, ByteView("HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), endsStream: false, &output)
            let count = min(session.sendable(stream), 10)
            require(!session.beginData(stream, count: session.sendable(stream) + 1, endsStream: true, at: output.next), "more is sent than may be")
            if count > 0 {
                let place = output.next
                require(session.beginData(stream, count: count, endsStream: false, at: place), "less is sent than may be")
                (place + 9).update(repeating: 0, count: count)
                output.add(9 + count)
            }
        default: break
        }
        if stream % 2 == 1, stream % 3 == 0 { require(session.release(stream, &output), "no room") }
    }

    private static func check(_ session: inout HTTP2Session) {
        require(session.sendWindow >= 0 && session.sendWindow <= HTTP2Session.windowMax, "a window of \(session.sendWindow)")
        require(session.receiveWindow >= 0 && session.receiveWindow + session.unannounced <= 6_553_600, "a window of \(session.receiveWindow)")
        require(session.openStreams <= 5 || session.role == .client, "\(session.openStreams) streams")
        _ = session.streams.first { slot in
            require(slot.pointee.sendWindow <= HTTP2Session.windowMax, "a stream's window of \(slot.pointee.sendWindow)")
            require(slot.pointee.held >= 0 && slot.pointee.unannounced >= 0 && slot.pointee.contentLeft >= -1, "a stream counts wrongly")
            return false
        }
    }

    /// All that was sent is whole frames.
    private static func checkFrames(_ sent: [UInt8]) {
        var at = sent.starts(with: Array("PRI".utf8)) ? 24 : 0
        while at < sent.count {
            require(at + 9 <= sent.count, "a frame's header is cut off")
            at += 9 + (Int(sent[at]) << 16 | Int(sent[at + 1]) << 8 | Int(sent[at + 2]))
        }
        require(at == sent.count, "a frame is cut off")
    }
}
