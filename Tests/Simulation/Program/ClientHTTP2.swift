import CVirtualKernel
import SluiceHTTP
import SluiceHTTP2

/// What a client has that speaks HTTP/2: its end of the session, its streams, and how it treats them. It reads frame by frame, so that it is known
/// when each was written.
final class ClientHTTP2 {
    private unowned let client: Client
    private let limits: UnsafeMutablePointer<HTTP2Limits>
    private var session: HTTP2Session
    private let headArea = UnsafeMutablePointer<UInt8>.allocate(capacity: ClientHTTP2.headBytes)
    private let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: ClientHTTP2.scratchBytes)
    private static let headBytes = 65_536
    private static let scratchBytes = 49_152

    private(set) var streams: [ClientStream] = []
    private var byNumber: [UInt32: ClientStream] = [:]
    /// Bytes of what the client has received that are read, and where the block of fields began that is being read.
    private var read = 0
    private var isReading = false
    private var blockStart = 0
    /// What the gateway has done that HTTP/2 does not allow.
    private(set) var faults: [String] = []

    // MARK: How it behaves

    /// It does not credit what it has read, until it does.
    var isStingy = false
    /// Pieces of its bodies, at most.
    var pieceBytes = 16_384
    /// What it has sent is no HTTP/2, from this moment on.
    private(set) var garbageAt: UInt64?
    private(set) var hasSaidGoodbye = false

    // MARK: What came

    private(set) var goAways: [(last: UInt32, code: UInt32, at: UInt64)] = []
    private var pings: [UInt64: UInt64] = [:]
    private var nextPing: UInt64 = 1
    private var framed = 0
    private(set) var framedAt: UInt64 = 0
    private var credited = 0
    /// Frames of the client's that move nothing forward.
    private(set) var glitches = 0

    /// - Parameter streamWindow: bytes of a response that may be under way.
    init(_ client: Client, streamWindow: Int) {
        self.client = client
        limits = .allocate(capacity: 1)
        var own = HTTP2Limits()
        own.streamWindow = streamWindow
        own.connectionWindow = 65_535
        // Whoever is served at once does not count what it is sent.
        own.glitchBurst = 1_000_000
        own.resetBurst = 1_000_000
        limits.initialize(to: own)
        session = HTTP2Session(role: .client, limits: limits)
    }

    var streamWindow: Int { limits.pointee.streamWindow }
    var open: [ClientStream] { streams.filter { !$0.isOver } }
    var mayOpen: Bool { session.mayOpen && garbageAt == nil && !hasSaidGoodbye }
    var unansweredPings: [UInt64] { pings.values.sorted() }
    /// Bytes of content that were sent and not credited, of the connection's window.
    func uncredited(ofWindow bytes: Int) -> Int { client.received.isEmpty ? 0 : framed - (credited - (bytes - 65_535)) }

    func start() { withOutput { session, output in session.start(&output) } }

    // MARK: Requests

    /// Opens a stream. Nil if it may not now.
    ///
    /// - Parameters:
    ///   - ends: the head says so if nothing follows it; else a frame of its own does.
    ///   - shape: what is made of the frame of the head.
    func open(_ request: inout SentRequest, place: Int, ends: Bool, _ shape: ([UInt8]) -> [UInt8]) -> ClientStream? {
        guard mayOpen else { return nil }
        let text = Array(request.bytes.prefix(request.headCount))
        var number: UInt32 = 0
        var frame: [UInt8] = []
        let endsStream = ends && request.body.isEmpty && request.trailers.isEmpty
        let sending = text.withUnsafeBufferPointer { text in
            var output = HTTP2Output(base: scratch, capacity: Self.scratchBytes)
            let sending = session.sendRequest(
                ByteView(base: text.baseAddress.unsafelyUnwrapped, count: text.count), endsStream: endsStream, isHTTPS: false, isHead: request.method == "HEAD",
                stream: &number, &output)
            frame = Array(UnsafeBufferPointer(start: scratch, count: output.count))
            return sending
        }
        guard sending == .sent else { return nil }
        frame = shape(frame)
        request.start = client.sent.count
        // Padding is no part of a head.
        request.headCount = frame.count - (frame[4] & 8 != 0 ? Int(frame[9]) : 0)
        let stream = ClientStream(number: number, request: place)
        stream.hasEnded = endsStream
        streams.append(stream)
        byNumber[number] = stream
        client.send(frame[...])
        return stream
    }

    /// Sends of a body what is at hand and the windows let through.
    func sendBody(_ stream: ClientStream) {
        guard garbageAt == nil else { return }
        while !stream.hasEnded, !stream.isCancelled, stream.resetCode == nil, session.maySend(stream.number) {
            let count = min(stream.atHand, stream.body.count, session.sendable(stream.number), pieceBytes)
            let isLast = count == stream.body.count && !stream.stopsShort && stream.atHand >= stream.body.count
            guard count > 0 || isLast && stream.body.isEmpty else { return }
            if isLast, stream.body.isEmpty || !stream.endsApart, stream.trailers.isEmpty {
                sendData(stream, count, ends: true)
            } else if count > 0 {
                sendData(stream, count, ends: false)
            } else {
                sendTrailers(stream)
            }
        }
    }

    private func sendData(_ stream: ClientStream, _ count: Int, ends: Bool) {
        guard session.beginData(stream.number, count: count, endsStream: ends, at: scratch) else { return stream.hasEnded = true }
        let header = Array(UnsafeBufferPointer(start: scratch, count: HTTP2Session.dataHeaderBytes))
        client.send((header + stream.body.prefix(count))[...])
        stream.body = stream.body.dropFirst(count)
        stream.atHand -= count
        stream.framed += count
        framed += count
        framedAt = vk_now()
        // Behind a reset that is under way it moves nothing.
        if count < 512 { glitches += 1 }
        if ends { end(stream) }
    }

    private func sendTrailers(_ stream: ClientStream) {
        let text = Array((stream.trailers.map { "\($0.name): \($0.value)\r\n" }.joined() + "\r\n").utf8)
        withOutput { session, output in
            text.withUnsafeBufferPointer {
                _ = session.sendTrailers(stream.number, ByteView(base: $0.baseAddress.unsafelyUnwrapped, count: $0.count), &output)
            }
        }
        end(stream)
    }

    private func end(_ stream: ClientStream) {
        stream.hasEnded = true
        if stream.isWhole { release(stream) }
    }

    /// The gateway has ended the connection: what is not whole is cut.
    func connectionEnded() { for stream in streams where !stream.isOver { stream.overAt = vk_now() } }

    private func sendBodies() { for stream in streams where !stream.hasEnded { sendBody(stream) } }

    // MARK: What else it sends

    /// Wants no response any more.
    func cancel(_ stream: ClientStream, code: HTTP2ErrorCode = .cancel) {
        guard !stream.isOver, garbageAt == nil else { return }
        stream.isCancelled = true
        stream.overAt = vk_now()
        withOutput { session, output in session.reset(stream.number, code, &output) }
        release(stream)
    }

    func ping() {
        guard garbageAt == nil else { return }
        pings[nextPing] = vk_now()
        withOutput { session, output in _ = session.ping(nextPing, &output) }
        nextPing += 1
    }

    /// Credits what it has kept.
    func credit() {
        isStingy = false
        for stream in streams where stream.owed > 0 { consume(stream, 0) }
    }

    /// What the session does not say by itself: a frame as it is.
    func sendRaw(type: UInt8, flags: UInt8, stream: UInt32, _ payload: [UInt8]) {
        guard garbageAt == nil else { return }
        glitches += 1
        client.send(Self.frame(type: type, flags: flags, stream: stream, payload)[...])
    }

    /// Bytes behind which nothing is HTTP/2 any more.
    func sendGarbage(_ bytes: [UInt8]) {
        guard garbageAt == nil else { return }
        client.send(bytes[...])
        garbageAt = vk_now()
    }

    /// Will open no more streams.
    func sayGoodbye() {
        guard garbageAt == nil, !hasSaidGoodbye else { return }
        hasSaidGoodbye = true
        withOutput { session, output in _ = session.announceEnd(&output) }
    }

    static func frame(type: UInt8, flags: UInt8, stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let count = payload.count
        return [UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count), type, flags]
            + [UInt8(truncatingIfNeeded: stream >> 24), UInt8(truncatingIfNeeded: stream >> 16), UInt8(truncatingIfNeeded: stream >> 8), UInt8(truncatingIfNeeded: stream)]
            + payload
    }

    private func withOutput(_ write: (inout HTTP2Session, inout HTTP2Output) -> Void) {
        var output = HTTP2Output(base: scratch, capacity: Self.scratchBytes)
        write(&session, &output)
        session.outputSent(&output)
        guard output.count > 0, garbageAt == nil else { return }
        glitches += output.count / 13
        client.send(Array(UnsafeBufferPointer(start: scratch, count: output.count))[...])
    }

    // MARK: Reading

    /// Reads the frames that have come whole.
    func readFrames() {
        // Whoever answers a frame may find the next that has come.
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        while faults.isEmpty, client.received.count - read >= 9 {
            let length = Int(client.received[read]) << 16 | Int(client.received[read + 1]) << 8 | Int(client.received[read + 2])
            guard client.received.count - read >= 9 + length else { return }
            let frame = Array(client.received[read..<(read + 9 + length)])
            if frame[3] == 1 { blockStart = read }
            if frame[3] == 8, length == 4 { noteCredit(frame[5...]) }
            read += 9 + length
            frame.withUnsafeBufferPointer { take(ByteView(base: $0.baseAddress.unsafelyUnwrapped, count: $0.count)) }
        }
    }

    private func take(_ frame: ByteView) {
        var input = HTTP2Input(frame)
        while true {
            var output = HTTP2Output(base: scratch, capacity: Self.scratchBytes)
            let event = session.next(&input, head: HTTP2HeadArea(base: headArea, capacity: Self.headBytes), output: &output, now: vk_now() / 1_000_000)
            session.outputSent(&output)
            if output.count > 0, garbageAt == nil { client.send(Array(UnsafeBufferPointer(start: scratch, count: output.count))[...]) }
            switch event {
            case .needMore: return
            case .outputFull, .headRefused: return faults.append("the client's codec says \(event)")
            case .head(let head): takeHead(head)
            case .data(let number, let bytes, let ends):
                guard let stream = byNumber[number] else { continue }
                let content = (0..<bytes.count).map { bytes[$0] }
                stream.response?.body += content
                stream.response?.end = read
                if ends { finish(stream) }
                consume(stream, content.count)
            case .trailers(let head):
                guard let stream = byNumber[head.stream] else { continue }
                stream.response?.trailers = message(head).fields
                stream.response?.end = read
                finish(stream)
            case .reset(let reset): takeReset(reset)
            case .windowOpened, .settingsChanged: sendBodies()
            case .goAway(let last, let code): goAways.append((last, code.rawValue, vk_now()))
            case .pingAcknowledged(let number): pings[number] = nil
            case .failed(let code, let reason): return faults.append("the client's codec ends the connection: \(reason), \(code.rawValue)")
            }
        }
    }

    private func takeHead(_ head: HTTP2Head) {
        guard let stream = byNumber[head.stream] else { return }
        var message = message(head)
        message.start = blockStart
        message.headEnd = read
        message.end = read
        for field in message.fields where Forwarding.hopByHop.contains(field.key) && field.key != "trailer" && field.key != "proxy-authenticate" {
            faults.append("a response over HTTP/2 has \(field.name): \(field.value)")
        }
        guard message.status >= 200 else {
            message.isComplete = true
            return stream.interim.append(message)
        }
        message.interim = stream.interim
        message.framing = message.value("content-length").flatMap { Int($0) }.map { .length($0) } ?? .untilEnd
        stream.response = message
        stream.hadNothing = stream.atHand == 0 && !stream.hasEnded
        if head.endsStream { finish(stream) }
    }

    private func message(_ head: HTTP2Head) -> Message {
        var message = Message()
        var lines = String(decoding: UnsafeBufferPointer(start: headArea, count: head.count), as: UTF8.self).components(separatedBy: "\r\n")
        if lines.first?.hasPrefix("HTTP/1.1 ") == true { message.startLine = lines.removeFirst() }
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { continue }
            message.fields.append(Field(String(line[..<colon]), MessageReader.trimmed(line[line.index(after: colon)...])))
        }
        return message
    }

    private func finish(_ stream: ClientStream) {
        stream.isWhole = true
        stream.response?.isComplete = true
        stream.overAt = vk_now()
        if stream.hasEnded { release(stream) }
    }

    private func takeReset(_ reset: HTTP2Reset) {
        guard reset.reason == .byPeer || reset.reason == .goneAway else {
            return faults.append("the client's codec resets stream \(reset.stream): \(reset.reason)")
        }
        guard let stream = byNumber[reset.stream] else { return }
        stream.isUnserved = reset.isUnprocessed
        stream.resetCode = reset.code.rawValue
        if stream.overAt == nil { stream.overAt = vk_now() }
        release(stream)
    }

    private func release(_ stream: ClientStream) {
        stream.owed = 0
        withOutput { session, output in _ = session.release(stream.number, &output) }
    }

    private func consume(_ stream: ClientStream, _ count: Int) {
        stream.owed += count
        guard !isStingy, stream.owed > 0 else { return }
        let owed = stream.owed
        stream.owed = 0
        withOutput { session, output in session.consumed(stream.number, owed, &output) }
    }

    /// WINDOW_UPDATE: nobody is credited what it has not sent.
    private func noteCredit(_ bytes: ArraySlice<UInt8>) {
        let numbers = Array(bytes)
        func number(_ at: Int) -> Int { Int(numbers[at] & 0x7F) << 24 | Int(numbers[at + 1]) << 16 | Int(numbers[at + 2]) << 8 | Int(numbers[at + 3]) }
        let increment = number(4)
        guard number(0) != 0 else { return credited += increment }
        guard let stream = byNumber[UInt32(number(0))] else { return }
        stream.credited += increment
        if stream.credited > stream.framed { faults.append("stream \(stream.number) is credited \(stream.credited) bytes of \(stream.framed)") }
    }
}

extension String {
    /// The parts between `separator`, empty ones included.
    fileprivate func components(separatedBy separator: String) -> [String] { split(separator: separator, omittingEmptySubsequences: false).map(String.init) }
}
