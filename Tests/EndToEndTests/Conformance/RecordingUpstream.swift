import Foundation
import Synchronization

/// A request as it reached the upstream.
struct SeenRequest: Sendable {
    var number = -1
    var line: [Substring] = []
    var connection = 0
    var fields: StrictReader.Fields = []
    var framing = "none"
    var body: [UInt8] = []
    var trailers: StrictReader.Fields = []
    var isWhole = false
    var fault: String?

    var target: Substring { line.count > 1 ? line[1] : "" }
}

/// A server that records whatever reaches it, strictly, and answers `/r/` by the case at hand and everything else with the
/// method and the target.
final class RecordingUpstream: Sendable {
    let port: UInt16
    private let listener: RawSocket
    private let state = Mutex(State())

    private struct State {
        var requests: [SeenRequest] = []
        var count = 0
        var open: [Int: RawSocket] = [:]
        var accepted = 0
        var script: ConformanceCase?
    }

    init() throws {
        listener = try RawSocket.listen()
        port = listener.localPort
        let server = self
        Thread.detachNewThread { server.acceptAll() }
        try LoopbackScope.onEnd {
            server.listener.interrupt()
            server.dropConnections()
        }
    }

    func take() -> [SeenRequest] {
        state.withLock { state in
            defer { state.requests = [] }
            return state.requests
        }
    }

    /// How many were accepted since the start, and how many are open.
    var connections: (accepted: Int, open: Int) { state.withLock { ($0.accepted, $0.open.count) } }

    func setScript(_ script: ConformanceCase?) { state.withLock { $0.script = script } }

    func dropConnections() {
        for socket in state.withLock({ Array($0.open.values) }) { socket.interrupt() }
    }

    private func acceptAll() {
        defer { listener.close() }
        while let socket = listener.accept() {
            let number = state.withLock { state in
                state.accepted += 1
                state.open[state.accepted] = socket
                return state.accepted
            }
            Thread.detachNewThread {
                self.serve(socket, number)
                _ = self.state.withLock { $0.open.removeValue(forKey: number) }
                socket.close()
            }
        }
    }

    private func serve(_ socket: RawSocket, _ number: Int) {
        var reader = StrictReader(socket: socket)
        let script = state.withLock { $0.script }
        if let script, script["early"] != nil { try? socket.send(Bytes.unescape(script.text)) }
        while (try? one(socket, &reader, number)) == true {}
    }

    /// Takes one request and answers it. False ends the connection.
    private func one(_ socket: RawSocket, _ reader: inout StrictReader, _ number: Int) throws -> Bool {
        var request = SeenRequest()
        request.connection = number
        var script: ConformanceCase?
        func record() {
            state.withLock { state in
                if let index = state.requests.firstIndex(where: { $0.number == request.number }) {
                    state.requests[index] = request
                } else if request.number < 0 {
                    request.number = state.count
                    state.count += 1
                    state.requests.append(request)
                }
            }
        }
        do {
            let line = try reader.line()
            request.line = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
            record()
            guard request.line.count == 3, request.line[2] == "HTTP/1.1" else { throw StrictReader.Malformed(what: "a request line") }
            request.fields = try reader.fields()
            let coding = request.fields.value("transfer-encoding")
            let lengths = request.fields.filter { $0.name.lowercased() == "content-length" }
            guard coding == nil || lengths.isEmpty && coding == Array("chunked".utf8), lengths.count < 2,
                request.fields.filter({ $0.name.lowercased() == "host" }).count == 1
            else { throw StrictReader.Malformed(what: "ambiguous framing or Host") }
            script = request.target.hasPrefix("/r/") ? state.withLock { $0.script } : nil
            if let script, script["request"] == "POST-early" { return try answer(socket, script, request) }
            if request.fields.value("expect") != nil { try socket.send("HTTP/1.1 100 Continue\r\n\r\n") }
            if coding != nil {
                request.framing = "chunked"
                (request.body, request.trailers) = try reader.chunks()
            } else if let length = lengths.first {
                let count = Int(String(decoding: length.value, as: UTF8.self)) ?? -1
                guard count >= 0 else { throw StrictReader.Malformed(what: "Content-Length") }
                request.framing = "length=\(count)"
                request.body = try reader.bytes(count)
            }
            request.isWhole = true
            record()
        } catch let fault as StrictReader.Malformed {
            request.fault = fault.what
            record()
            return false
        } catch let end as StrictReader.Ended {
            if request.number < 0, end.isInside {
                request.fault = "half a line"
                record()
            }
            return false
        }
        if let script { return try answer(socket, script, request) }
        let body = request.line[0] + " " + request.target
        try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + (request.line[0] == "HEAD" ? "" : body))
        return true
    }

    private func answer(_ socket: RawSocket, _ script: ConformanceCase, _ request: SeenRequest) throws -> Bool {
        let nonce = String(request.target.dropFirst(3))
        for (index, part) in script.text.components(separatedBy: "{pause}").enumerated() where script["early"] == nil {
            if index > 0 { pause(0.03) }
            var bytes = Bytes.unescape(part.replacingOccurrences(of: "{n}", with: nonce).replacingOccurrences(of: "{hang}", with: ""))
            if let length = script["length"].flatMap({ Int($0) }) { bytes = Array(bytes.prefix(length)) }
            if let split = script["split"].flatMap({ Int($0) }) {
                try socket.send(Array(bytes.prefix(split)))
                pause(0.002)
                bytes.removeFirst(split)
            }
            if !bytes.isEmpty { try socket.send(bytes) }
            if part.contains("{hang}") {
                while try socket.receive() != nil {}
                return false
            }
        }
        if script["then"] == "reset" {
            // Without a pause the gateway finds the bytes and the reset in one turn.
            if script["length"] == nil { pause(0.005) }
            socket.reset()
        }
        return script["then"] == nil && script["request"] != "POST-early"
    }
}
