import Foundation
import Testing

/// Plain documents, without a word of the gateway's, in front of a service that is named beside them.
@Suite("OpenAPI", .loopback, .minutes(5))
struct OpenAPITests {
    private static let openAPI = """
        openapi: 3.1.0
        info: {title: Pets, version: "1"}
        servers: [{url: "https://api.example.com/v1"}]
        paths:
          /pets: {get: {responses: {}}, post: {responses: {}}}
          /pets/{petId}: {get: {responses: {}}}
          /files/{path+}: {get: {responses: {}}}
          /files: {get: {responses: {}}}
        """
    private static let swagger = """
        {"swagger": "2.0", "info": {"title": "Pets", "version": "1"}, "basePath": "/v1",
         "paths": {"/pets": {"get": {"responses": {}}, "post": {"responses": {}}}, "/pets/{petId}": {"get": {"responses": {}}},
                   "/files/{path+}": {"get": {"responses": {}}}, "/files": {"get": {"responses": {}}}}}
        """

    @Test("a plain document and a service are a running gateway", arguments: [("openapi.yaml", openAPI), ("swagger.json", swagger)])
    func plain(name: String, text: String) throws {
        let nginx = try Nginx("location / { default_type text/plain; return 200 \"$request_method $request_uri\"; }")
        let service = "http://127.0.0.1:\(nginx.port)"
        let gateway = try Gateway(text, name: name, arguments: ["--upstream", service])
        #expect(try gateway.get("/v1/pets/7?q=1").text == "GET /v1/pets/7?q=1")
        #expect(try gateway.request("POST", "/v1/pets").text == "POST /v1/pets")
        #expect(try gateway.get("/v1/files/a/b.txt").text == "GET /v1/files/a/b.txt" && gateway.get("/v1/files").text == "GET /v1/files")
        for (method, target) in [("GET", "/v1/other"), ("DELETE", "/v1/pets/7"), ("POST", "/v1/pets/7"), ("GET", "/pets")] {
            #expect(try gateway.request(method, target).status == 404, "\(method) \(target)")
        }
        gateway.process.signal(SIGHUP)
        #expect(try eventually { try gateway.get("/v1/pets").text == "GET /v1/pets" }, "a reload keeps the service")
        let file = gateway.folder.file(name)
        let checked = try run(["check", file, "--upstream", service])
        #expect(checked.code == 0, "\(checked.everything)")
        let explained = try run(["explain", "--upstream", service, file, "GET", "/v1/pets/7"])
        #expect(explained.code == 0 && explained.everything.contains("verdict: proxy GET \(service)/v1/pets/7"), "\(explained.everything)")
    }

    @Test("an API at the root of its host answers under every host")
    func root() throws {
        let nginx = try Nginx("location / { default_type text/plain; return 200 \"$request_uri\"; }")
        let text = "openapi: 3.0.3\nservers: [{url: 'https://api.example.com'}]\npaths: {/pets: {get: {}}}"
        let gateway = try Gateway(text, name: "openapi.yaml", arguments: ["--upstream", "http://127.0.0.1:\(nginx.port)/base/"])
        #expect(try gateway.get("/pets").text == "/base/pets")
    }

    @Test("without a service, and with one that cannot be used, `check` says what to do")
    func problems() throws {
        let folder = try Folder()
        let file = try folder.write("openapi.yaml", Self.openAPI)
        let without = try run(["check", file])
        #expect(without.code == 1 && without.everything.contains("\(file):5:3: ") && without.everything.contains("`--upstream URL`"), "\(without.everything)")
        let wrong = try run(["check", file, "--upstream", "ftp://127.0.0.1"])
        #expect(wrong.code == 1 && wrong.everything.contains("--upstream"), "\(wrong.everything)")
        let own = try folder.write("sluice.yaml", "domains: [{key: a}]")
        let configuration = try run(["check", own, "--upstream", "http://127.0.0.1"])
        #expect(configuration.code == 1 && configuration.everything.contains("a configuration beside --upstream"), "\(configuration.everything)")
    }

    @Test("a document of the second form runs as it is, and comes back")
    func secondForm() throws {
        let nginx = try Nginx("location / { default_type text/plain; return 200 \"$request_uri $http_x_gateway\"; }")
        let text = #"""
            {"swagger": "2.0", "info": {"title": "alpha", "version": "1"}, "host": "stage.api.example.com", "paths": {
              "/": {"x-nhncloud-apigateway": {"plugins": {
                "CORS": {"allowedMethods": ["GET"], "allowedHeaders": ["*"], "allowedOrigins": ["*"], "maxCredentialsAge": 60, "allowCredentials": false},
                "SET_REQUEST_HEADER": {"headers": {"X-Gateway": "sluice"}}}}},
              "/members/{memberId}": {"get": {"responses": {"200": {"description": "ok"}}, "x-nhncloud-apigateway": {"plugins": {
                "HTTP": "{\"frontendEndpointPath\":\"/members/{memberId}\",\"backendEndpointPath\":\"/api/${request.path.memberId}\"}",
                "ADD_REQUEST_QUERY_PARAMETER": {"parameters": {"id": "${request.path.memberId}"}}}}}},
              "/members/{proxy+}": {"get": {"responses": {"200": {"description": "ok"}}, "x-nhncloud-apigateway": {"plugins": {
                "HTTP": {"frontendEndpointPath": "/members/{proxy+}", "backendEndpointPath": "/any/${request.path.proxy+}"},
                "RATE_LIMIT": {"requestPerSec": 1, "keyType": "HEADER", "extraKeyValue": "X-Who"}}}}},
              "/hello": {"get": {"responses": {"200": {"description": "ok"}}, "x-nhncloud-apigateway": {"plugins": {
                "REMOVE_RESPONSE_HEADER": {"headers": ["X-Mock"]},
                "MOCK": {"statusCode": 200, "headers": {"Content-Type": "text/plain", "X-Mock": "1"}, "body": "hello"}}}}}}}
            """#
        let service = "http://127.0.0.1:\(nginx.port)"
        let gateway = try Gateway(text, name: "swagger.json", arguments: ["--upstream", service])
        #expect(try gateway.get("/members/7?q=1").text == "/api/7?q=1&id=7 sluice")
        #expect(try gateway.get("/members/7&x=y").text == "/api/7&x=y?id=7%26x%3Dy sluice", "a variable adds no parameter")
        #expect(try gateway.get("/members/a/b").text == "/any/a/b sluice")
        #expect(try gateway.get("/members/a/b", ["X-Who: me"]).status == 200)
        let limited = try gateway.get("/members/a/c", ["X-Who: me"])
        #expect(limited.status == 429 && limited.text.contains("4291000"), "\(limited.text)")
        let hello = try gateway.get("/hello", ["Origin: https://app.test"])
        #expect(hello.text == "hello" && hello["X-Mock"] == nil && hello["Access-Control-Allow-Origin"] == "*")
        let missing = try gateway.get("/members")
        #expect(missing.status == 404 && missing.text.contains("4041007"), "\(missing.text)")

        let folder = try Folder()
        let source = try folder.write("swagger.json", text)
        let imported = try run(["import", source, "--upstream", service, "-o", folder.file("sluice.yaml")])
        let exported = try run(["export", folder.file("sluice.yaml"), "--domain", "alpha", "-o", folder.file("out.json")])
        let again = try run(["import", folder.file("out.json"), "-o", folder.file("again.yaml")])
        #expect(imported.code == 0 && exported.code == 0 && again.code == 0, "\(imported.everything)\(exported.everything)\(again.everything)")
        #expect(folder.read("again.yaml") == folder.read("sluice.yaml"), "\(folder.read("out.json"))")
        #expect(folder.read("out.json").contains(#""backendEndpointPath": "/any/${request.path.proxy+}""#))
        let first = try run(["export", "--extension", "x-toastcloud-apigw", "--domain", "alpha", folder.file("sluice.yaml")])
        #expect(first.code == 0 && first.output.contains("URI_REWRITE") && !first.output.contains("backendEndpointPath"), "\(first.everything)")
        #expect(try run(["export", "--extension", "other", "--domain", "alpha", folder.file("sluice.yaml")]).code == 2)
    }

    @Test("import makes the configuration that serves the same")
    func importing() throws {
        let folder = try Folder()
        let source = try folder.write("openapi.yaml", Self.openAPI)
        let imported = try run(["import", source, "--upstream", "http://127.0.0.1:9", "-o", folder.file("sluice.yaml")])
        let checked = try run(["check", folder.file("sluice.yaml")])
        #expect(imported.code == 0 && checked.code == 0, "\(imported.everything)\(checked.everything)")
        let explained = try run(["explain", folder.file("sluice.yaml"), "GET", "/v1/pets/7"])
        #expect(explained.everything.contains("verdict: proxy GET http://127.0.0.1:9/v1/pets/7"), "\(explained.everything)")
        let included = try folder.write("all.yaml", "include: openapi.yaml\ndomains: []")
        #expect(try run(["check", included]).everything.contains("\(source):5:3: "), "an included document is one too")
    }
}
