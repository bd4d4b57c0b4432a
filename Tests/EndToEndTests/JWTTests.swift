import Foundation
import Synchronization
import Testing

/// The JWT policy against tokens of the `openssl` program, and against those of `sluice token`.
@Suite("JWT", .loopback, .minutes(5))
struct JWTTests {
    private let soon = #""exp":\#(Signing.epoch() + 3600)"#

    private func gateway(
        _ policy: String, upstream: String = "http://127.0.0.1:9", mock: Bool = true, folder: Folder? = nil, environment: [String: String] = [:]
    ) throws -> Gateway {
        try Gateway(
            configuration(upstream: upstream, policies: "jwt: {\(policy)}", [EndpointText("/**", mock ? helloMock : "")]), folder: folder,
            environment: environment)
    }

    private func expectVerdict(_ gateway: Gateway, _ token: String, _ row: RefusalRow?, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let response = try gateway.get("/api/x", ["Authorization: Bearer \(token)"])
        if let row {
            expect(response, is: row, sourceLocation: sourceLocation)
        } else {
            #expect(response.text == "hello", sourceLocation: sourceLocation)
        }
    }

    @Test("a key set that is being fetched does not keep the process from ending")
    func endWhileFetching() throws {
        let asked = Flag()
        let keys = try ScriptedUpstream { _ in
            asked.set()
            sleep(60)
        }
        let gateway = try Gateway(
            configuration(policies: "jwt: {algorithm: RS256, jwks: \"\(keys.url)/jwks\"}", [EndpointText("/**", helloMock)]),
            environment: ["SLUICE_KEY_SET_FETCH_TIMEOUT_MS": "60000"])
        #expect(eventually { asked.isSet })
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
        #expect(!gateway.log.contains("cannot be fetched"), "\(gateway.log)")
    }

    @Test("HS256: with Bearer, in any case, and bare")
    func forms() throws {
        let gateway = try gateway("algorithm: HS256, secret: s3cret")
        let token = try Signing.hs256("{\(soon)}", secret: "s3cret")
        for value in ["Bearer \(token)", "bearer \(token)", token] {
            #expect(try gateway.get("/api/x", ["Authorization: \(value)"]).status == 200, "\(value)")
        }
        for value in ["Basic \(token)", "Bearer \(token) x", "Bearer \(token)."] {
            expect(try gateway.get("/api/x", ["Authorization: \(value)"]), is: .jwtInvalid)
        }
    }

    @Test("the algorithm comes from the configuration, never from the token")
    func algorithm() throws {
        let key = try OpenSSL.rsaKey()
        let publicKey = try OpenSSL.publicKey(of: key)
        let folder = try Folder()
        try folder.write("public.pem", publicKey)
        let gateway = try gateway("algorithm: RS256, publicKey: {file: \"\(folder.file("public.pem"))\"}")
        try expectVerdict(gateway, Signing.rs256("{\(soon)}", privateKey: key), nil)
        // The classical confusion: the public key's text as the secret of an HMAC.
        try expectVerdict(gateway, Signing.hs256("{\(soon)}", secret: publicKey), .jwtInvalid)
        let none = OpenSSL.base64url([UInt8](#"{"alg":"none"}"#.utf8)) + "." + OpenSSL.base64url([UInt8]("{\(soon)}".utf8)) + "."
        try expectVerdict(gateway, none, .jwtInvalid)
        try expectVerdict(gateway, Signing.rs256("{\(soon)}", privateKey: OpenSSL.rsaKey()), .jwtInvalid)
        let expired = try Signing.rs256(#"{"exp":\#(Signing.epoch() - 120)}"#, privateKey: key)
        try expectVerdict(gateway, expired, .jwtExpired)
    }

    @Test("time claims: exp is required unless optional, leeway both ways, numbers only")
    func timeClaims() throws {
        let gateway = try gateway("algorithm: HS256, secret: s3cret, clockSkew: 30")
        let now = Signing.epoch()
        let cases: [(String, RefusalRow?)] = [
            (#"{"exp":\#(now - 20)}"#, nil), (#"{"exp":\#(now - 40)}"#, .jwtExpired), (#"{"exp":\#(now + 60).5}"#, nil),
            (#"{}"#, .jwtInvalid), (#"{"exp":"\#(now + 60)"}"#, .jwtInvalid), (#"{"exp":null}"#, .jwtInvalid),
            (#"{\#(soon),"nbf":\#(now + 20)}"#, nil), (#"{\#(soon),"nbf":\#(now + 60)}"#, .jwtInvalid), (#"{\#(soon),"nbf":"x"}"#, .jwtInvalid),
            (#"{\#(soon),"iat":\#(now + 600)}"#, nil), (#"{\#(soon),"iat":"\#(now)"}"#, .jwtInvalid), (#"{\#(soon),"iat":null}"#, .jwtInvalid),
        ]
        for (payload, row) in cases { try expectVerdict(gateway, Signing.hs256(payload, secret: "s3cret"), row) }
        let optional = try self.gateway("algorithm: HS256, secret: s3cret, expiry: optional")
        try expectVerdict(optional, Signing.hs256("{}", secret: "s3cret"), nil)
        try expectVerdict(optional, Signing.hs256(#"{"exp":\#(now - 60)}"#, secret: "s3cret"), .jwtExpired)
    }

    @Test("issuer, audience and claim conditions")
    func claims() throws {
        let gateway = try gateway(
            "algorithm: HS256, secret: s3cret, issuer: idp, audience: [orders, billing], claims: [{name: scope, oneOf: [read, write]}, {name: tenant, equals: a}, {name: sub, present: true}]")
        let base = #"\#(soon),"iss":"idp","scope":"read","tenant":"a","sub":"u1""#
        let cases: [(String, RefusalRow?)] = [
            (#"{\#(base),"aud":"orders"}"#, nil), (#"{\#(base),"aud":["x","billing"]}"#, nil), (#"{\#(base),"aud":"x"}"#, .jwtInvalid),
            (#"{\#(base)}"#, .jwtInvalid),
            (#"{\#(soon),"iss":"idp2","aud":"orders","scope":"read","tenant":"a","sub":"u1"}"#, .jwtInvalid),
            (#"{\#(soon),"iss":"idp","aud":"orders","scope":"admin","tenant":"a","sub":"u1"}"#, .jwtInvalid),
            (#"{\#(soon),"iss":"idp","aud":"orders","scope":"write","tenant":"b","sub":"u1"}"#, .jwtInvalid),
            (#"{\#(soon),"iss":"idp","aud":"orders","scope":"write","tenant":"a"}"#, .jwtInvalid),
        ]
        for (payload, row) in cases { try expectVerdict(gateway, Signing.hs256(payload, secret: "s3cret"), row) }
    }

    @Test("crit, b64:false, duplicate keys at any depth, rubbish and non-canonical base64url are refused")
    func strictness() throws {
        let gateway = try gateway("algorithm: HS256, secret: s3cret")
        let headers = [
            #"{"alg":"HS256","crit":["x"],"x":1}"#, #"{"alg":"HS256","b64":false}"#, #"{"alg":"HS256","alg":"HS256"}"#, #"{"alg":"RS256"}"#, "[]", "{",
        ]
        for header in headers { try expectVerdict(gateway, Signing.hs256("{\(soon)}", secret: "s3cret", header: header), .jwtInvalid) }
        let payloads = [#"{\#(soon),\#(soon)}"#, #"{\#(soon),"a":{"b":[{"c":1,"c":2}]}}"#, #"{\#(soon),"sub":"a","s\u0075b":"b"}"#, "{\(soon)} x", "3"]
        for payload in payloads { try expectVerdict(gateway, Signing.hs256(payload, secret: "s3cret"), .jwtInvalid) }
        // 32 bytes are 43 characters; the last carries 2 unused bits. Another last character with the same 4 bits decodes alike.
        let token = try Signing.hs256("{\(soon)}", secret: "s3cret")
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let last = alphabet.firstIndex(of: token.last!)!
        try expectVerdict(gateway, String(token.dropLast()) + String(alphabet[last + 1]), .jwtInvalid)
        try expectVerdict(gateway, token + "=", .jwtInvalid)
    }

    @Test("forwarded claims reach the upstream; the same fields from the client do not")
    func forwardedClaims() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try gateway("algorithm: HS256, secret: s3cret, forward: {sub: X-User, n: X-Number}", upstream: upstream.url, mock: false)
        let token = try Signing.hs256(#"{\#(soon),"sub":"alice","n":7}"#, secret: "s3cret")
        #expect(try gateway.get("/api/x", ["Authorization: Bearer \(token)", "X-User: mallory", "x-user: m2"]).status == 200)
        #expect(try upstream.onlyRequest().values("X-User") == ["alice"])
        #expect(try upstream.onlyRequest().values("X-Number") == ["7"])
        let absent = try Signing.hs256("{\(soon)}", secret: "s3cret")
        #expect(try gateway.get("/api/x", ["Authorization: Bearer \(absent)", "X-User: mallory"]).status == 200)
        #expect(upstream.requests.last?.values("X-User") == [])
    }

    @Test("a header change of the endpoint replaces or removes a forwarded claim, as it does any other field")
    func changedClaims() throws {
        let upstream = try ScriptedUpstream()
        let headers = "headers: {request: {set: {x-user: fixed}, remove: [X-Number]}}"
        let gateway = try Gateway(configuration(
            upstream: upstream.url, policies: "jwt: {algorithm: HS256, secret: s3cret, forward: {sub: X-User, n: X-Number, r: X-Role}}", [EndpointText("/**", headers)]))
        let token = try Signing.hs256(#"{\#(soon),"sub":"alice","n":7,"r":"reader"}"#, secret: "s3cret")
        #expect(try gateway.get("/api/x", ["Authorization: Bearer \(token)"]).status == 200)
        #expect(try upstream.onlyRequest().values("X-User") == ["fixed"])
        #expect(try upstream.onlyRequest().values("X-Number") == [])
        #expect(try upstream.onlyRequest().values("X-Role") == ["reader"])
    }

    @Test("a claim that would end a field line is never written into one")
    func claimInjection() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try gateway("algorithm: HS256, secret: s3cret, forward: {sub: X-User}", upstream: upstream.url, mock: false)
        let token = try Signing.hs256(#"{\#(soon),"sub":"a\r\nX-Admin: 1"}"#, secret: "s3cret")
        _ = try gateway.get("/api/x", ["Authorization: Bearer \(token)"])
        #expect(upstream.requests.allSatisfy { $0["X-Admin"] == nil && !$0.headText.contains("X-Admin: 1\r\n") })
    }

    @Test("JWKS from a file: by kid; a token without kid is tried against each key")
    func jwksFile() throws {
        let (one, two) = (try OpenSSL.rsaKey(), try OpenSSL.rsaKey())
        let folder = try Folder()
        try folder.write("jwks.json", Signing.jwks([("one", one), ("two", two)]))
        let gateway = try gateway("algorithm: RS256, jwks: \"\(folder.file("jwks.json"))\"")
        try expectVerdict(gateway, Signing.rs256("{\(soon)}", privateKey: one, kid: "one"), nil)
        try expectVerdict(gateway, Signing.rs256("{\(soon)}", privateKey: two, kid: "two"), nil)
        try expectVerdict(gateway, Signing.rs256("{\(soon)}", privateKey: two), nil)
        try expectVerdict(gateway, Signing.rs256("{\(soon)}", privateKey: two, kid: "one"), .jwtInvalid)
        try expectVerdict(gateway, Signing.rs256("{\(soon)}", privateKey: two, kid: "three"), .jwtInvalid)
    }

    @Test("JWKS from a file: read again after SLUICE_KEY_SET_REFRESH_SECONDS, the first time too; a key that is gone is refused then")
    func jwksFileChanges() throws {
        let (one, two) = (try OpenSSL.rsaKey(), try OpenSSL.rsaKey())
        let folder = try Folder()
        try folder.write("jwks.json", Signing.jwks([("one", one), ("two", two)]))
        let gateway = try gateway(
            "algorithm: RS256, jwks: \"\(folder.file("jwks.json"))\"", environment: ["SLUICE_KEY_SET_REFRESH_SECONDS": "10"])
        let token = try Signing.rs256("{\(soon)}", privateKey: one, kid: "one")
        try expectVerdict(gateway, token, nil)
        try folder.write("jwks.json", Signing.jwks([("two", two)]))
        #expect(try eventually(within: 14) {
            pause(0.1)
            return try gateway.get("/api/x", ["Authorization: Bearer \(token)"]).status == 401
        })
    }

    @Test("JWKS from a URI: cached; an unknown kid triggers one fetch; the old set works while the URI is down")
    func jwksURI() throws {
        let (one, two) = (try OpenSSL.rsaKey(), try OpenSSL.rsaKey())
        let (first, second) = (try Signing.jwks([("one", one)]), try Signing.jwks([("one", one), ("two", two)]))
        let rotated = Flag()
        let provider = try ScriptedUpstream { try $0.reply(200, ["Content-Type: application/json"], body: rotated.isSet ? second : first) }
        let gateway = try gateway("algorithm: RS256, jwks: \"\(provider.url)/jwks.json\"")
        let old = try Signing.rs256("{\(soon)}", privateKey: one, kid: "one")
        let new = try Signing.rs256("{\(soon)}", privateKey: two, kid: "two")
        #expect(try eventually { try gateway.get("/api/x", ["Authorization: Bearer \(old)"]).status == 200 })
        let fetches = provider.requests.count
        let fetch = try provider.request(0)
        #expect(fetch.target == "/jwks.json" && fetch.method == "GET")
        for _ in 0..<10 { try expectVerdict(gateway, old, nil) }
        #expect(provider.requests.count == fetches, "the set is cached")
        rotated.set()
        // The start's own fetch counts towards one per 10 s.
        let accepted = try eventually(within: 14) {
            pause(0.1)
            return try gateway.get("/api/x", ["Authorization: Bearer \(new)"]).status == 200
        }
        #expect(accepted)
        #expect(provider.requests.count <= fetches + 2, "\(provider.requests.count) fetches")
        provider.stop()
        try expectVerdict(gateway, old, nil)
        try expectVerdict(gateway, Signing.rs256("{\(soon)}", privateKey: two, kid: "three"), .jwtInvalid)
        try expectVerdict(gateway, new, nil)
    }

    @Test("a key that the JWKS URI takes away is refused at the next fetch, also where no key is left; while it answers an error, none is")
    func jwksRevoked() throws {
        let key = try OpenSSL.rsaKey()
        let document = try Signing.jwks([("one", key)])
        let (isDown, isEmpty) = (Flag(), Flag())
        let provider = try ScriptedUpstream { call in
            if isEmpty.isSet { return try call.reply(200, body: #"{"keys":[]}"#) }
            if isDown.isSet { return try call.reply(301, ["Location: https://idp.example.com/"], body: "") }
            try call.reply(200, body: document)
        }
        let gateway = try gateway("algorithm: RS256, jwks: \"\(provider.url)/\"", environment: ["SLUICE_KEY_SET_REFRESH_SECONDS": "10"])
        let token = try Signing.rs256("{\(soon)}", privateKey: key, kid: "one")
        func status() throws -> Int { try gateway.get("/api/x", ["Authorization: Bearer \(token)"]).status }
        #expect(try eventually { try status() == 200 })
        isDown.set()
        #expect(eventually(within: 20) { gateway.log.contains("status 301, and redirects are not followed") }, "\(gateway.log)")
        #expect(try status() == 200)
        isEmpty.set()
        // The next attempts follow after 1, 2 and 4 s.
        #expect(try eventually(within: 20) {
            pause(0.1)
            return try status() == 401
        })
        try expectVerdict(gateway, token, .jwtInvalid)
    }

    @Test("a JWKS file is read again at a reload: a key that is gone is refused, and a file that is not a set refuses the reload")
    func jwksFileReloaded() throws {
        let (one, two) = (try OpenSSL.rsaKey(), try OpenSSL.rsaKey())
        let folder = try Folder()
        try folder.write("jwks.json", Signing.jwks([("one", one), ("two", two)]))
        let gateway = try gateway("algorithm: RS256, jwks: \"\(folder.file("jwks.json"))\"")
        let tokens = [try Signing.rs256("{\(soon)}", privateKey: one, kid: "one"), try Signing.rs256("{\(soon)}", privateKey: two, kid: "two")]
        func statuses() throws -> [Int] { try tokens.map { try gateway.get("/api/x", ["Authorization: Bearer \($0)"]).status } }
        #expect(try statuses() == [200, 200])
        try folder.write("jwks.json", Signing.jwks([("two", two)]))
        gateway.process.signal(SIGHUP)
        #expect(try eventually { try statuses() == [401, 200] })
        try folder.write("jwks.json", "no set")
        gateway.process.signal(SIGHUP)
        #expect(eventually { gateway.log.contains("reload refused") && gateway.log.contains("not a JSON Web Key Set") }, "\(gateway.log)")
        #expect(try statuses() == [401, 200])
        try folder.write("jwks.json", #"{"keys":[]}"#)
        gateway.process.signal(SIGHUP)
        #expect(try eventually { try statuses() == [401, 401] })
    }

    @Test("SLUICE_READY_WAIT_MS: /readyz waits for the first key set, and no longer than that", arguments: [(60_000, false), (300, true), (0, true)])
    func readyWait(milliseconds: Int, isReady: Bool) throws {
        let key = try OpenSSL.rsaKey()
        let document = try Signing.jwks([("one", key)])
        let answers = Flag()
        let provider = try ScriptedUpstream { call in
            while !answers.isSet { usleep(10_000) }
            try call.reply(200, body: document)
        }
        let adminPort = try Ports.free()
        let gateway = try gateway(
            "algorithm: RS256, jwks: \"\(provider.url)/\"",
            environment: ["SLUICE_READY_WAIT_MS": "\(milliseconds)", "SLUICE_ADMIN_LISTEN": "127.0.0.1:\(adminPort)"])
        func status() throws -> Int { try gateway.get("/readyz", port: adminPort).status }
        if isReady {
            #expect(try eventually { try status() == 200 })
        } else {
            pause(1)
            #expect(try status() == 503)
        }
        answers.set()
        #expect(try eventually(within: 20) { try status() == 200 })
    }

    @Test("a gateway starts while the JWKS URI is down, says so in its log, refuses, and accepts once it is up")
    func jwksURILate() throws {
        let key = try OpenSSL.rsaKey()
        let port = try Ports.free()
        let gateway = try gateway("algorithm: RS256, jwks: \"http://127.0.0.1:\(port)/jwks.json?key=hunter2\"")
        let token = try Signing.rs256("{\(soon)}", privateKey: key, kid: "one")
        try expectVerdict(gateway, token, .jwtInvalid)
        #expect(eventually { gateway.log.contains("jwks=http://127.0.0.1:\(port)/jwks.json [") && gateway.log.contains("cannot be fetched") }, "\(gateway.log)")
        let document = try Signing.jwks([("one", key)])
        let provider = try ScriptedUpstream(port: port) { try $0.reply(200, body: document) }
        // The next attempts come after 1, 2 and 4 s.
        #expect(try eventually(within: 9) {
            pause(0.1)
            return try gateway.get("/api/x", ["Authorization: Bearer \(token)"]).status == 200
        })
        #expect(provider.requests.count >= 1)
        #expect(eventually { gateway.log.contains("can be fetched again") } && !gateway.log.contains("hunter2"), "\(gateway.log)")
    }

    @Test("sluice token prints a token that the gateway accepts: HS256, and RS256 with the private key")
    func tokenCommand() throws {
        let upstream = try ScriptedUpstream()
        let hs = try gateway("algorithm: HS256, secret: s3cret, issuer: idp, audience: [orders], forward: {role: X-Role}", upstream: upstream.url, mock: false)
        let result = try run(["token", "--config", hs.folder.file("sluice.yaml"), "--domain", "api", "--claim", "role=admin"])
        #expect(result.code == 0 && !result.everything.contains("s3cret"), "\(result.errors)")
        let token = result.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let response = try hs.get("/api/x", ["Authorization: Bearer \(token)"])
        #expect(response.status == 200, "\(response.text)")
        #expect(upstream.requests.last?["X-Role"] == "admin")

        let key = try OpenSSL.rsaKey()
        let folder = try Folder()
        try folder.write("private.pem", key)
        try folder.write("public.pem", OpenSSL.publicKey(of: key))
        let rs = try gateway("algorithm: RS256, publicKey: {file: \"\(folder.file("public.pem"))\"}")
        let signed = try run(["token", "--config", rs.folder.file("sluice.yaml"), "--domain", "api", "--private-key", folder.file("private.pem")])
        #expect(signed.code == 0, "\(signed.errors)")
        try expectVerdict(rs, signed.output.trimmingCharacters(in: .whitespacesAndNewlines), nil)
    }
}
