import SluiceConfiguration
import Testing

@Suite("OpenAPI import")
struct OpenAPIImportTests {
    private func convert(
        _ text: String, key: String? = nil, upstreams: [String] = []
    ) throws -> (domain: ConfigurationNode, problems: [String], notes: [String]) {
        let problems = Problems(file: "openapi.yaml", environment: [:])
        let document = try #require(ConfigurationNode.load(text: text, problems: problems))
        let configuration = APIDocument.convert(document, key: key, upstreams: upstreams, problems)
        let domain = try #require(configuration["domains"]?.elements?.first)
        let notes = problems.all.filter(\.isNote).map { "\($0.position.line):\($0.position.column) \($0.keyPath) | \($0.found)" }
        return (domain, problems.all.filter { !$0.isNote }.map { summary($0) }, notes)
    }

    private func summary(_ problem: Problem) -> String {
        "\(problem.position.line):\(problem.position.column) \(problem.keyPath) | \(problem.found) | \(problem.allowed)"
    }

    /// Key, hosts, upstream and the paths of the endpoints.
    private func address(_ domain: ConfigurationNode) -> [String] {
        func texts(_ node: ConfigurationNode?) -> String { node.map { $0.text ?? ($0.elements ?? []).compactMap(\.text).joined(separator: " ") } ?? "-" }
        return [texts(domain["key"]), texts(domain["hosts"]), texts(domain["upstream"])] + (domain["endpoints"]?.elements ?? []).map { texts($0["path"]) }
    }

    private static let document = """
        openapi: 3.0.3
        info: {title: Pets of all kinds, version: "1"}
        servers: [{url: "https://{region}.example.com:{port}/v1", variables: {region: {default: eu}, port: {default: 8443}}}]
        paths:
          /pets/{petId}:
            summary: One pet
            parameters: [{$ref: "#/components/parameters/petId"}, {name: page, in: query, schema: {type: integer}}]
            get:
              parameters: [{name: page, in: query, required: true, schema: {type: string}}]
              responses: {}
            delete: {responses: {}, x-toastcloud-apigw: {plugins: {MOCK: {statusCode: 204}}}}
            trace: {responses: {}}
          /files/{path+}: {put: {requestBody: {$ref: "#/components/requestBodies/File"}, responses: {}}}
        components:
          parameters: {petId: {name: petId, in: path, required: true, schema: {$ref: "#/components/schemas/Id"}}}
          requestBodies: {File: {$ref: "#/components/requestBodies/Bytes"}, Bytes: {content: {application/octet-stream: {}}}}
          schemas: {Id: {type: string, example: null}}
        """

    @Test("paths, methods, base path and plugins become a domain; everything else is kept")
    func whole() throws {
        let (domain, problems, notes) = try convert(Self.document)
        #expect(problems == [] && notes == [])
        #expect(address(domain) == ["v1", "-", "-", "/pets/{petId}", "/pets/{petId}", "/pets/{petId}", "/files/{path}/**"])
        let endpoints = try #require(domain["endpoints"]?.elements)
        #expect(endpoints.map { $0["methods"]?.elements?.first?.text } == ["GET", "DELETE", "TRACE", "PUT"])
        #expect(endpoints[1][["policies", "mock", "status"]].map(Tree.init) == 204)
        #expect(endpoints[0]["path"]?.position == SourcePosition(line: 5, column: 3))
        #expect(domain[["openapi", "components", "schemas", "Id", "type"]]?.text == "string" && domain[["openapi", "info", "title"]] != nil)
        #expect(domain["swagger"] == nil && domain[["openapi", "paths", "/pets/{petId}", "summary"]]?.text == "One pet")
    }

    @Test("the operations' parameters and bodies can be found again, references resolved")
    func operations() throws {
        let problems = Problems(file: "f")
        let (domain, _, _) = try convert(Self.document)
        let endpoints = try #require(domain["endpoints"]?.elements)
        let get = try #require(DocumentOperation(of: endpoints[0], in: domain, method: "GET", problems))
        #expect(get.parameters.map { $0["name"]?.text } == ["petId", "page"] && get.dialect == .openAPI30)
        #expect(get.parameters[1]["required"].map(Tree.init) == true, "the operation's own parameter replaces that of its path")
        let id = try #require(get.parameters[0]["schema"])
        #expect(try DocumentReferences(get.document).resolve(id)["type"]?.text == "string")
        let put = try #require(DocumentOperation(of: endpoints[3], in: domain, method: "PUT", problems))
        #expect(put.requestBody?[["content", "application/octet-stream"]] != nil && put.parameters.isEmpty)
        #expect(DocumentOperation(of: endpoints[3], in: domain, method: "GET", problems) == nil && problems.isEmpty)
    }

    @Test("parameters of a Swagger document's path are found too", arguments: ["/v1", "/api/v1", "/"])
    func swaggerOperations(basePath: String) throws {
        let problems = Problems(file: "f")
        let (domain, _, _) = try convert("""
            swagger: '2.0'
            basePath: \(basePath)
            parameters: {page: {name: page, in: query, type: integer}}
            paths: {"/a/{b+}": {parameters: [{$ref: "#/parameters/page"}], get: {parameters: [{name: b, in: path}]}}}
            """)
        let endpoint = try #require(domain["endpoints"]?.elements?.first)
        let get = try #require(DocumentOperation(of: endpoint, in: domain, method: "GET", problems))
        #expect(get.parameters.map { $0["name"]?.text } == ["page", "b"] && get.dialect == .swagger && get.requestBody == nil)
    }

    static let servers: [(String, [String])] = [
        ("", ["t", "-", "-", "/a"]),
        ("servers: []", ["t", "-", "-", "/a"]),
        ("servers: [{url: /}]", ["t", "-", "-", "/a"]),
        ("servers: [{url: 'https://h.example.com'}, {url: 'http://other.example.com:81/'}]", ["t", "h.example.com other.example.com", "-", "/a"]),
        ("servers: [{url: 'http://h:1'}, {url: 'http://h:2'}]", ["t", "h", "-", "/a"]),
        ("servers: [{url: /v1}]", ["v1", "-", "-", "/a"]),
        ("servers: [{url: v1/}]", ["v1", "-", "-", "/a"]),
        ("servers: [{url: ./v1}]", ["v1", "-", "-", "/a"]),
        ("servers: [{url: '//h/api/v2?x=y#z'}]", ["api", "-", "-", "/v2/a"]),
        ("servers: [{url: 'https://user:pw@[::1]:8443/api/v2/x'}]", ["api", "-", "-", "/v2/x/a"]),
        ("servers: [{url: 'http://h/v1'}, {url: 'http://i/v1/'}]", ["v1", "-", "-", "/a"]),
        ("servers: [{url: 'https://{h}/{v}/x', variables: {h: {default: e.com}, v: {default: v1, enum: [v1, v2]}}}]", ["v1", "-", "-", "/x/a"]),
    ]

    @Test("servers give base path and hosts", arguments: servers)
    func server(text: String, expected: [String]) throws {
        let (domain, problems, notes) = try convert("openapi: 3.1.0\ninfo: {title: t}\npaths: {/a: {get: {}}}\n\(text)")
        #expect(problems == [] && notes == [])
        #expect(address(domain) == expected)
    }

    @Test("a chosen key has the whole base path behind it")
    func chosenKey() throws {
        let (domain, _, _) = try convert("openapi: 3.1.0\nservers: [{url: /api/v1}]\npaths: {/a: {get: {}}}", key: "k")
        #expect(address(domain) == ["k", "-", "-", "/api/v1/a"])
    }

    static let upstreams: [(String, String?, [String], [String])] = [
        ("servers: [{url: /v1}]", nil, ["http://s:9000"], ["v1", "-", "http://s:9000/v1", "/a"]),
        ("servers: [{url: /api/v1}]", nil, ["http://s:9000/"], ["api", "-", "http://s:9000/api", "/v1/a"]),
        ("servers: [{url: /api/v1}]", "k", ["http://s/x/"], ["k", "-", "http://s/x/", "/api/v1/a"]),
        ("servers: [{url: 'http://h'}]", nil, ["http://s", "http://t"], ["t", "h *", "http://s http://t", "/a"]),
        ("", nil, ["http://s/base"], ["t", "*", "http://s/base", "/a"]),
    ]

    @Test("a service that is named beside the document gets base path and path", arguments: upstreams)
    func upstream(text: String, key: String?, upstreams: [String], expected: [String]) throws {
        let (domain, problems, _) = try convert("openapi: 3.1.0\ninfo: {title: t}\npaths: {/a: {get: {}}}\n\(text)", key: key, upstreams: upstreams)
        #expect(problems == [])
        #expect(address(domain) == expected)
    }

    @Test("a document with an upstream of its own refuses another")
    func twoUpstreams() throws {
        let text = "{openapi: 3.0.0, paths: {},\nx-toastcloud-apigw: {plugins: {HTTP_PROXY: {url: 'http://h'}}}}"
        let (_, problems, _) = try convert(text, upstreams: ["http://s"])
        #expect(problems == ["2:50 x-toastcloud-apigw.plugins.HTTP_PROXY.url | an upstream in the document, beside --upstream | one of the two"])
    }

    @Test("path items by reference", arguments: [
        ("{$ref: '#/components/pathItems/A'}", ["GET", "PUT"]), ("{$ref: '#/components/pathItems/B', put: {}}", ["PUT", "GET"]),
        ("{$ref: '#/components/pathItems/a~1b%20~0'}", ["PATCH"]),
    ])
    func itemReference(item: String, methods: [String]) throws {
        let (domain, problems, _) = try convert("""
            openapi: 3.1.0
            paths: {/x: \(item)}
            components: {pathItems: {A: {parameters: [{name: q, in: query}], get: {}, put: {summary: s}}, B: {$ref: '#/components/pathItems/C'}, C: {get: {}}, "a/b ~": {patch: {}}}}
            """)
        #expect(problems == [])
        #expect(Set((domain["endpoints"]?.elements ?? []).compactMap { $0["methods"]?.elements?.first?.text }) == Set(methods))
    }

    static let faults: [(String, [String])] = [
        ("openapi: 2.0\npaths: {}", ["1:10 openapi | the number 2.0 | \"3.0.x\" or \"3.1.x\""]),
        ("openapi: 3.2.0\npaths: {}", ["1:10 openapi | the text \"3.2.0\" | \"3.0.x\" or \"3.1.x\""]),
        ("openapi: 3.1.0", ["1:1 paths | nothing | a mapping of paths (required)"]),
        ("openapi: 3.1.0\npaths: {/x: {$ref: 'other.yaml#/x'}}",
            ["2:20 paths[\"/x\"].$ref | the reference \"other.yaml#/x\" to another document | references within the document, which begin with #/"]),
        ("openapi: 3.1.0\npaths: {/x: {$ref: '#/components/pathItems/X'}}",
            ["2:20 paths[\"/x\"].$ref | the reference \"#/components/pathItems/X\" to nothing | the place of something in the document"]),
        ("openapi: 3.1.0\npaths: {/x: {$ref: '#/paths/~1y'}, /y: {$ref: '#/paths/~1x'}}", [
            "2:20 paths[\"/x\"].$ref | references that lead to each other | at most 32 one after another",
            "2:47 paths[\"/y\"].$ref | references that lead to each other | at most 32 one after another",
        ]),
        ("openapi: 3.1.0\npaths: {/x?a=b: {get: {}}}",
            ["2:9 paths[\"/x?a=b\"] | a query in the path \"/x?a=b\" | a path; operations differ by path and method"]),
        ("openapi: 3.1.0\npaths: {'/{x+}/y': {get: {}}}",
            ["2:9 paths[\"/{x+}/y\"] | a {name+} before the end of the path \"/{x+}/y\" | {name+} as the last segment"]),
        ("openapi: 3.1.0\npaths: {/x: {GET: {}}}",
            ["2:14 paths[\"/x\"].GET | the unknown key \"GET\" (did you mean get?) | get, put, post, delete, options, head, patch or trace"]),
        ("openapi: 3.1.0\nservers: [{url: 'http://{h}/'}]\npaths: {}", ["2:17 servers[0].url | the variable \"h\" without a default | a `default` for each variable"]),
        ("openapi: 3.1.0\nservers: [{url: /a/../b}]\npaths: {}",
            ["2:17 servers[0].url | \"/a/../b\" | a URL, or a path without dot segments, braces and asterisks"]),
        ("openapi: 3.1.0\nservers: [{}, 5]\npaths: {}", ["2:11 servers[0].url | nothing | a URL (required)", "2:15 servers[1] | the integer 5 | a mapping"]),
        ("openapi: 3.1.0\nservers: x\npaths: {}", ["2:10 servers | the text \"x\" | a list of servers"]),
    ]

    @Test("what cannot be taken is a problem at its place", arguments: faults)
    func fault(text: String, expected: [String]) throws {
        #expect(try convert(text).problems == expected)
    }

    @Test("what has no effect is noted, each kind once")
    func notes() throws {
        let (_, problems, notes) = try convert("""
            openapi: 3.1.0
            servers: [{url: /a}, {url: /b}]
            paths:
              /x: {servers: [{url: /c}], get: {servers: [{url: /d}], callbacks: {c: {}}, security: [{k: []}]}, head: {security: []}, copy: {}}
              /y: {get: {security: [{k: []}]}}
            webhooks: {w: {}}
            """)
        #expect(problems == [])
        #expect(notes == [
            "2:28 servers[1].url | the path \"/b\" of this server has no effect: the API is where the first server says",
            "4:17 paths[\"/x\"].servers | these `servers` have no effect: the API is where the first server of the document says (here and at 1 more places)",
            "4:69 paths[\"/x\"].get.callbacks | `callbacks` are requests that the service sends; they do not pass the gateway",
            "4:88 paths[\"/x\"].get.security | `security` is not checked by the gateway, but only by the service, unless a policy such as `jwt` does it"
                + " (here and at 1 more places)",
            "4:122 paths[\"/x\"].copy | the key \"copy\" of a path has no effect",
            "6:11 webhooks | `webhooks` are requests that the service sends; they do not pass the gateway",
        ])
    }

    @Test("operations that differ by a fragment are one endpoint's")
    func fragments() throws {
        let (domain, problems, notes) = try convert("""
            openapi: 3.0.0
            paths:
              /x#b: {get: {summary: b}, put: {}}
              /x: {get: {summary: a}}
              "/x#c": {get: {summary: c}, put: {x-toastcloud-apigw: {plugins: {MOCK: {statusCode: 200}}}}}
            """)
        #expect((domain["endpoints"]?.elements ?? []).map { "\($0["methods"]?.elements?.first?.text ?? "") \($0["path"]?.text ?? "")" } == ["GET /x", "PUT /x"])
        #expect(domain["endpoints"]?.elements?.first?[["openapi", "get", "summary"]]?.text == "a")
        #expect(problems == [
            "5:57 paths[\"/x#c\"].put.x-toastcloud-apigw | the plugins of a second operation with this path and method"
                + " | plugins on one of the operations that differ by a fragment (#)"
        ])
        #expect(notes == ["3:15 paths[\"/x#b\"].get | the endpoint of the path without the fragment (#) serves this operation too (here and at 2 more places)"])
    }

    @Test("with credentials of the domain's own, the note on `security` says what is checked")
    func security() throws {
        let text = "{openapi: 3.1.0, paths: {/x: {get: {security: [{k: []}]}}}, x-toastcloud-apigw: {plugins: {HMAC: {secretKey: s}}}}"
        #expect(try convert(text).notes == [
            "1:47 paths[\"/x\"].get.security | `security` is checked by the service only; the gateway checks callers as its policies say (`hmac`)",
        ])
        #expect(try convert(text.replacing("security: [{k: []}]", with: "")).notes == [])
    }

    @Test("the rest of a path keeps its name, where no other variable has it and no path with one variable there would lose to it", arguments: [
        (["/a/{x+}"], ["/a/{x}/**"]), (["/{x}/{x+}"], ["/{x}/*/**"]), (["/{y}/{x+}"], ["/{y}/{x}/**"]), (["/a/{x+}", "/a/{y}"], ["/a/*/**", "/a/{y}"]),
        (["/a/{x+}", "/b/{y}", "/a/{y}/b", "/a/b", "/{z}/{y}"], ["/a/{x}/**", "/b/{y}", "/a/{y}/b", "/a/b", "/{z}/{y}"]),
        (["/{z}/{x+}", "/{w}/{y}"], ["/{z}/*/**", "/{w}/{y}"]), (["/%61/{x+}", "/a/{y}"], ["/%61/*/**", "/a/{y}"]), (["/a/{x+}", "/a/{y}.json"], ["/a/{x}/**", "/a/{y}.json"]),
    ])
    func rest(paths: [String], patterns: [String]) throws {
        let items = paths.map { "'\($0)': {get: {}}" }.joined(separator: ", ")
        let (domain, problems, _) = try convert("{openapi: 3.1.0, paths: {\(items)}}")
        #expect(problems == [] && domain["endpoints"]?.elements?.map { $0["path"]?.text } == patterns)
    }

    @Test("what references of path items stand for is bounded")
    func boundedReferences() throws {
        let parameters = (0..<2000).map { "{name: p\($0), in: query}" }.joined(separator: ", ")
        let paths = (0..<400).map { "/p\($0): {$ref: '#/components/pathItems/A'}" }.joined(separator: ", ")
        let (domain, problems, _) = try convert("{openapi: 3.1.0, paths: {\(paths)}, components: {pathItems: {A: {get: {parameters: [\(parameters)]}}}}}")
        #expect(problems.first?.contains("references that stand for more than 1000000 values") == true)
        #expect((domain["endpoints"]?.elements?.count ?? 0) < 400)
    }

    @Test("an OpenAPI domain is not exported as Swagger")
    func export() throws {
        let problems = Problems(file: "f")
        let document = try #require(ConfigurationNode.load(text: "{openapi: 3.1.0, servers: [{url: /a}], paths: {/x: {get: {}}}}", problems: problems))
        let exported = SwaggerExport.convert(APIDocument.convert(document, problems), domainKey: "a", problems)
        #expect(exported == nil && problems.all.map(\.found) == ["parts of an OpenAPI 3 document, which Swagger 2.0 cannot hold"])
    }
}
