import Testing

/// The harness itself, so that a failure elsewhere is the gateway's.
@Suite("Harness", .loopback, .minutes(5))
struct HarnessTests {
    @Test("a scripted upstream records the exact bytes and answers by its script; chunks and trailers are read")
    func scriptedUpstream() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")
        }
        let client = try RawClient(port: upstream.port)
        let text = "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        try client.send(text, inPiecesOf: 7)
        let response = try client.response(to: "POST")
        #expect(response.status == 200 && response.text == "hello" && response.trailers["x-sum"] == "7")
        let request = try upstream.onlyRequest()
        #expect(request.head + request.rawBody == [UInt8](text.utf8))
        #expect(request.target == "/a?b" && request.text == "abc" && request.connection == 1)
        #expect(try client.exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n").text == "hello")
        #expect(upstream.acceptedConnections == 1 && upstream.requests.count == 2)
    }

    @Test("nginx starts, answers and ends with the test")
    func nginx() throws {
        let nginx = try Nginx("location / { return 200 \"$request_method $request_uri\"; }")
        let client = try RawClient(port: nginx.port)
        #expect(try client.exchange("GET /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n").text == "GET /x?y=1")
    }

    @Test("openssl gives the MAC of RFC 4231, test case 2")
    func opensslVector() throws {
        let mac = try OpenSSL.hmac(key: "Jefe", "what do ya want for nothing?")
        #expect(mac.map { String($0, radix: 16) }.joined().hasPrefix("5bdcc146bf60754e6a"))
    }

    @Test("a command that runs too long is ended and reported")
    func boundedCommand() throws {
        #expect(throws: HarnessError.self) { try command(["sleep", "30"], seconds: 0.1) }
        let result = try command(["sh", "-c", "cat; echo err >&2; exit 3"], input: [104, 105])
        #expect(result.code == 3 && result.output == "hi" && result.errors == "err\n")
    }

    @Test("certificates of a private authority: nginx serves one, curl verifies it")
    func certificates() throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("good", for: ["localhost", "127.0.0.1"], in: folder)
        let nginx = try Nginx(
            listen: "ssl", "ssl_certificate \(folder.file("good.pem")); ssl_certificate_key \(folder.file("good.key")); location / { return 200 \"yes\"; }")
        for host in ["localhost", "127.0.0.1"] {
            let result = try command(["curl", "-sS", "-m", "5", "--noproxy", "*", "--cacert", folder.file("ca.pem"), "https://\(host):\(nginx.port)/"])
            #expect(result.output == "yes", "\(result.errors)")
        }
    }

    @Test("a key set carries the whole modulus; a signature verifies with the public key")
    func keys() throws {
        let key = try OpenSSL.rsaKey()
        #expect(try OpenSSL.modulus(of: key).count == 342)
        let folder = try Folder()
        try folder.write("public.pem", OpenSSL.publicKey(of: key))
        let token = try Signing.rs256("{}", privateKey: key, kid: "one").split(separator: ".").map(String.init)
        #expect(token.count == 3)
        try folder.write("signature", OpenSSL.sign("\(token[0]).\(token[1])", privateKey: key))
        let result = try command(
            ["openssl", "dgst", "-sha256", "-verify", folder.file("public.pem"), "-signature", folder.file("signature")],
            input: [UInt8]("\(token[0]).\(token[1])".utf8))
        #expect(result.code == 0)
    }
}
