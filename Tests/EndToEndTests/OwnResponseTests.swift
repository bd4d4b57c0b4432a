import Foundation
import Testing

/// `responses` of a domain, on the bytes that a client receives.
@Suite("Own responses", .loopback, .minutes(5))
struct OwnResponseTests {
    private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    private var notFound: [String] {
        lines(#"""
            responses:
              notFound:
                status: 410
                headers: {X-Code: "${error.resultCode}", X-Who: "$!{header.X-Who}", X-Path: "${path.id}"}
                bodies:
                  application/json: '{"code": ${error.resultCode}, "status": ${response.httpStatus}, "message": "${error.resultMessage}", "who": "${header.X-Who}", "uri": "${uri}"}'
                  text/html: "<p>${error.resultMessage} <a title='$!{header.X-Who}'>${httpMethod} ${uriPath}</a>\n"
            """#)
    }

    @Test("status, headers and the body that Accept asks for, with values escaped for what they stand in")
    func notFoundPages() throws {
        let gateway = try Gateway(configuration(domain: notFound, [EndpointText("/x/{id}", helloMock)]))
        let json = try gateway.get("/api/none?a=%22&b=\"", ["X-Who: a\"b\\<i>", "Accept: application/*"])
        #expect(json.status == 410)
        #expect(json.text == #"{"code": 4041007, "status": 410, "message": "URL Not Found", "who": "a\"b\\<i>", "uri": "/api/none?a=%22&b=\""}"#)
        #expect(json["Content-Type"] == "application/json" && json["Content-Length"] == "\(json.body.count)")
        #expect(json["X-Code"] == "4041007" && json["X-Who"] == "a\"b\\<i>" && json["X-Path"] == "${path.id}" && json["Vary"] == "Accept")
        #expect(json["Date"] != nil && json["Cache-Control"] == "no-store")
        let html = try gateway.get("/api/none", ["X-Who: '><script>", "Accept: text/html, */*;q=0.1"])
        #expect(html.text == "<p>URL Not Found <a title='&#39;&gt;&lt;script&gt;'>GET /api/none</a>\n")
        #expect(html["Content-Type"] == "text/html")
        // Without a value: as it is written, and a header that comes to nothing is not sent.
        let without = try gateway.get("/api/none")
        #expect(without.text.contains(#""who": "${header.X-Who}""#) && without["X-Who"] == nil)
        let head = try gateway.request("HEAD", "/api/none")
        #expect(head.status == 410 && head.body.isEmpty && head["Content-Length"] == "\(without.body.count)")
        // Other errors of the domain, and those before it is known, are as they were.
        expect(try gateway.get("/api/a%2Fb"), is: .target)
        expect(try gateway.get("/other"), is: .notFound)
        #expect(try gateway.get("/api/x/1").text == "hello")
    }

    @Test("what a refusal says beyond its body stays, unless a header replaces it")
    func rest() throws {
        let responses = lines("""
            responses:
              unauthorized: {status: 403, bodies: {text/plain: "no"}}
              rateLimited: {headers: {Retry-After: "7"}, bodies: {text/plain: "slowly"}}
              badRequest: {bodies: {text/plain: "${error.resultMessage}"}}
            """)
        let cors = "cors: {origins: ['https://app.test']}"
        let gateway = try Gateway(configuration(policies: "\(cors), hmac: {secret: s3cret, clockSkew: 300}", domain: responses, [EndpointText("/**", helloMock)]))
        let refused = try gateway.get("/api/x", ["Origin: https://app.test"])
        #expect(refused.status == 403 && refused.text == "no" && refused["WWW-Authenticate"] == "HMAC")
        #expect(refused["Access-Control-Allow-Origin"] == "https://app.test" && refused["Vary"] == "Origin")

        let limited = try Gateway(configuration(policies: cors, domain: responses, [EndpointText("/**", helloMock + ", rateLimit: [{limit: 1, perSeconds: 60}]")]))
        #expect(try limited.get("/api/x").status == 200)
        let second = try limited.get("/api/x")
        #expect(second.status == 429 && second.text == "slowly" && second.fields.filter { $0.name.lowercased() == "retry-after" }.map(\.value) == ["7"])
        #expect(second["RateLimit"] != nil && second["RateLimit-Policy"] != nil)

        // The connection ends where it would have ended.
        let upstream = try ScriptedUpstream()
        let open = try Gateway(configuration(upstream: upstream.url, domain: responses, [EndpointText("/**")]))
        let client = try open.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        let response = try client.response(to: "POST")
        #expect(response.status == 400 && response["Connection"] == "close" && response["Content-Type"] == "text/plain", "\(response.headText)")
        #expect(client.endsQuietly())

        let removed = lines("responses: {unauthorized: {headers: {WWW-Authenticate: '', Access-Control-Allow-Origin: '*', Vary: X}}}")
        let other = try Gateway(configuration(policies: "\(cors), hmac: {secret: s3cret, clockSkew: 300}", domain: removed, [EndpointText("/**", helloMock)]))
        let bare = try other.get("/api/x", ["Origin: https://app.test"])
        #expect(bare.status == 401 && bare["WWW-Authenticate"] == nil)
        #expect(bare.fields.filter { $0.name.lowercased() == "access-control-allow-origin" }.map(\.value) == ["*"])
        #expect(Set(bare.fields.filter { $0.name.lowercased() == "vary" }.map(\.value)) == ["Origin", "X"])
        #expect(bare.text == #"{"header":{"resultCode":20001,"resultMessage":"20001 HMAC authentication failed (The timestamp field is empty)","isSuccessful":false}}"#)
    }

    @Test("each family: its code and message; a status without a body; problem details tell of the status that is sent")
    func families() throws {
        let text = lines("""
            responses:
              notFound: {status: 404, bodies: {text/plain: "${error.resultCode} ${error.resultMessage}"}}
              forbidden: {status: 204}
              invalidUri: {status: 422}
            """)
        let acl = "ipAcl: {permit: false, addresses: [127.0.0.2/32]}"
        for (family, body) in [("v1", "4041007 URL Not Found"), ("v2", "4041007 URL Not Found"), ("problem", "4041007 URL Not Found")] {
            let gateway = try Gateway(configuration(policies: acl, domain: ["errors: \(family)"] + text, [EndpointText("/x", helloMock)]))
            #expect(try gateway.get("/api/none").text == body)
            let refused = try gateway.get("/api/x", source: "127.0.0.2")
            #expect(refused.status == 204 && refused.body.isEmpty && refused["Content-Length"] == nil && refused["Content-Type"] == nil)
            let target = try gateway.get("/api/a%2Fb")
            #expect(target.status == 422)
            if family == "problem" {
                #expect(target["Content-Type"] == "application/problem+json")
                #expect(target.text == #"{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"Invalid URI.","code":4000003,"error":"invalid_target"}"#)
            } else {
                #expect(target.text.contains("4000003") && target["Content-Type"] == "application/json; charset=utf-8")
            }
        }
    }

    @Test("values cannot make more lines, and are bounded; a static page may be long, over both protocols")
    func bounds() throws {
        let page = String(repeating: "0123456789abcdef", count: 16_384)
        let folder = try Folder()
        try folder.write("page.html", page)
        let responses = lines("""
            responses:
              notFound:
                headers: {X-Query: "$!{header.none} ${queryString.q} $!{header.none}"}
                bodies:
                  text/plain: "[${queryString.q}${queryString.q}${queryString.q}${queryString.q}]"
                  text/html: {file: "\(folder.file("page.html"))"}
            """)
        let (gateway, port) = try Gateway.http2 { configuration(domain: responses, top: $0, [EndpointText("/x", helloMock)]) }
        let long = String(repeating: "v", count: 6000)
        func first(_ target: String, _ fields: [String] = []) throws -> Response {
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send(Gateway.text("GET", target, fields))
            return try client.finalResponse(to: "GET")
        }
        _ = gateway
        #expect(try first("/api/none?q=a%0d%0aSet-Cookie:x=1")["X-Query"] == "a%0d%0aSet-Cookie:x=1")
        let cut = try first("/api/none?q=\(long)")
        #expect(cut.text == "[" + String(repeating: "v", count: 16_384) + "]" && cut["X-Query"] == long)
        #expect(try first("/api/none", ["Accept: text/html"]).text == page)
        // A client that takes little at a time gets the same.
        let second = try FrameClient(port: port, window: 1000)
        second.creditsFrames = true
        #expect(try second.exchange("GET", "/api/none?q=\(long)").text == cut.text)
        #expect(try second.exchange("GET", "/api/none", ["Accept: text/html"]).text == page)
        let head = try second.exchange("HEAD", "/api/none?q=\(long)")
        #expect(head.body.isEmpty && head["content-length"] == "16386")
        #expect(try second.exchange("GET", "/api/x").text == "hello")
    }

    @Test("gRPC calls keep the status of their call; a tunnel that was refused is not opened by 2xx")
    func calls() throws {
        let responses = lines("responses: {notFound: {status: 200, headers: {X: y}, bodies: {text/plain: here}}}")
        let (_, port) = try Gateway.http2 { configuration(domain: responses, top: $0, [EndpointText("/x", helloMock)]) }
        let client = try FrameClient(port: port)
        let call = try client.exchange("POST", "/api/none", ["Content-Type: application/grpc"])
        #expect(call.status == 200 && call["grpc-status"] == "12" && call["x"] == nil && call.body.isEmpty)
        #expect(try client.exchange("GET", "/api/none").text == "here")
        let stream = client.takeStream()
        let fields = FrameClient.head("CONNECT", "/api/none") + [(":protocol", "websocket"), ("sec-websocket-version", "13")]
        try client.socket.send(FrameClient.frames(fields.sorted { $0.name.hasPrefix(":") && !$1.name.hasPrefix(":") }, stream: stream, ends: false).flatMap(\.bytes))
        try client.wait { client[stream].status != nil }
        #expect(client[stream].status == 404)
    }

    @Test("the access log has the refusal, metrics count it, explain shows status and body; check names line and column")
    func records() throws {
        let folder = try Folder()
        let text = configuration(domain: notFound, [EndpointText("/x/{id}", helloMock)])
        let log = folder.file("access.log")
        let gateway = try Gateway(text, folder: folder, environment: ["SLUICE_ACCESS_LOG": log], admin: true)
        let sent = try gateway.get("/api/none", ["X-Who: me"])
        #expect(eventually { (try? String(contentsOfFile: log, encoding: .utf8))?.contains(#""status":410"#) == true })
        let line = try String(contentsOfFile: log, encoding: .utf8)
        #expect(line.contains(#""refusal":"not_found""#) && line.contains(#""responseBytes":\#(sent.body.count)"#), "\(line)")
        #expect(try gateway.get("/metrics", port: gateway.adminPort).text.contains(#"refusal="not_found"} 1"#))
        let explained = try run(["explain", "--config", folder.file("sluice.yaml"), "-H", "X-Who: me", "GET", "/api/none"])
        #expect(explained.output.contains(sent.text) && explained.output.contains("HTTP/1.1 410 Gone") && explained.output.contains("410 4041007 URL Not Found"), "\(explained.everything)")
        let broken = try Folder().write("sluice.yaml", configuration(domain: lines("responses: {notFound: {bodies: {text/plain: 'a ${nothing}'}}}"), [EndpointText("/x", helloMock)]))
        let checked = try run(["check", broken])
        #expect(checked.code == 1 && checked.errors.contains("the unknown variable \"nothing\" at line 1, column 3 of the text"), "\(checked.everything)")
        #expect(checked.errors.contains(":7:"), "\(checked.errors)")
    }

    @Test("errors of upstreams and of bodies, of pre-calls and of maintenance")
    func others() throws {
        let responses = lines("""
            responses:
              badGateway: {status: 503, bodies: {text/plain: "${error.resultCode}"}}
              badRequest: {bodies: {text/plain: "${response.httpStatus} ${error.resultCode}"}}
              preApiFailed: {bodies: {text/plain: "pre"}}
            """)
        let gateway = try Gateway(configuration(
            upstream: "http://127.0.0.1:\(try Ports.free())", domain: responses,
            [EndpointText("/pre", helloMock + ", preCall: {method: GET, url: \"http://127.0.0.1:\(try Ports.free())/\"}"), EndpointText("/**")]),
            environment: ["SLUICE_MAX_BODY_BYTES": "1024"])
        let bad = try gateway.get("/api/x")
        #expect(bad.status == 503 && bad.text == "5020001")
        let large = try gateway.request("POST", "/api/x", ["Content-Length: 2000", "Expect: 100-continue"])
        #expect(large.status == 413 && large.text == "413 4131000" && large["Connection"] == "close")
        #expect(try gateway.get("/api/pre").text == "pre")
    }

    @Test("a reload changes them")
    func reload() throws {
        let text = { (word: String) in configuration(domain: ["responses: {notFound: {bodies: {text/plain: '\(word) ${uriPath}'}}}"], [EndpointText("/x", helloMock)]) }
        let gateway = try Gateway(text("one"))
        #expect(try gateway.get("/api/a").text == "one /api/a")
        try gateway.reload(text("two"))
        #expect(eventually { (try? gateway.get("/api/a").text) == "two /api/a" })
    }

    @Test("with the smallest heads too, a long page of an error is sent whole")
    func smallHeads() throws {
        let page = String(repeating: "0123456789abcdef", count: 8192)
        let folder = try Folder()
        try folder.write("page.html", page)
        let fields = (0..<6).map { "X-\($0): '" + String(repeating: "v", count: 2000) + "'" }.joined(separator: ", ")
        let responses = lines("responses: {notFound: {headers: {\(fields)}, bodies: {text/html: {file: page.html}}}}")
        let gateway = try Gateway(configuration(domain: responses, [EndpointText("/x", helloMock)]), folder: folder, environment: ["SLUICE_MAX_HEAD_BYTES": "1024"])
        let response = try gateway.get("/api/none")
        #expect(response.status == 404 && response.text == page && response["X-5"]?.count == 2000)
    }

    @Test("kinds of JSON and XML that are no single document are escaped like them")
    func kinds() throws {
        let responses = lines("""
            responses: {notFound: {bodies: {application/x-ndjson: '{"a": "$!{header.X}"}', application/xml-external-parsed-entity: '<a b="$!{header.X}"/>'}}}
            """)
        let gateway = try Gateway(configuration(domain: responses, [EndpointText("/x", helloMock)]))
        #expect(try gateway.get("/api/none", ["Accept: application/x-ndjson", "X: \"b"]).text == #"{"a": "\"b"}"#)
        #expect(try gateway.get("/api/none", ["Accept: application/xml-external-parsed-entity", "X: \"<b"]).text == #"<a b="&quot;&lt;b"/>"#)
    }
}
