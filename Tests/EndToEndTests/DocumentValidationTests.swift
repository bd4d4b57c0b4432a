import Foundation
import Testing

/// `validate: true`: a document says what requests are, and the gateway holds them to it.
@Suite("Validation by documents", .loopback, .minutes(5))
struct DocumentValidationTests {
    private static let swagger = """
        swagger: "2.0"
        info: {title: Pets, version: "1"}
        basePath: /v1
        x-sluice: {domain: {policies: {validate: true}}}
        paths:
          /pets:
            parameters: [{$ref: "#/parameters/Trace"}]
            get:
              parameters: [{name: limit, in: query, type: integer, minimum: 1, required: true}]
              responses: {}
            post:
              parameters: [{name: pet, in: body, required: true, schema: {$ref: "#/definitions/Pet"}}]
              responses: {}
          /pets/{id}:
            get: {parameters: [{name: id, in: path, required: true, type: integer, format: int32}], responses: {}}
          /login:
            post:
              consumes: [application/x-www-form-urlencoded]
              parameters: [{name: age, in: formData, type: integer, required: true}]
              responses: {}
        parameters: {Trace: {name: X-Trace, in: header, type: string, maxLength: 3}}
        definitions:
          Pet: {type: object, required: [name, id], properties: {id: {type: integer, readOnly: true}, name: {type: string}, tag: {$ref: "#/definitions/Tag"}}}
          Tag: {type: string, minLength: 2}
        """
    private static let openAPI = """
        openapi: 3.0.3
        info: {title: Pets, version: "1"}
        servers: [{url: "https://api.example.com/v1"}]
        x-sluice: {domain: {policies: {validate: true}}}
        paths:
          /pets:
            parameters: [{$ref: "#/components/parameters/Trace"}]
            get:
              parameters: [{name: limit, in: query, required: true, schema: {type: integer, minimum: 1}}]
              responses: {}
            post:
              requestBody: {required: true, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
              responses: {}
          /pets/{id}:
            get: {parameters: [{name: id, in: path, required: true, schema: {type: integer, format: int32}}], responses: {}}
          /login:
            post:
              requestBody:
                required: true
                content: {application/x-www-form-urlencoded: {schema: {type: object, required: [age], properties: {age: {type: integer}}}}}
              responses: {}
        components:
          parameters: {Trace: {name: X-Trace, in: header, schema: {type: string, maxLength: 3}}}
          schemas:
            Pet: {type: object, required: [name, id], properties: {id: {type: integer, readOnly: true}, name: {type: string}, tag: {$ref: "#/components/schemas/Tag"}}}
            Tag: {type: string, minLength: 2}
        """

    @Test("parameters, bodies and forms are those of the operation", arguments: [("swagger.yaml", swagger), ("openapi.yaml", openAPI)])
    func rules(name: String, text: String) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(text, name: name, arguments: ["--upstream", upstream.url])
        let json = ["Content-Type: application/json"]
        let form = ["Content-Type: application/x-www-form-urlencoded"]
        #expect(try gateway.get("/v1/pets?limit=5", ["X-Trace: abc"]).status == 200)
        #expect(try gateway.request("POST", "/v1/pets", json, body: "{\"name\":\"a\",\"tag\":\"bc\"}").status == 200)
        #expect(try gateway.request("POST", "/v1/login", form, body: "age=7").status == 200)
        #expect(try gateway.get("/v1/pets/7").status == 200)
        for (response, detail) in [
            (try gateway.get("/v1/pets"), "query parameter limit missing"), (try gateway.get("/v1/pets?limit=0"), "query parameter limit: too small"),
            (try gateway.get("/v1/pets?limit=5", ["X-Trace: abcd"]), "header X-Trace: too long"),
            (try gateway.request("POST", "/v1/pets", json, body: "{\"name\":\"a\",\"tag\":\"b\"}"), "/tag: too short"),
            (try gateway.request("POST", "/v1/pets", json, body: "{\"tag\":\"bc\"}"), "/: missing member name"),
            (try gateway.get("/v1/pets/x"), "path parameter id: not an integer"), (try gateway.get("/v1/pets/2147483648"), "path parameter id: too large"),
            (try gateway.request("POST", "/v1/pets"), "body missing"), (try gateway.request("POST", "/v1/login", form, body: "age=x"), "form parameter age: not an integer"),
            (try gateway.request("POST", "/v1/login?age=8", form, body: "age=7"), "form parameter age: in the query"),
            (try gateway.request("POST", "/v1/login", form, body: "age=7&age[]=8"), "form parameter age: under another spelling"),
        ] {
            expect(response, is: .validation)
            #expect(response.text.contains("Bad Request (\(detail))"), "\(response.text)")
        }
        #expect(upstream.requests.count == 4)
    }
}
