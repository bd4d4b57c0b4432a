import Foundation
import Testing

/// The HMAC policy against signatures of the `openssl` program, and against those of `sluice sign`.
@Suite("HMAC", .loopback, .minutes(5))
struct HMACTests {
    private func gateway(_ policy: String) throws -> Gateway {
        try Gateway(configuration(policies: "hmac: {\(policy)}", [EndpointText("/**", helloMock)]))
    }

    @Test("compact form: a good signature passes; another method, target, time or secret does not")
    func compact() throws {
        let gateway = try gateway("secret: s3cret, clockSkew: 300")
        let now = Signing.timestamp()
        let good = try Signing.compact("GET", "/api/x?b=2&a=1", secret: "s3cret", at: now)
        #expect(try gateway.get("/api/x?b=2&a=1", good).text == "hello")
        expect(try gateway.get("/api/x?a=1&b=2", good), is: .hmacInvalid)
        expect(try gateway.get("/api/x", good), is: .hmacInvalid)
        expect(try gateway.request("POST", "/api/x?b=2&a=1", good, body: ""), is: .hmacInvalid)
        expect(try gateway.get("/api/x", Signing.compact("GET", "/api/x", secret: "S3cret")), is: .hmacInvalid)
        let later = ["X-TC-Timestamp: \(Signing.timestamp(-100))", good[1]]
        expect(try gateway.get("/api/x?b=2&a=1", later), is: .hmacInvalid)
    }

    @Test("the target is signed as sent, byte for byte, not as normalised", arguments: ["/api/%7ex", "/api/a/./b", "/api/a%2db?q=%2f", "/api/x?"])
    func targetAsSent(target: String) throws {
        let gateway = try gateway("secret: s3cret, clockSkew: 300")
        #expect(try gateway.get(target, Signing.compact("GET", target, secret: "s3cret")).text == "hello")
    }

    @Test("timestamps in UTC and with both zone forms pass; others are the wrong format")
    func timestampForms() throws {
        let gateway = try gateway("secret: s3cret, clockSkew: 300")
        let good = [
            Signing.timestamp(), Signing.timestamp(zone: "+09:00", zoneSeconds: 32_400), Signing.timestamp(zone: "+0900", zoneSeconds: 32_400),
            Signing.timestamp(zone: "-03:30", zoneSeconds: -12_600),
        ]
        for time in good {
            #expect(try gateway.get("/api/x", Signing.compact("GET", "/api/x", secret: "s3cret", at: time)).status == 200, "\(time)")
        }
        let now = Signing.timestamp(zone: "")
        for time in [now, now + "+09", now + "z9", now + "+09:0", now + ".5Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01 00:00:00Z"] {
            expect(try gateway.get("/api/x", ["X-TC-Timestamp: \(time)", "Authorization: x"]), is: .hmacFormat)
        }
    }

    @Test("clock skew holds in both directions; 0 turns the check off")
    func clockSkew() throws {
        let strict = try gateway("secret: s3cret, clockSkew: 60")
        for seconds in [-50.0, 50] {
            #expect(try strict.get("/api/x", Signing.compact("GET", "/api/x", secret: "s3cret", at: Signing.timestamp(seconds))).status == 200)
        }
        for seconds in [-70.0, 70] {
            expect(try strict.get("/api/x", Signing.compact("GET", "/api/x", secret: "s3cret", at: Signing.timestamp(seconds))), is: .hmacExpired)
        }
        let off = try gateway("secret: s3cret, clockSkew: 0")
        #expect(try off.get("/api/x", Signing.compact("GET", "/api/x", secret: "s3cret", at: "2001-01-01T00:00:00Z")).status == 200)
    }

    @Test("named form: listed headers that are present are signed in the listed order, several values joined by a comma")
    func named() throws {
        let gateway = try gateway("secret: s3cret, clockSkew: 300")
        let now = Signing.timestamp()
        let authorization = try Signing.named(
            "GET", "/api/x", secret: "s3cret", at: now, headers: "host,x-nhn-client-id,x-absent,x-many",
            lines: ["host:gateway.test", "x-nhn-client-id:one", "x-many:a,b"])
        let fields = ["x-nhn-date: \(now)", "X-NHN-Client-Id: one", "X-Many: a", "X-Many: b", authorization]
        #expect(try gateway.get("/api/x", fields).text == "hello")
        expect(try gateway.get("/api/x", ["x-nhn-date: \(now)", "X-NHN-Client-Id: two", "X-Many: a", "X-Many: b", authorization]), is: .hmacInvalid)
        expect(try gateway.get("/api/x", ["X-NHN-Client-Id: one", authorization]), is: .hmacNoTimestamp)
        let signature = authorization.components(separatedBy: "signature=")[1]
        let reordered = "Authorization: hmac signature=\(signature) ,headers=\"host,x-nhn-client-id,x-absent,x-many\",algorithm=\"HmacSHA256\""
        #expect(try gateway.get("/api/x", fields.dropLast() + [reordered]).text == "hello", "parameters come in any order")
        for broken in ["hmac algorithm=HmacSHA256, headers=\"host\", signature=\(signature)", "hmac", "hmac algorithm=\"HmacMD5\", headers=\"host\", signature=\(signature)"] {
            expect(try gateway.get("/api/x", fields.dropLast() + ["Authorization: " + broken]), is: .hmacInvalid)
        }
    }

    @Test("required headers must be listed and present")
    func requiredHeaders() throws {
        let gateway = try gateway("secret: s3cret, clockSkew: 300, requiredHeaders: [x-nhn-client-id]")
        let now = Signing.timestamp()
        let full = try Signing.named("GET", "/api/x", secret: "s3cret", at: now, headers: "x-nhn-client-id", lines: ["x-nhn-client-id:one"])
        #expect(try gateway.get("/api/x", ["x-nhn-date: \(now)", "x-nhn-client-id: one", full]).status == 200)
        let absent = try Signing.named("GET", "/api/x", secret: "s3cret", at: now, headers: "x-nhn-client-id", lines: [])
        expect(try gateway.get("/api/x", ["x-nhn-date: \(now)", absent]), is: .hmacInvalid)
        let unlisted = try Signing.named("GET", "/api/x", secret: "s3cret", at: now, headers: "host", lines: ["host:gateway.test"])
        expect(try gateway.get("/api/x", ["x-nhn-date: \(now)", "x-nhn-client-id: one", unlisted]), is: .hmacInvalid)
    }

    @Test("HmacSHA1 only where the configuration allows it")
    func sha1() throws {
        let now = Signing.timestamp()
        let sha1 = try Signing.named("GET", "/api/x", secret: "s3cret", at: now, algorithm: "HmacSHA1", headers: "host", lines: ["host:gateway.test"])
        let without = try gateway("secret: s3cret, clockSkew: 300")
        expect(try without.get("/api/x", ["x-nhn-date: \(now)", sha1]), is: .hmacInvalid)
        let with = try gateway("secret: s3cret, clockSkew: 300, algorithms: [HmacSHA1, HmacSHA256]")
        #expect(try with.get("/api/x", ["x-nhn-date: \(now)", sha1]).status == 200)
        #expect(try with.get("/api/x", Signing.compact("GET", "/api/x", secret: "s3cret")).status == 200)
    }

    @Test("replay protection: a signature passes once, whichever worker sees it again")
    func replay() throws {
        let gateway = try gateway("secret: s3cret, clockSkew: 300, replayProtection: true")
        let fields = try Signing.compact("GET", "/api/x", secret: "s3cret")
        #expect(try gateway.get("/api/x", fields).status == 200)
        for _ in 0..<8 { expect(try gateway.get("/api/x", fields), is: .hmacInvalid) }
        #expect(try gateway.get("/api/y", Signing.compact("GET", "/api/y", secret: "s3cret")).status == 200)
    }

    @Test("replay protection: what passed before is refused after a reload, with another capacity and after a restart, and the access log says why")
    func replayAfterRestart() throws {
        let folder = try Folder()
        func text(_ capacity: String) -> String {
            configuration(policies: "hmac: {secret: s3cret, clockSkew: 300, replayProtection: true\(capacity)}", [EndpointText("/**", helloMock)])
        }
        func log() throws -> String { try String(contentsOfFile: folder.file("access.log"), encoding: .utf8) }
        let environment = ["SLUICE_ACCESS_LOG": folder.file("access.log")]
        let fields: [String]
        do {
            let gateway = try Gateway(text(""), folder: folder, environment: environment)
            fields = try Signing.compact("GET", "/api/x", secret: "s3cret")
            #expect(try gateway.get("/api/x", fields).status == 200)
            for capacity in ["", ", replayCapacity: 64", ", replayCapacity: 16777216"] {
                let before = gateway.log.components(separatedBy: "reloaded").count
                try gateway.reload(text(capacity))
                #expect(eventually { gateway.log.components(separatedBy: "reloaded").count > before })
                expect(try gateway.get("/api/x", fields), is: .hmacInvalid)
            }
            #expect(try eventually { try log().contains(#""detail":"replayed""#) })
            gateway.process.signal(SIGKILL)
            _ = gateway.process.waitForExit(5)
        }
        let gateway = try Gateway(text(""), folder: folder, environment: environment)
        expect(try gateway.get("/api/x", fields), is: .hmacInvalid)
        // What is signed now is taken, at the very first moment.
        #expect(try gateway.get("/api/y", Signing.compact("GET", "/api/y", secret: "s3cret")).status == 200)
        #expect(try eventually { try log().contains(#""detail":"signed before replay protection began""#) })
        #expect(gateway.log.contains("replay protection starts now"))
    }

    @Test("a secret from the environment and one from a file")
    func secretSources() throws {
        let folder = try Folder()
        try folder.write("secret", "from-file\n")
        let file = try Gateway(
            configuration(policies: "hmac: {secret: {file: \"\(folder.file("secret"))\"}, clockSkew: 300}", [EndpointText("/**", helloMock)]))
        #expect(try file.get("/api/x", Signing.compact("GET", "/api/x", secret: "from-file")).status == 200)
        let variable = try Gateway(
            configuration(policies: "hmac: {secret: {env: ORDERS_SECRET}, clockSkew: 300}", [EndpointText("/**", helloMock)]),
            environment: ["ORDERS_SECRET": "from-environment"])
        #expect(try variable.get("/api/x", Signing.compact("GET", "/api/x", secret: "from-environment")).status == 200)
    }

    @Test("sluice sign prints lines that the gateway accepts", arguments: ["", ", requiredHeaders: [host]"])
    func signCommand(more: String) throws {
        let gateway = try gateway("secret: s3cret, clockSkew: 300" + more)
        let result = try run(["sign", "--config", gateway.folder.file("sluice.yaml"), "--domain", "api", "GET", "/api/x?y=1"])
        #expect(result.code == 0 && !result.everything.contains("s3cret"), "\(result.errors)")
        let lines = result.output.split(separator: "\n").map(String.init)
        let host = lines.filter { $0.lowercased().hasPrefix("host:") }
        #expect(host.count <= 1)
        let response = try gateway.get("/api/x?y=1", lines)
        #expect(response.status == 200, "\(lines) \(response.text)")
    }
}
