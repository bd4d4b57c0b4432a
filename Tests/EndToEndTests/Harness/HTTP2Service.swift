import Foundation
import SluiceHTTP
import SluiceHTTP2
import Synchronization

/// A service that speaks HTTP/2 by prior knowledge, a thread per connection, and answers by a script: `ScriptedUpstream` for frames.
final class HTTP2Service: Sendable {
    /// Answers one request, or leaves it to a later call of the same connection. A thrown error closes the connection.
    typealias Script = @Sendable (HTTP2Call) throws -> Void

    let port: UInt16
    var url: String { "h2c://127.0.0.1:\(port)" }
    private let listener: RawSocket
    private let limits: HTTP2Limits
    private let startsAtHead: Bool
    private let script: Script
    private let state = Mutex(State())

    private struct State {
        var requests: [HTTP2Call.Request] = []
        var connections: [RawSocket] = []
        var resets: [HTTP2ErrorCode] = []
        var pings = 0
        var ended = false
    }

    /// - Parameters:
    ///   - startsAtHead: the script is called when the head has come, and reads the body itself.
    init(
        port: UInt16 = 0, limits: HTTP2Limits = HTTP2Limits(), startsAtHead: Bool = false,
        _ script: @escaping Script = { try $0.reply(200, body: "upstream") }
    ) throws {
        listener = try RawSocket.listen(port: port)
        self.port = listener.localPort
        self.limits = limits
        self.startsAtHead = startsAtHead
        self.script = script
        let server = self
        Thread.detachNewThread { server.acceptAll() }
        try LoopbackScope.onEnd { server.stop() }
    }

    /// Requests that were whole, in their order.
    var requests: [HTTP2Call.Request] { state.withLock { $0.requests } }
    /// Codes of the resets that came.
    var resets: [HTTP2ErrorCode] { state.withLock { $0.resets } }
    var acceptedConnections: Int { state.withLock { $0.connections.count } }

    func stop() {
        let connections = state.withLock { state in
            state.ended = true
            return state.connections
        }
        listener.interrupt()
        for connection in connections { connection.interrupt() }
    }

    fileprivate func note(_ request: HTTP2Call.Request) { state.withLock { $0.requests.append(request) } }
    fileprivate func note(_ reset: HTTP2ErrorCode) { state.withLock { $0.resets.append(reset) } }

    private func acceptAll() {
        defer { listener.close() }
        while let connection = listener.accept() {
            let number: Int? = state.withLock { state in
                if state.ended { return nil }
                state.connections.append(connection)
                return state.connections.count
            }
            guard let number else { return }
            Thread.detachNewThread { self.serve(connection, number) }
        }
    }

    private func serve(_ socket: RawSocket, _ number: Int) {
        let connection = HTTP2Connection(self, socket, number, limits, startsAtHead: startsAtHead)
        do {
            try connection.start()
            while true {
                while let call = connection.takeCall() { try script(call) }
                try connection.goOn?()
                try connection.flush()
                guard try connection.readSome() else { break }
            }
        } catch {
            // The script or the peer ended the connection; what arrived before it is recorded.
        }
        socket.close()
        connection.deallocate()
    }
}

/// One connection of such a service, on its thread.
final class HTTP2Connection {
    let number: Int
    let socket: RawSocket
    fileprivate let service: HTTP2Service
    fileprivate var session: HTTP2Session
    fileprivate var output: HTTP2Output
    private let limits: UnsafeMutablePointer<HTTP2Limits>
    private let area: HTTP2HeadArea
    private let startsAtHead: Bool
    private var calls: [UInt32: HTTP2Call] = [:]
    private var ready: [HTTP2Call] = []
    /// Calls that a script has left for later.
    var kept: [HTTP2Call] = []
    /// Called whenever something has come: for responses that are sent as the windows open.
    var goOn: (() throws -> Void)?
    /// What is written waits, so that it leaves together.
    var gathers = false

    fileprivate init(_ service: HTTP2Service, _ socket: RawSocket, _ number: Int, _ bounds: HTTP2Limits, startsAtHead: Bool) {
        self.service = service
        self.socket = socket
        self.number = number
        self.startsAtHead = startsAtHead
        limits = .allocate(capacity: 1)
        limits.initialize(to: bounds.clamped)
        session = HTTP2Session(role: .server, limits: limits)
        output = HTTP2Output(base: .allocate(capacity: 1 << 20), capacity: 1 << 20)
        area = HTTP2HeadArea(base: .allocate(capacity: 1 << 17), capacity: 1 << 17)
    }

    fileprivate func deallocate() {
        session.deallocate()
        output.base.deallocate()
        area.base.deallocate()
        limits.deallocate()
    }

    fileprivate func start() throws {
        session.start(&output)
        try flush()
    }

    func flush() throws {
        guard !gathers else { return }
        try socket.send((0..<output.bytes.count).map { output.bytes[$0] })
        output.clear()
        session.outputSent(&output)
    }

    fileprivate func takeCall() -> HTTP2Call? { ready.isEmpty ? nil : ready.removeFirst() }

    /// Reads some bytes and notes what they say. False at the end of the stream.
    @discardableResult
    func readSome() throws -> Bool {
        guard let bytes = try socket.receive() else { return false }
        try bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var input = HTTP2Input(ByteView(base: base, count: buffer.count))
            while true {
                switch session.next(&input, head: area, output: &output, now: UInt64(ProcessInfo.processInfo.systemUptime * 1000)) {
                case .needMore: return try flush()
                case .outputFull: try flush()
                case .head(let head):
                    let call = HTTP2Call(self, head.stream, text(head.count))
                    calls[head.stream] = call
                    if head.endsStream { end(call) } else if startsAtHead { ready.append(call) }
                case .data(let stream, let content, let ends):
                    guard let call = calls[stream] else { continue }
                    call.request.body += (0..<content.count).map { content[$0] }
                    if call.consumes { session.consumed(stream, content.count, &output) }
                    if ends { end(call) }
                case .trailers(let head):
                    calls[head.stream]?.request.trailers = text(head.count)
                    if let call = calls[head.stream] { end(call) }
                case .reset(let reset):
                    service.note(reset.code)
                    calls[reset.stream]?.isReset = true
                    calls[reset.stream] = nil
                    _ = session.release(reset.stream, &output)
                case .failed(let code, let reason): throw HarnessError("the gateway's HTTP/2 is wrong: \(code) \(reason)")
                case .headRefused, .windowOpened, .settingsChanged, .goAway, .pingAcknowledged: break
                }
            }
        }
        return true
    }

    private func text(_ count: Int) -> String { String(decoding: UnsafeBufferPointer(start: area.base, count: count), as: UTF8.self) }

    private func end(_ call: HTTP2Call) {
        call.request.isWhole = true
        service.note(call.request)
        if !startsAtHead || !call.isStarted { ready.append(call) }
        call.isStarted = true
    }

    fileprivate func forget(_ stream: UInt32) {
        calls[stream] = nil
        _ = session.release(stream, &output)
    }

    /// Exactly these bytes, behind what is written already.
    func send(raw bytes: [UInt8]) throws {
        try flush()
        try socket.send(bytes)
    }

    /// A frame, whatever it says.
    func send(frame kind: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) throws {
        let length = payload.count
        try send(raw: [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), kind, flags] + Self.number(stream) + payload)
    }

    /// GOAWAY with this last stream.
    func goAway(last: UInt32, code: UInt32 = 0) throws { try send(frame: 7, Self.number(last) + Self.number(code)) }

    fileprivate func with<Result>(_ text: String, _ body: (ByteView) -> Result) -> Result {
        let bytes = [UInt8](text.utf8)
        return bytes.withUnsafeBufferPointer { body($0.baseAddress.map { ByteView(base: $0, count: bytes.count) } ?? .empty) }
    }

    static func number(_ value: UInt32) -> [UInt8] { [UInt8(value >> 24 & 255), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)] }
}

/// One request in a script's hands.
final class HTTP2Call {
    struct Request: Sendable {
        /// The number of its connection, from 1.
        var connection: Int
        var stream: UInt32
        /// Its text as HTTP/1.1 would have it.
        var head: String
        var body: [UInt8] = []
        var trailers = ""
        var isWhole = false

        var text: String { String(decoding: body, as: UTF8.self) }
        var method: String { String(head.prefix { $0 != " " }) }
        var target: String { head.split(separator: " ").dropFirst().first.map(String.init) ?? "" }
        func has(_ line: String) -> Bool { head.lowercased().contains("\r\n\(line.lowercased())\r\n") }
    }

    let connection: HTTP2Connection
    let stream: UInt32
    fileprivate(set) var request: Request
    fileprivate(set) var isReset = false
    fileprivate var isStarted = false
    /// Whether what comes of the body opens the window again.
    var consumes = true

    fileprivate init(_ connection: HTTP2Connection, _ stream: UInt32, _ head: String) {
        self.connection = connection
        self.stream = stream
        request = Request(connection: connection.number, stream: stream, head: head)
    }

    /// Sends a whole response.
    func reply(_ status: Int, _ fields: [String] = [], body: String = "", trailers: [String] = []) throws {
        let isHead = request.method == "HEAD"
        try head(status, fields, ends: (body.isEmpty || isHead) && trailers.isEmpty)
        if !body.isEmpty, !isHead { try data([UInt8](body.utf8), ends: trailers.isEmpty) }
        if !trailers.isEmpty { try send(trailers: trailers) }
        done()
    }

    /// Sends a head, interim or final.
    func head(_ status: Int, _ fields: [String] = [], ends: Bool = false) throws {
        let text = "HTTP/1.1 \(status) \r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
        let sending = connection.with(text) { connection.session.sendHead(stream, $0, endsStream: ends, &connection.output) }
        guard sending == .sent else { throw HarnessError("head: \(sending)") }
        try connection.flush()
    }

    /// Sends content, and reads for as long as the windows are shut.
    func data(_ content: [UInt8], ends: Bool = false) throws {
        var sent = 0
        repeat {
            let count = min(content.count - sent, connection.session.sendable(stream))
            guard count > 0 || content.isEmpty else {
                guard !isReset, try connection.readSome() else { throw HarnessError("the gateway has gone") }
                continue
            }
            try sendFrame(content[sent..<sent + count], ends: ends && sent + count == content.count)
            sent += count
        } while sent < content.count
    }

    /// Sends as much of some content as the windows allow now. Returns how much.
    func dataAllowed(_ content: [UInt8], ends: Bool = false) throws -> Int {
        let count = min(content.count, connection.session.sendable(stream))
        if count > 0 { try sendFrame(content[..<count], ends: ends && count == content.count) }
        return count
    }

    private func sendFrame(_ content: ArraySlice<UInt8>, ends: Bool) throws {
        var frame = [UInt8](repeating: 0, count: HTTP2Session.dataHeaderBytes)
        let isOpen = frame.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { connection.session.beginData(stream, count: content.count, endsStream: ends, at: $0) } ?? false
        }
        guard isOpen else { throw HarnessError("the stream has ended") }
        try connection.send(raw: frame + content)
    }

    func send(trailers: [String]) throws {
        let text = trailers.map { $0 + "\r\n" }.joined() + "\r\n"
        let sending = connection.with(text) { connection.session.sendTrailers(stream, $0, &connection.output) }
        guard sending == .sent else { throw HarnessError("trailers: \(sending)") }
        try connection.flush()
    }

    func reset(_ code: HTTP2ErrorCode) throws {
        connection.session.reset(stream, code, &connection.output)
        try connection.flush()
        done()
    }

    /// Reads until the whole request is there.
    func readBody() throws {
        while !request.isWhole {
            guard !isReset, try connection.readSome() else { throw HarnessError("the request has not ended") }
        }
    }

    /// The same, and what has come opens the window from now on.
    func readBodyConsuming() throws {
        consumes = true
        connection.session.consumed(stream, request.body.count, &connection.output)
        try connection.flush()
        try readBody()
    }

    /// Nothing more is done for it.
    func done() { connection.forget(stream) }

    /// Ends the connection.
    func close() throws -> Never { throw HarnessError("closed by the script") }
}
