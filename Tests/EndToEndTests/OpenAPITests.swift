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
