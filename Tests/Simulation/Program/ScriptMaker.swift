import SluiceSimulation

/// Makes up what services say.
enum ScriptMaker {
    /// - Parameter fillers: bytes behind the first line of a body.
    static func make(_ seen: Seen, fillers: [Int], _ random: inout SeededGenerator) -> Script {
        var script = Script()
        let isPreCall = seen.service >= World.firstPreCallService
        let id = seen.message.value("x-request-id")?.dropFirst(4) ?? "0"
        script.delay = random.pick([(6, 0), (3, UInt64(random.between(1, 60)) * 1_000_000), (1, UInt64(random.between(60, 190)) * 1_000_000)])
        script.status = isPreCall ? random.pick([(14, 200), (2, 401), (2, 403), (1, 500), (1, 204), (1, 302)]) : random.pick([(16, 200), (2, 404), (1, 201), (1, 500), (1, 204), (1, 304), (1, 401)])
        let extra: [Field] = [
            Field("Server", "service\(seen.service)"), Field("X-Internal", "i\(id)"), Field("Set-Cookie", "a=\(id)"), Field("Set-Cookie", "b=2"), Field("Content-Type", "text/plain"),
            Field("Access-Control-Allow-Origin", "*"), Field("Access-Control-Allow-Credentials", "true"), Field("X-Served", "by service"), Field("Keep-Alive", "timeout=9"), Field("X-Hop", "h"),
            Field("Cache-Control", "max-age=1"), Field("Date", "Mon, 01 Jan 2024 00:00:00 GMT"), Field("Vary", "Accept"),
        ]
        script.fields = random.some(extra, percent: random.chance(50) ? 15 : 40)
        if script.fields.contains(where: { $0.name == "X-Hop" }) { script.fields.append(Field("Connection", "x-hop")) }
        if script.status == 302 { script.fields.append(Field("Location", "https://login.example/")) }
        script.body = Array("service \(seen.service) answers \(id) ".utf8) + [UInt8](repeating: 0x2E, count: random.pick(fillers))
        script.framing = random.pick([(6, .length), (3, .chunked), (1, .untilEnd)])
        if script.framing == .chunked, random.chance(40) {
            script.trailers = random.some([Field("X-Sum", "t\(id)"), Field("X-Internal", "trailer"), Field("Server", "trailer"), Field("Access-Control-Allow-Origin", "*")], percent: 50)
        }
        if random.chance(12) {
            script.interim = [(103, random.some([Field("Link", "</a>"), Field("Server", "early"), Field("X-Internal", "early"), Field("Access-Control-Allow-Origin", "*")], percent: 60))]
            if random.chance(20) { script.interim.append((102, [])) }
        }
        script.ending = random.pick([
            (70, .keeps), (8, .closes), (6, .closesUnsaid), (seen.isReused ? 14 : 3, .breaksFirst), (2, .breaksHead), (3, .breaksBody), (2, .silent), (2, .lies),
        ])
        script.isEarly = random.chance(8)
        if random.chance(12) { script.pieces = (random.pick([1, 7, 100, 1000]), UInt64(random.between(0, 8)) * 1_000_000) }
        return script
    }

    /// The bytes of a script: what is sent, and of it how much comes before a break.
    static func bytes(_ script: Script, to method: String) -> [UInt8] {
        if script.ending == .lies { return Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!".utf8) }
        var text = ""
        for interim in script.interim {
            text += "HTTP/1.1 \(interim.status) Interim\r\n" + interim.fields.map { "\($0.name): \($0.value)\r\n" }.joined() + "\r\n"
        }
        text += "HTTP/1.1 \(script.status) Said\r\n" + script.fields.map { "\($0.name): \($0.value)\r\n" }.joined()
        if script.ending == .closes { text += "Connection: close\r\n" }
        let hasBody = hasBody(script, to: method)
        if script.status != 204, script.status != 304 || !hasBody {
            switch script.framing {
            case .length: text += script.status == 304 ? "" : "Content-Length: \(script.body.count)\r\n"
            case .chunked: text += "Transfer-Encoding: chunked\r\n"
            case .untilEnd: break
            }
        }
        let head = Array((text + "\r\n").utf8)
        guard hasBody else { return head }
        return script.framing == .chunked ? head + Chunks.encode(script.body, sizes: [700, 20], trailers: script.trailers) : head + script.body
    }

    static func hasBody(_ script: Script, to method: String) -> Bool { method != "HEAD" && script.status != 204 && script.status != 304 }

    /// Where the connection ends by itself behind the response.
    static func endsByFraming(_ script: Script, to method: String) -> Bool { script.framing == .untilEnd && hasBody(script, to: method) }
}
