import Foundation
import Testing

/// A Swagger 2.0 document with the vendor extension as the configuration, in front of a real nginx.
@Suite("Swagger", .loopback, .minutes(5))
struct SwaggerTests {
    /// A document with every plugin that the extension knows.
    private func document(upstream: String, authoriser: String, quota: Int = 1000) -> String {
        """
        {
          "swagger": "2.0",
          "info": {"title": "Orders", "version": "1.0", "description": "kept"},
          "host": "orders.example.com",
          "schemes": ["https", "http"],
          "basePath": "/orders",
          "x-toastcloud-apigw": {
            "plugins": {
              "HTTP_PROXY": {"url": "\(upstream)/base"},
              "IPACL": {"isPermit": true, "ipList": [{"ip": "127.0.0.0/8"}]},
              "USAGE_QUOTA": {"usageQuotaBeans": [{"maxUsageQuota": \(quota), "resetTimeSeconds": 86400}]},
              "MAINTENANCE": {"isUse": false, "statusCode": 503, "headers": {"Retry-After": "60"}, "body": "later"},
              "HMAC": {"secretKey": "s3cret", "clockSkew": 300},
              "URI_REWRITE": {"uriPattern": "/v1.0/members/(.*)", "rewriteUri": "/members/%1"},
              "CORS": {"allowedOrigins": ["https://app.test"], "allowedMethods": ["GET"], "allowedHeaders": ["Authorization"],
                       "exposedHeaders": [], "maxCredentialsAge": 600, "allowCredentials": true}
            }
          },
          "paths": {
            "/v1.0/members/{memberId}": {
              "get": {
                "operationId": "member", "parameters": [{"name": "memberId", "in": "path", "required": true, "type": "string"}],
                "responses": {"200": {"description": "ok"}},
                "x-toastcloud-apigw": {"plugins": {
                  "ENDPOINT_USAGE_QUOTA": {"usageQuotaBeans": [{"maxUsageQuota": 3, "resetTimeSeconds": 86400}]},
                  "PRE_API": {"method": "GET", "url": "\(authoriser)/authorise"},
                  "HEADER": {"requestHeaders": {"X-Gateway": "sluice"}, "responseHeaders": {"X-Served-By": "sluice"}}
                }}
              }
            },
            "/hello": {
              "get": {
                "responses": {"200": {"description": "ok"}},
                "x-toastcloud-apigw": {"plugins": {
                  "MOCK": {"statusCode": 202, "headers": {"Content-Type": "text/plain"}, "body": "hello world"}
                }}
              }
            }
          }
        }
        """
    }

    private func signed(_ target: String, algorithm: String? = nil) throws -> [String] {
        guard let algorithm else { return try Signing.compact("GET", target, secret: "s3cret") }
        let now = Signing.timestamp()
        let authorization = try Signing.named(
            "GET", target, secret: "s3cret", at: now, algorithm: algorithm, headers: "host", lines: ["host:gateway.test"])
        return ["x-nhn-date: \(now)", authorization]
    }

    @Test("every plugin of a document holds, in front of nginx")
    func everyPlugin() throws {
        let nginx = try Nginx("location / { default_type text/plain; return 200 \"nginx $request_method $request_uri $http_x_gateway $http_x_forwarded_for\"; }")
        let authoriser = try ScriptedUpstream()
        let gateway = try Gateway(document(upstream: "http://127.0.0.1:\(nginx.port)", authoriser: authoriser.url), name: "swagger.json")
        let target = "/orders/v1.0/members/7?q=1"
        expect(try gateway.get(target), is: .hmacNoTimestamp)  // charged to the endpoint: 1 of 3
        let response = try gateway.get(target, signed(target) + ["Origin: https://app.test"])
        #expect(response.status == 200 && response.text == "nginx GET /base/members/7?q=1 sluice 127.0.0.1", "\(response.text)")
        #expect(response["X-Served-By"] == "sluice" && response["Access-Control-Allow-Origin"] == "https://app.test")
        #expect(try authoriser.onlyRequest().target == "/authorise")
        let sha1 = try gateway.get(target, signed(target, algorithm: "HmacSHA1"))
        #expect(sha1.status == 200, "an imported policy allows HmacSHA1: \(sha1.text)")
        expect(try gateway.get(target, signed(target)), is: .quota)
        let mock = try gateway.get("/orders/hello", signed("/orders/hello"))
        #expect(mock.status == 202 && mock.text == "hello world" && mock["Content-Type"] == "text/plain")
        expect(try gateway.get("/orders/none", signed("/orders/none")), is: .notFound)
        let preflight = try gateway.request("OPTIONS", "/orders/hello", ["Origin: https://app.test", "Access-Control-Request-Method: GET"])
        #expect(preflight.status == 204 && preflight["Access-Control-Max-Age"] == "600")
        let hosted = try gateway.get("/orders/hello", ["Host: orders.example.com"] + signed("/orders/hello"))
        #expect(hosted.text == "hello world", "host and basePath make the URL: \(hosted.text)")
    }

    @Test("the domain's quota, a deny list and maintenance of a document")
    func domainPlugins() throws {
        let text = document(upstream: "http://127.0.0.1:9", authoriser: "http://127.0.0.1:9", quota: 2)
        let gateway = try Gateway(text, name: "swagger.json")
        for _ in 0..<2 { expect(try gateway.get("/orders/hello"), is: .hmacNoTimestamp) }
        expect(try gateway.get("/orders/hello"), is: .quota)
        let denied = try Gateway(text.replacingOccurrences(of: "\"isPermit\": true", with: "\"isPermit\": false"), name: "swagger.json")
        expect(try denied.get("/orders/hello"), is: .address)
        let closed = try Gateway(text.replacingOccurrences(of: "\"isUse\": false", with: "\"isUse\": true"), name: "swagger.json")
        let notice = try closed.get("/orders/hello")
        #expect(notice.status == 503 && notice["Retry-After"] == "60" && notice.text == "later")
    }

    @Test("JWT of a document")
    func jwtPlugin() throws {
        let text = document(upstream: "http://127.0.0.1:9", authoriser: "http://127.0.0.1:9").replacingOccurrences(
            of: "\"HMAC\": {\"secretKey\": \"s3cret\", \"clockSkew\": 300}",
            with: "\"JWT\": {\"secretKey\": \"s3cret\", \"clockSkew\": 30, \"issuer\": \"idp\"}")
        let gateway = try Gateway(text, name: "swagger.json")
        expect(try gateway.get("/orders/hello"), is: .jwtNoAuthorization)
        let payload = { (issuer: String) in #"{"exp":\#(Signing.epoch() + 60),"iss":"\#(issuer)"}"# }
        #expect(try gateway.get("/orders/hello", ["Authorization: Bearer \(Signing.hs256(payload("idp"), secret: "s3cret"))"]).status == 202)
        expect(try gateway.get("/orders/hello", ["Authorization: Bearer \(Signing.hs256(payload("other"), secret: "s3cret"))"]), is: .jwtInvalid)
    }

    @Test("import, then export, gives the document back without loss; the imported file serves the same")
    func roundTrip() throws {
        let folder = try Folder()
        let text = document(upstream: "http://127.0.0.1:9", authoriser: "http://127.0.0.1:9")
        let source = try folder.write("swagger.json", text)
        let imported = try run(["import", source, "-o", folder.file("sluice.yaml")])
        #expect(imported.code == 0, "\(imported.everything)")
        let checked = try run(["check", "--config", folder.file("sluice.yaml")])
        #expect(checked.code == 0, "\(checked.everything)")
        let exported = try run(["export", "--config", folder.file("sluice.yaml"), "--domain", "orders", "-o", folder.file("out.json")])
        #expect(exported.code == 0, "\(exported.everything)")
        let before = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary
        let after = try JSONSerialization.jsonObject(with: Data(folder.read("out.json").utf8)) as? NSDictionary
        #expect(before != nil && before == after, "\(folder.read("out.json"))\n\(folder.read("sluice.yaml"))")
        let printed = try run(["import", source])
        #expect(printed.output == folder.read("sluice.yaml"), "without -o the same text goes to standard output")
        let gateway = try Gateway(folder.read("sluice.yaml"))
        #expect(try gateway.get("/orders/hello", signed("/orders/hello")).text == "hello world")
    }

    @Test("a plugin that lacks a field: the faults of its other fields are told of in the same run")
    func allProblems() throws {
        let text = """
            swagger: "2.0"
            info: {title: a, version: "1.0"}
            basePath: /a
            x-toastcloud-apigw:
              plugins:
                HTTP_PROXY: {url: 5}
                IPACL: {ipList: [{ip: 10.0.0.0/33}]}
                MAINTENANCE: {isUse: maybe, statusCode: 99}
                HMAC: {clockSkew: 86401}
            paths:
              /x:
                get:
                  x-toastcloud-apigw:
                    plugins:
                      PRE_API: {method: "B R E W"}
                      URI_REWRITE: {uriPattern: "/x/("}
                      MOCK: {headers: {"not a name": x}}
              /y: {get: {}}
            """
        let file = try Folder().write("swagger.yaml", text)
        let result = try run(["check", "--config", file])
        // Without what is shown of the file.
        let lines = result.everything.split(separator: "\n").map(String.init).filter { !$0.hasPrefix(" ") }
        let expected: [(place: String, word: String)] = [
            ("6:23:", "HTTP_PROXY.url"), ("7:12:", "isPermit"), ("7:27:", "10.0.0.0/33"), ("8:26:", "isUse"), ("8:45:", "99"), ("9:11:", "secretKey"),
            ("9:23:", "86401"), ("15:20:", "PRE_API.url"), ("15:29:", "B R E W"), ("16:24:", "rewriteUri"), ("16:37:", "uriPattern"),
            ("17:17:", "statusCode"), ("17:28:", "not a name"),
        ]
        for (place, word) in expected {
            #expect(lines.contains { $0.contains("\(file):\(place)") && $0.contains(word) }, "nothing at \(place) with \(word) in\n\(result.everything)")
        }
        #expect(lines.count == expected.count, "one problem for each fault, and none that follows from another:\n\(result.everything)")
    }

    @Test("a problem in a document names its line and the key path")
    func problems() throws {
        let text = document(upstream: "http://127.0.0.1:9", authoriser: "http://127.0.0.1:9").replacingOccurrences(
            of: "\"clockSkew\": 300", with: "\"clockSkew\": 100000")
        let file = try Folder().write("swagger.json", text)
        let result = try run(["check", "--config", file])
        let line = text.components(separatedBy: "\n").firstIndex { $0.contains("100000") }! + 1
        #expect(result.code == 1 && result.everything.contains("\(file):\(line):") && result.everything.contains("100000"), "\(result.everything)")
    }
}
