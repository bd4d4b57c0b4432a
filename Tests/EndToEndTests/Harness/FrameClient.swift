/// A client that speaks HTTP/2 by single frames over cleartext. It reads when it is asked to wait for something, answers SETTINGS and PING
/// by itself, and gives no credit but what a test gives: by default all that there can be, from the beginning.
final class FrameClient {
    static let preface = [UInt8]("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    static let largestWindow: UInt32 = 0x7FFF_FFFF

    /// What has come on one stream.
    struct Stream {
        /// Interim responses.
        var interim: [MessageReader.Fields] = []
        var fields: MessageReader.Fields = []
        var body: [UInt8] = []
        var trailers: MessageReader.Fields = []
        /// Whether END_STREAM has come.
        var hasEnded = false
        /// The code of RST_STREAM, if one has come.
        var resetCode: UInt32?
        /// Bytes that may be sent on it.
        var sendWindow = 0
        /// What WINDOW_UPDATE has given.
        var credit = 0

        var status: Int? { fields[":status"].flatMap { Int($0) } }
        var isOver: Bool { hasEnded || resetCode != nil }
    }

    let socket: RawSocket
    private(set) var streams: [UInt32: Stream] = [:]
    /// Every GOAWAY: its last stream and its code.
    private(set) var goAways: [(last: UInt32, code: UInt32)] = []
    /// What the server has announced.
    private(set) var settings: [UInt16: UInt32] = [:]
    private(set) var settingsAcknowledged = 0
    /// PINGs of the server, and those of ours that it acknowledged.
    private(set) var pings: [[UInt8]] = []
    private(set) var pingsAcknowledged = 0
    /// Whether the server has ended the connection.
    private(set) var hasEnded = false
    /// Whether PINGs are acknowledged.
    var answersPings = true
    /// Whether credit is given for every frame of content, as large as it was, to its stream and to the connection.
    var creditsFrames = false
    /// Frames of content that have come.
    private(set) var contentFrames = 0
    /// Bytes that may be sent on all streams.
    private(set) var sendWindow = 65_535
    private var buffered: [UInt8] = []
    /// Where in it the next frame begins.
    private var position = 0
    private var nextStream: UInt32 = 1
    private var block: (stream: UInt32, endsStream: Bool, bytes: [UInt8])?

    /// Connects, and says what every client has to say first.
    /// - Parameters:
    ///   - window: what the server may send on each stream.
    ///   - connectionWindow: what it may send on all of them, from 65,535.
    ///   - before: bytes before the preface.
    init(
        port: UInt16, timeout: Double = 10, source: String? = nil, receiveBuffer: Int32? = nil, window: UInt32 = largestWindow,
        connectionWindow: UInt32 = largestWindow, before: [UInt8] = []
    ) throws {
        socket = try RawSocket.connect(port: port, timeout: timeout, source: source, receiveBuffer: receiveBuffer)
        let setting = FrameClient.settings([(FrameSetting.headerTableSize, 0), (FrameSetting.initialWindowSize, window)])
        try socket.send(before + FrameClient.preface + setting.bytes)
        if connectionWindow > 65_535 { try open(window: connectionWindow - 65_535) }
    }

    // MARK: Sending

    static func settings(_ values: [(UInt16, UInt32)]) -> Frame {
        Frame(kind: .settings, payload: values.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + Frame.number($0.1) })
    }

    func send(_ frames: Frame...) throws { try socket.send(frames.flatMap(\.bytes)) }

    func send(settings values: [(UInt16, UInt32)]) throws { try send(FrameClient.settings(values)) }

    /// The fields of a request's head.
    static func head(
        _ method: String, _ target: String, _ fields: [String] = [], authority: String? = "gateway.test", scheme: String = "http"
    ) -> MessageReader.Fields {
        var head: MessageReader.Fields = [(":method", method), (":scheme", scheme), (":path", target)]
        if let authority { head.append((":authority", authority)) }
        for field in fields {
            guard let colon = field.firstIndex(of: ":") else { continue }
            head.append((field[..<colon].lowercased(), field[field.index(after: colon)...].trimmingBlanks()))
        }
        return head
    }

    /// Takes the next stream's number; nothing is sent.
    func takeStream() -> UInt32 {
        defer { nextStream += 2 }
        streams[nextStream] = Stream(sendWindow: Int(settings[FrameSetting.initialWindowSize] ?? 65_535))
        return nextStream
    }

    /// The frames of a head: as many as it needs.
    static func frames(_ fields: MessageReader.Fields, stream: UInt32, ends: Bool, size: Int = 16_384) -> [Frame] {
        let block = PlainFields.encode(fields)
        var frames: [Frame] = []
        for start in stride(from: 0, to: max(1, block.count), by: size) {
            let part = Array(block[start..<min(start + size, block.count)])
            frames.append(Frame(kind: start == 0 ? .headers : .continuation, flags: start == 0 && ends ? Frame.endStream : 0, stream: stream, payload: part))
        }
        frames[frames.count - 1].flags |= Frame.endHeaders
        return frames
    }

    /// Begins a request. Its stream's number.
    @discardableResult
    func request(
        _ method: String, _ target: String, _ fields: [String] = [], authority: String? = "gateway.test", scheme: String = "http", ends: Bool = true
    ) throws -> UInt32 {
        let stream = takeStream()
        let head = FrameClient.head(method, target, fields, authority: authority, scheme: scheme)
        try socket.send(FrameClient.frames(head, stream: stream, ends: ends).flatMap(\.bytes))
        return stream
    }

    @discardableResult
    func get(_ target: String, _ fields: [String] = []) throws -> UInt32 { try request("GET", target, fields) }

    /// Sends content without a look at the windows.
    func data(_ stream: UInt32, _ bytes: [UInt8] = [], ends: Bool = false) throws {
        sendWindow -= bytes.count
        streams[stream, default: Stream()].sendWindow -= bytes.count
        try send(Frame(kind: .data, flags: ends ? Frame.endStream : 0, stream: stream, payload: bytes))
    }

    func data(_ stream: UInt32, _ text: String, ends: Bool = false) throws { try data(stream, [UInt8](text.utf8), ends: ends) }

    /// Sends content as the windows allow, waiting for them; until the stream is over.
    func upload(_ stream: UInt32, _ bytes: [UInt8], ends: Bool = true) throws {
        var sent = 0
        while sent < bytes.count {
            sent += try uploadSome(stream, bytes[sent...], ends: ends)
            guard sent < bytes.count else { return }
            try wait { self[stream].isOver || self.uploadRoom(stream) > 0 }
            if self[stream].isOver { return }
        }
    }

    /// Sends as much as the windows allow now. How much that was.
    func uploadSome(_ stream: UInt32, _ bytes: ArraySlice<UInt8>, ends: Bool) throws -> Int {
        var sent = 0
        while sent < bytes.count, uploadRoom(stream) > 0 {
            let part = bytes.dropFirst(sent).prefix(min(uploadRoom(stream), 16_384))
            sent += part.count
            try data(stream, Array(part), ends: ends && sent == bytes.count)
        }
        return sent
    }

    func uploadRoom(_ stream: UInt32) -> Int { min(sendWindow, self[stream].sendWindow) }

    func trailers(_ stream: UInt32, _ fields: MessageReader.Fields) throws {
        try socket.send(FrameClient.frames(fields, stream: stream, ends: true).flatMap(\.bytes))
    }

    func reset(_ stream: UInt32, _ code: UInt32 = FrameCode.cancel) throws {
        try send(Frame(kind: .reset, stream: stream, payload: Frame.number(code)))
    }

    /// Gives credit, to the connection if no stream is named.
    func open(_ stream: UInt32 = 0, window: UInt32) throws {
        try send(Frame(kind: .windowUpdate, stream: stream, payload: Frame.number(window)))
    }

    func ping() throws { try send(Frame(kind: .ping, payload: [1, 2, 3, 4, 5, 6, 7, 8])) }

    func close() { socket.close() }

    // MARK: Receiving

    subscript(_ stream: UInt32) -> Stream { streams[stream] ?? Stream() }

    /// Reads until the condition holds; an error if the connection ends before, or nothing comes in the socket's time.
    func wait(_ condition: () -> Bool) throws {
        while !condition() {
            guard try readFrame() else { throw HarnessError("the connection ended: \(goAways), \(streams.mapValues(\.body.count))") }
        }
    }

    /// Whether the condition has come to hold when nothing more comes in `seconds`, or the connection has ended.
    func eventually(within seconds: Double, _ condition: () -> Bool) -> Bool {
        read(until: monotonicSeconds() + TimeScale.patience(seconds), or: condition)
    }

    /// Takes what comes in the next `seconds`, which are of a test's subject and never longer.
    func listen(_ seconds: Double) { _ = read(until: monotonicSeconds() + seconds) { false } }

    private func read(until end: Double, or condition: () -> Bool) -> Bool {
        defer { socket.setTimeout(10) }
        while !condition(), monotonicSeconds() < end {
            socket.setTimeout(max(0.01, (end - monotonicSeconds()) / Double(TimeScale.factor)))
            guard (try? readFrame()) == true else { break }
        }
        return condition()
    }

    /// The whole of a response; an error if its stream is reset.
    func response(_ stream: UInt32) throws -> Response {
        try wait { self[stream].isOver }
        return try whole(stream)
    }

    func exchange(_ method: String, _ target: String, _ fields: [String] = [], authority: String? = "gateway.test") throws -> Response {
        try response(request(method, target, fields, authority: authority))
    }

    private func whole(_ stream: UInt32) throws -> Response {
        let state = self[stream]
        guard state.hasEnded, let status = state.status else { throw HarnessError("stream \(stream) was reset with \(state.resetCode ?? 0)") }
        return Response(version: "HTTP/2", status: status, fields: state.fields, body: state.body, trailers: state.trailers, raw: [])
    }

    /// Whether the server ends the connection before the socket's timeout.
    func ends() -> Bool {
        do {
            while try readFrame() {}
            return true
        } catch { return !"\(error)".contains("timed out") }
    }

    /// Reads one frame. False at the connection's end.
    private func readFrame() throws -> Bool {
        while true {
            let header = buffered[position...].prefix(9).map { $0 }
            if header.count == 9 {
                let end = position + 9 + (Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2]))
                if buffered.count >= end {
                    guard let kind = Frame.Kind(rawValue: header[3]) else { throw HarnessError("a frame of type \(header[3])") }
                    let stream = Frame.number(header[5...]) & 0x7FFF_FFFF
                    let frame = Frame(kind: kind, flags: header[4], stream: stream, payload: Array(buffered[(position + 9)..<end]))
                    position = end
                    try take(frame)
                    return true
                }
            }
            buffered.removeFirst(position)
            position = 0
            guard let more = try socket.receive() else {
                hasEnded = true
                return false
            }
            buffered += more
        }
    }

    private func take(_ frame: Frame) throws {
        if block != nil, frame.kind != .continuation { throw HarnessError("\(frame.kind) within a block of fields") }
        switch frame.kind {
        case .data:
            guard !self[frame.stream].isOver, self[frame.stream].status != nil else { throw HarnessError("content where none may come") }
            streams[frame.stream]?.body += frame.payload
            if frame.has(Frame.endStream) { streams[frame.stream]?.hasEnded = true }
            contentFrames += 1
            guard creditsFrames, !frame.payload.isEmpty else { break }
            try open(frame.stream, window: UInt32(frame.payload.count))
            try open(window: UInt32(frame.payload.count))
        case .headers:
            block = (frame.stream, frame.has(Frame.endStream), frame.payload)
            if frame.has(Frame.endHeaders) { try takeBlock() }
        case .continuation:
            block?.bytes += frame.payload
            if frame.has(Frame.endHeaders) { try takeBlock() }
        case .reset: streams[frame.stream]?.resetCode = Frame.number(frame.payload)
        case .settings: try takeSettings(frame)
        case .ping:
            if frame.has(Frame.acknowledgement) {
                pingsAcknowledged += 1
            } else {
                pings.append(frame.payload)
                if answersPings { try? send(Frame(kind: .ping, flags: Frame.acknowledgement, payload: frame.payload)) }
            }
        case .goAway: goAways.append((Frame.number(frame.payload) & 0x7FFF_FFFF, Frame.number(frame.payload[4...])))
        case .windowUpdate:
            let count = Int(Frame.number(frame.payload))
            if frame.stream == 0 { sendWindow += count }
            streams[frame.stream]?.sendWindow += count
            streams[frame.stream]?.credit += count
        case .priority, .push: throw HarnessError("a frame that servers do not send: \(frame.kind)")
        }
    }

    private func takeBlock() throws {
        guard let whole = block else { return }
        block = nil
        guard !self[whole.stream].isOver else { throw HarnessError("fields on stream \(whole.stream), which is over") }
        let fields = try PlainFields.decode(whole.bytes)
        for field in fields where field.name != field.name.lowercased() { throw HarnessError("a name in capitals: \(field.name)") }
        if self[whole.stream].status != nil {
            guard whole.endsStream, fields.allSatisfy({ !$0.name.hasPrefix(":") }) else { throw HarnessError("no trailers: \(fields)") }
            streams[whole.stream]?.trailers = fields
        } else if fields.first?.value.hasPrefix("1") == true {
            streams[whole.stream]?.interim.append(fields)
        } else {
            guard fields.first?.name == ":status" else { throw HarnessError("no head of a response: \(fields)") }
            streams[whole.stream]?.fields = fields
        }
        if whole.endsStream { streams[whole.stream]?.hasEnded = true }
    }

    private func takeSettings(_ frame: Frame) throws {
        if frame.has(Frame.acknowledgement) {
            settingsAcknowledged += 1
            return
        }
        for start in stride(from: 0, to: frame.payload.count, by: 6) {
            let identifier = UInt16(frame.payload[start]) << 8 | UInt16(frame.payload[start + 1])
            let value = Frame.number(frame.payload[(start + 2)...])
            if identifier == FrameSetting.initialWindowSize {
                let change = Int(value) - Int(settings[identifier] ?? 65_535)
                for stream in streams.keys { streams[stream]?.sendWindow += change }
            }
            settings[identifier] = value
        }
        try send(Frame(kind: .settings, flags: Frame.acknowledgement))
    }
}

extension Gateway {
    /// A gateway with a cleartext listener for HTTP/2, on a port of its own.
    /// - Parameter configuration: of the lines of the file that name the listener.
    static func http2(
        environment: [String: String] = [:], admin: Bool = false, listener: String = "", _ configuration: ([String]) -> String
    ) throws -> (gateway: Gateway, port: UInt16) {
        let port = try Ports.free()
        let lines = FrameClient.listener(port, listener)
        let gateway = try Gateway(configuration(lines), environment: environment, admin: admin, readyPort: port)
        return (gateway, port)
    }
}

extension FrameClient {
    /// The lines of a configuration by which a listener takes HTTP/2 in cleartext.
    /// - Parameter more: further keys of it, each with a comma before it.
    static func listener(_ port: UInt16, _ more: String = "") -> [String] {
        ["listeners:", "  - {address: \"127.0.0.1:\(port)\", http2: cleartext\(more)}"]
    }
}
