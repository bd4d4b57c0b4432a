import Foundation
import Synchronization

/// A server on loopback, a thread per connection, that records every request byte for byte and answers by a script.
final class ScriptedUpstream: Sendable {
    /// Answers one request. A thrown error closes the connection.
    typealias Script = @Sendable (Call) throws -> Void

    let port: UInt16
    var url: String { "http://127.0.0.1:\(port)" }
    private let listener: RawSocket
    private let script: Script
    private let readsBody: Bool
    private let state = Mutex(State())

    private struct State {
        var requests: [ReceivedRequest] = []
        var connections: [RawSocket] = []
        var accepted = 0
        var ended = false
    }

    /// - Parameters:
    ///   - port: 0 lets the kernel choose.
    ///   - readsBody: false leaves the body to the script (`Call.readBody`), for tests of what happens before it.
    init(port: UInt16 = 0, readsBody: Bool = true, _ script: @escaping Script = { try $0.reply(200, body: "upstream") }) throws {
        listener = try RawSocket.listen(port: port)
        self.port = listener.localPort
        self.script = script
        self.readsBody = readsBody
        let server = self
        Thread.detachNewThread { server.acceptAll() }
        try LoopbackScope.onEnd { server.stop() }
    }

    /// What has been received so far, in the order of arrival.
    var requests: [ReceivedRequest] { state.withLock { $0.requests } }
    var acceptedConnections: Int { state.withLock { $0.accepted } }

    /// The only request there must be.
    func onlyRequest() throws -> ReceivedRequest {
        let all = requests
        guard all.count == 1, let first = all.first else { throw HarnessError("the upstream saw \(all.count) requests, not one") }
        return first
    }

    /// The request with that number, from 0; an error if there were not so many.
    func request(_ number: Int) throws -> ReceivedRequest {
        let all = requests
        guard number < all.count else { throw HarnessError("the upstream saw \(all.count) requests only") }
        return all[number]
    }

    /// Ends listening and every connection.
    func stop() {
        let connections = state.withLock { state in
            state.ended = true
            return state.connections
        }
        listener.interrupt()
        for connection in connections { connection.interrupt() }
    }

    /// Closes the listener itself, when it was interrupted: closing it elsewhere would leave this thread with a number
    /// that may be another test's listener by then.
    private func acceptAll() {
        defer { listener.close() }
        while let connection = listener.accept() {
            let number: Int? = state.withLock { state in
                if state.ended { return nil }
                state.connections.append(connection)
                state.accepted += 1
                return state.accepted
            }
            guard let number else { return }
            Thread.detachNewThread { self.serve(connection, number: number) }
        }
    }

    private func serve(_ connection: RawSocket, number: Int) {
        var reader = MessageReader(connection)
        do {
            while true {
                reader.raw = []
                guard let head = try reader.head() else { break }
                let parts = head.start.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 3 else { break }
                let request = ReceivedRequest(
                    method: parts[0], target: parts[1], version: parts[2], fields: head.fields, connection: number, head: reader.raw)
                let call = Call(request: request, socket: connection, reader: reader)
                if readsBody { try call.readBody() }
                let index = state.withLock { state in
                    state.requests.append(call.request)
                    return state.requests.count - 1
                }
                defer { state.withLock { $0.requests[index] = call.request } }
                try script(call)
                if !call.staysOpen { break }
                try call.readBody()
                reader = call.reader
            }
        } catch {
            // The script or the peer ended the connection; what arrived before it is recorded.
        }
        connection.close()
    }
}

/// One request as the upstream received it.
struct ReceivedRequest: Sendable {
    var method: String
    var target: String
    var version: String
    var fields: MessageReader.Fields
    /// The number of its connection, from 1.
    var connection: Int
    /// Every byte of the head.
    var head: [UInt8]
    var body: [UInt8] = []
    var trailers: MessageReader.Fields = []
    /// Every byte of the body with its framing.
    var rawBody: [UInt8] = []

    subscript(_ name: String) -> String? { fields[name] }
    func values(_ name: String) -> [String] { fields.values(name) }
    var headText: String { String(decoding: head, as: UTF8.self) }
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// One request in a script's hands.
final class Call {
    private(set) var request: ReceivedRequest
    let socket: RawSocket
    fileprivate(set) var reader: MessageReader
    private var bodyIsRead = false
    /// False closes the connection after the script.
    var staysOpen = true

    fileprivate init(request: ReceivedRequest, socket: RawSocket, reader: MessageReader) {
        self.request = request
        self.socket = socket
        self.reader = reader
    }

    /// Takes the body off the connection. Without effect the second time.
    func readBody() throws {
        guard !bodyIsRead else { return }
        bodyIsRead = true
        reader.raw = []
        if request["Transfer-Encoding"] != nil {
            (request.body, request.trailers) = try reader.chunkedBody()
        } else if let length = request["Content-Length"], let count = Int(length) {
            request.body = try reader.bytes(count)
        }
        request.rawBody = reader.raw
    }

    /// Sends a response with an exact Content-Length. A response to HEAD gets no body.
    func reply(_ status: Int, _ fields: [String] = [], body: String = "") throws {
        let bytes = [UInt8](body.utf8)
        var head = "HTTP/1.1 \(status) Scripted\r\n"
        for field in fields { head += field + "\r\n" }
        if status >= 200 && status != 204 && status != 304 { head += "Content-Length: \(bytes.count)\r\n" }
        try socket.send([UInt8]((head + "\r\n").utf8) + (request.method == "HEAD" ? [] : bytes))
    }

    /// Sends exactly these bytes.
    func send(_ text: String) throws { try socket.send(text) }
    func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }
    func some() throws -> [UInt8] { try reader.some() }

    /// Ends the connection in order, after the script.
    func close() { staysOpen = false }

    /// Ends the connection with a reset.
    func reset() {
        socket.reset()
        staysOpen = false
    }
}
