import Foundation
import Synchronization
import Testing

/// A gateway with an upstream of its own: whatever reaches that upstream during a case belongs to the case.
final class Lane: Sendable {
    struct Fault: Error, CustomStringConvertible { let description: String }

    let gateway: Gateway
    let upstream: RecordingUpstream
    private let number: UInt64
    private let counter = Atomic<UInt64>(0)
    private static let secret = "conformance"
    private let token: String

    private init(_ number: UInt64) throws {
        self.number = number
        upstream = try RecordingUpstream()
        token = try Signing.hs256(#"{"sub":"sub"}"#, secret: Self.secret, header: #"{"alg":"HS256"}"#)
        let url = "http://127.0.0.1:\(upstream.port)"
        let all = [EndpointText("/**", methods: "GET, POST, PUT, PATCH, DELETE, OPTIONS")]
        // Beside what is open, a part that is closed to everybody.
        let open = [EndpointText("/**"), EndpointText("/closed/**", "mock: {status: 403}"), EndpointText("/files/{name}")]
        var text = configuration(ceiling: 1_000_000, upstream: url, all)
        for lines in [
            domainLines(key: "kept", upstream: url, domain: ["encodedSlashes: keep"], all),
            domainLines(key: "shut", upstream: url, open + [EndpointText("/m;*/x")]),
            domainLines(key: "shut-kept", upstream: url, domain: ["encodedSlashes: keep"], open),
            domainLines(key: "lax", upstream: url, domain: ["encodedSlashes: keep", "ambiguousPaths: keep"], open),
            domainLines(
                key: "any", upstream: url, domain: ["hosts: [\"*\"]"],
                [EndpointText("/any/**"), EndpointText("/kept/**"), EndpointText("/**/open")]),
            domainLines(key: "named", upstream: url, domain: ["hosts: [named.test]"], all),
            domainLines(
                key: "who", upstream: url,
                policies: "jwt: {algorithm: HS256, secret: \(Self.secret), expiry: optional, forward: {sub: X-User}}", all),
        ] { text += lines.joined(separator: "\n") + "\n" }
        gateway = try Gateway(
            text, environment: ["SLUICE_WORKERS": "1", "SLUICE_MAX_BODY_BYTES": "262144", "SLUICE_UPSTREAM_TIMEOUT_MS": "\(1000 * TimeScale.factor)",
                "SLUICE_CIRCUIT_AFTER_FAILURES": "0",
            ], admin: true)
    }

    /// Runs every case on one of four lanes; records what is wrong with any, that each gateway lives, and, if asked, that
    /// nothing is held once all is over.
    static func run(_ cases: [ConformanceCase], isQuietAfter: Bool = false, _ work: @escaping @Sendable (Lane, ConformanceCase) throws -> Void) throws {
        let lanes = try (0..<4).map { try Lane(UInt64($0)) }
        let found = Mutex<[String]>([])
        let group = DispatchGroup()
        for lane in lanes {
            group.enter()
            Thread.detachNewThread {
                for index in stride(from: Int(lane.number), to: cases.count, by: lanes.count) {
                    do {
                        try work(lane, cases[index])
                    } catch {
                        found.withLock { $0.append("\(cases[index].name): \(error)") }
                    }
                }
                group.leave()
            }
        }
        group.wait()
        for fault in found.withLock({ $0 }) { Issue.record("\(fault)") }
        for lane in lanes {
            #expect(lane.gateway.process.exitCode() == nil, "the gateway ended: \(lane.gateway.log)")
            if isQuietAfter { try lane.expectQuiet() }
        }
    }

    private func metrics() throws -> [String: Int] {
        var values: [String: Int] = [:]
        for line in try gateway.get("/metrics", port: gateway.adminPort).text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: " ")
            if parts.count == 2 { values[String(parts[0])] = Int(parts[1]) }
        }
        return values
    }

    /// Waits until what the gateway has sent, of a request that it gave up too, has been seen by the upstream: else it would be
    /// taken for the next case's.
    private func settle() throws {
        let isSettled = try eventually(within: 2) {
            let values = try metrics()
            let (accepted, open) = upstream.connections
            let pooled = values["sluice_upstream_idle_connections"]
            return values["sluice_upstream_connections_opened_total"] == accepted && pooled == open && values["sluice_upstream_connections"] == pooled
        }
        guard isSettled else { throw Fault(description: "an upstream connection is still busy") }
    }

    /// Connections, blocks and upstream connections that are not pooled go back to none.
    private func expectQuiet() throws {
        var held: [String: Int] = [:]
        let isQuiet = try eventually(within: 6) {
            held = try metrics()
            let busy = (held["sluice_upstream_connections"] ?? -1) - (held["sluice_upstream_idle_connections"] ?? 0)
            return held["sluice_connections"] == 0 && held["sluice_exchange_blocks"] == 0 && held["sluice_output_blocks"] == 0 && busy == 0
        }
        #expect(isQuiet, "\(held.filter { $0.key.contains("connections") || $0.key.contains("blocks") })")
    }

    private func nonce() -> String {
        let value = counter.wrappingAdd(1, ordering: .relaxed).newValue &* 0x9E37_79B9_7F4A_7C15 &+ number
        let text = String(UInt32(truncatingIfNeeded: value >> 32), radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }

    // MARK: Requests

    /// Sends the case's bytes, whole or in `cuts` + 1 pieces at places that are the same in every run.
    func request(_ test: ConformanceCase, cuts: Int) throws {
        let text = test.text.replacingOccurrences(of: "{port}", with: "\(upstream.port)").replacingOccurrences(of: "{token}", with: token)
        let bytes = Bytes.unescape(text)
        _ = upstream.take()
        var expected = (test["expect"] ?? "").split(separator: " ")
        let ending = expected.removeLast()
        var reader = StrictReader(socket: try RawSocket.connect(port: gateway.port, timeout: 4))
        defer { reader.socket.close() }
        send(bytes, cuts: test["pieces"] == "no" ? 0 : cuts, seed: UInt64(test.name.utf8.reduce(7) { ($0 &* 31 &+ Int($1)) & 0xFFFFFF }), reader.socket)
        if test["end"] == "half" { reader.socket.shutdownWrite() }
        for want in expected {
            guard let response = try ClientResponse(&reader, isHead: want.hasSuffix("/head")) else { throw Fault(description: "closed instead of \(want)") }
            guard response.status == Int(want.prefix(3)), !response.isCut else { throw Fault(description: "\(response.status) instead of \(want)") }
        }
        switch ending {
        case "close":
            if let more = try ClientResponse(&reader) { throw Fault(description: "another response: \(more.status)") }
        case "wait":
            reader.socket.setTimeout(0.1)
            if let bytes = try? reader.socket.receive() { throw Fault(description: "did not wait: \(String(decoding: bytes, as: UTF8.self))") }
            if !reader.buffer.isEmpty { throw Fault(description: "did not wait") }
        default: try probe(&reader, "the same connection")
        }
        reader.socket.close()
        if ending != "keep" { try settle() }
        try checkUpstream(test, upstream.take().filter { !$0.target.hasPrefix("/probe-") })
    }

    /// A gateway may refuse, and close, before all is sent.
    private func send(_ bytes: [UInt8], cuts: Int, seed: UInt64, _ socket: RawSocket) {
        var random = seed
        var places: Set<Int> = []
        for _ in 0..<min(cuts, bytes.count - 1) {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            places.insert(1 + Int(random >> 33) % (bytes.count - 1))
        }
        var last = 0
        for place in places.sorted() + [bytes.count] {
            guard (try? socket.send(Array(bytes[last..<place]))) != nil else { return }
            if place < bytes.count { pause(0.0005) }
            last = place
        }
    }

    private func checkUpstream(_ test: ConformanceCase, _ seen: [SeenRequest]) throws {
        if let fault = seen.compactMap(\.fault).first { throw Fault(description: "the upstream got something malformed: \(fault)") }
        let saw = test.all("saw")
        if saw == ["incomplete"] {
            if seen.contains(where: \.isWhole) { throw Fault(description: "the upstream got a whole request") }
            return
        }
        if let want = test["upstream"].flatMap({ Int($0) }), seen.count != want {
            throw Fault(description: "\(seen.count) requests reached the upstream, not \(want)")
        }
        for (text, request) in zip(saw, seen) {
            let parts = text.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            let line = request.line.prefix(2).joined(separator: " ") + " " + request.framing
            let wanted = String(decoding: Bytes.unescape(parts.prefix(3).joined(separator: " ")), as: UTF8.self)
            guard line == wanted else { throw Fault(description: "the upstream saw \(line.prefix(80)), not \(wanted.prefix(80))") }
            if parts.count > 3, request.body != Bytes.unescape(String(parts[3].dropFirst(5))) { throw Fault(description: "the upstream saw another body") }
        }
        for request in seen {
            for line in test.all("has") where !request.fields.contains(line: line.replacingOccurrences(of: "{port}", with: "\(upstream.port)")) {
                throw Fault(description: "the upstream did not see \(line)")
            }
            for name in test.all("lacks") where request.fields.value(name) != nil { throw Fault(description: "the upstream saw \(name)") }
        }
        if let first = seen.first, test.name.contains("chunks.txt") {
            let wanted = test.all("trailer")
            guard first.trailers.count == wanted.count, wanted.allSatisfy({ first.trailers.contains(line: $0) }) else {
                throw Fault(description: "trailers \(first.trailers.map(\.name))")
            }
        }
    }

    // MARK: Responses

    /// Sends a request that the case's bytes answer, then one on the same connection and one on another, which must get their own.
    func response(_ test: ConformanceCase) throws {
        if test["early"] != nil {
            upstream.dropConnections()
            pause(0.02)
        }
        upstream.setScript(test)
        defer { upstream.setScript(nil) }
        _ = upstream.take()
        let kind = test["request"] ?? "GET"
        let method = String(kind.split(separator: "-")[0])
        let name = nonce()
        let isOld = test["version"] == "1.0"
        var text = "\(method) /api/r/\(name) HTTP/\(isOld ? "1.0" : "1.1")\r\nHost: h\r\n" + (isOld ? "Connection: keep-alive\r\n" : "")
        if kind == "POST-early" { text += "Content-Length: 100\r\n" }
        var reader = StrictReader(socket: try RawSocket.connect(port: gateway.port, timeout: 4))
        defer { reader.socket.close() }
        try reader.socket.send(text + "\r\n")
        var responses: [ClientResponse] = []
        while let next = try ClientResponse(&reader, isHead: method == "HEAD") {
            responses.append(next)
            if next.status >= 200 { break }
        }
        try checkClient(test, responses, nonce: name)
        upstream.setScript(nil)
        if let last = responses.last, last.status >= 200, !last.isCut, !last.closes, kind != "POST-early" {
            // What comes unasked is there before the next request.
            if test.text.contains("{pause}") { pause(0.07) }
            try probe(&reader, "the same connection")
        }
        var other = StrictReader(socket: try RawSocket.connect(port: gateway.port, timeout: 4))
        defer { other.socket.close() }
        try probe(&other, "another connection")
        let seen = upstream.take()
        let own = seen.filter { $0.target.hasPrefix("/r/") }
        guard own.count <= (test["resend"] == nil ? 1 : 2) else { throw Fault(description: "sent \(own.count) times") }
        if let used = own.last, let reuse = test["reuse"] {
            let isReused = seen.contains { $0.target.hasPrefix("/probe-") && $0.connection == used.connection }
            guard isReused == (reuse == "yes") else { throw Fault(description: "upstream connection reused: \(isReused)") }
        }
    }

    private func checkClient(_ test: ConformanceCase, _ responses: [ClientResponse], nonce: String) throws {
        var text = (test["expect"] ?? "").replacingOccurrences(of: "{n}", with: nonce)
        if text.hasPrefix("cut") {
            // The case may have come in one piece with its head: the client can be told then.
            if let last = responses.last, !last.isCut, text != "cut" || last.status != 502 { throw Fault(description: "\(last.status) whole instead of cut") }
            return
        }
        if text.hasSuffix(" close") { text.removeLast(6) }
        let parts = text.components(separatedBy: "body=")
        let wanted = parts[0].split(separator: " ").map { Int($0.prefix(3)) ?? 0 }
        guard responses.map(\.status) == wanted, let last = responses.last, !last.isCut else {
            throw Fault(description: "\(responses.map(\.status)) instead of \(wanted)")
        }
        if parts.count > 1, last.body != Bytes.unescape(parts[1]) { throw Fault(description: "body \(String(decoding: last.body.prefix(60), as: UTF8.self))") }
        for line in test.all("has") where !last.fields.contains(line: line) { throw Fault(description: "the client did not see \(line)") }
        for name in test.all("lacks") where last.fields.value(name) != nil { throw Fault(description: "the client saw \(name)") }
    }

    /// One more request, which must get its own answer.
    private func probe(_ reader: inout StrictReader, _ place: String) throws {
        let name = nonce()
        try reader.socket.send("GET /api/probe-\(name) HTTP/1.1\r\nHost: h\r\n\r\n")
        guard let response = try ClientResponse(&reader) else { throw Fault(description: "\(place) was closed") }
        guard response.body == Array("GET /probe-\(name)".utf8) else {
            throw Fault(description: "\(place) got \(response.status) \(String(decoding: response.body.prefix(60), as: UTF8.self))")
        }
    }

    // MARK: Faults

    /// Sends the first bytes of a request and goes. No whole request may reach the upstream, and the next client is served.
    func clientFault(_ test: ConformanceCase) throws {
        _ = upstream.take()
        let socket = try RawSocket.connect(port: gateway.port, timeout: 4)
        try socket.send(Array(Bytes.unescape(test.text).prefix(Int(test["length"] ?? "") ?? 0)))
        // With and without a turn of the gateway between the bytes and the end.
        if counter.load(ordering: .relaxed) % 4 < 2 { pause(0.001) }
        if test["then"] == "reset" { socket.reset() } else { socket.close() }
        var reader = StrictReader(socket: try RawSocket.connect(port: gateway.port, timeout: 4))
        defer { reader.socket.close() }
        try probe(&reader, "another connection")
        try settle()
        let seen = upstream.take().filter { !$0.target.hasPrefix("/probe-") }
        if let fault = seen.compactMap(\.fault).first { throw Fault(description: fault) }
        if seen.contains(where: \.isWhole) { throw Fault(description: "the upstream got a whole request") }
    }
}

/// A response as a client reads it.
struct ClientResponse {
    let status: Int
    var fields: StrictReader.Fields = []
    var body: [UInt8] = []
    /// Whether the connection ended inside it.
    var isCut = false
    var closes: Bool { String(decoding: fields.value("connection") ?? [], as: UTF8.self).lowercased().contains("close") }

    /// Nil where the connection ends instead.
    init?(_ reader: inout StrictReader, isHead: Bool = false) throws {
        let line: String
        do {
            line = String(decoding: try reader.line(), as: UTF8.self)
        } catch let end as StrictReader.Ended {
            guard end.isInside else { return nil }
            throw Lane.Fault(description: "half a status line")
        }
        guard line.hasPrefix("HTTP/1.1 "), let status = Int(line.dropFirst(9).prefix(3)) else { throw Lane.Fault(description: "no status line: \(line.prefix(60))") }
        self.status = status
        do {
            fields = try reader.fields()
            if isHead || status < 200 || status == 204 || status == 304 { return }
            if fields.value("transfer-encoding") != nil {
                guard fields.value("content-length") == nil else { throw Lane.Fault(description: "two framings") }
                let (body, trailers) = try reader.chunks()
                self.body = body
                fields += trailers
            } else if let length = fields.value("content-length").flatMap({ Int(String(decoding: $0, as: UTF8.self)) }) {
                body = try reader.bytes(length)
            } else {
                try readToEnd(&reader)
            }
        } catch is StrictReader.Ended {
            isCut = true
        }
    }

    private mutating func readToEnd(_ reader: inout StrictReader) throws {
        do {
            while let more = try reader.socket.receive() { reader.buffer += more }
            body = reader.buffer
            reader.buffer = []
        } catch let error as HarnessError where error.description.contains("errno") {
            isCut = true
        }
    }
}
