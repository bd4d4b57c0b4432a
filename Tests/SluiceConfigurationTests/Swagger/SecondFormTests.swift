import SluiceConfiguration
import Testing

/// A document of the second form with every plugin.
let secondFormWithEveryPlugin = #"""
    {
      "swagger": "2.0",
      "info": {"title": "alpha", "version": "2021-10-26T15:21:22.163+09:00"},
      "host": "stage.api.example.com",
      "schemes": ["https", "http"],
      "paths": {
        "/": {
          "x-nhncloud-apigateway": {"plugins": {
            "CORS": {"allowedMethods": ["GET", "POST"], "allowedHeaders": ["X-A"], "allowedOrigins": ["https://app.example.com"],
              "exposedHeaders": ["X-B"], "maxCredentialsAge": 60, "allowCredentials": true},
            "RATE_LIMIT": {"requestPerSec": 100, "keyType": "IP"},
            "SET_REQUEST_HEADER": {"headers": {"X-Root": "1"}},
            "PRE_API": {"httpMethod": "GET", "url": "http://127.0.0.1:9100/root", "cacheTtl": 0}
          }}
        },
        "/members": {
          "x-nhncloud-apigateway": {"plugins": {
            "SET_REQUEST_HEADER": {"headers": {"X-Members": "1"}},
            "SET_RESPONSE_HEADER": {"headers": {"X-Served-By": "gateway"}},
            "REMOVE_RESPONSE_HEADER": {"headers": ["Server"]},
            "REQUEST_VALIDATOR": {"isActive": true}
          }},
          "get": {
            "parameters": [{"name": "page", "in": "query", "required": true, "type": "integer"}, {"$ref": "#/parameters/trace"}],
            "responses": {"200": {"description": "ok"}},
            "x-nhncloud-apigateway": {"plugins": {
              "MOCK": {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": "[]"},
              "SET_REQUEST_HEADER": {"headers": {"X-Members": "1"}}
            }}
          }
        },
        "/members/{memberId}": {
          "get": {
            "responses": {"200": {"description": "ok"}},
            "x-nhncloud-apigateway": {"plugins": {
              "HTTP": {"frontendEndpointPath": "/members/{memberId}", "backendEndpointPath": "/api/v1.0/m/${request.path.memberId}.json"},
              "ADD_REQUEST_QUERY_PARAMETER": {"parameters": {"id": "${request.path.memberId}", "a b": "50%&=$"}},
              "REMOVE_REQUEST_HEADER": {"headers": ["X-Debug", "X-Other"]},
              "RATE_LIMIT": {"requestPerSec": 5, "keyType": "PATH_VARIABLE", "extraKeyValue": "${request.path.memberId}"},
              "PRE_API": {"httpMethod": "POST", "url": "http://127.0.0.1:9100/own", "cacheTtl": 60}
            }}
          },
          "delete": {
            "responses": {"200": {"description": "ok"}},
            "x-nhncloud-apigateway": {"plugins": {
              "HTTP": {"frontendEndpointPath": "/members/{memberId}", "backendEndpointPath": "/members/${request.path.memberId}"},
              "RATE_LIMIT": {"requestPerSec": 6, "keyType": "HEADER", "extraKeyValue": "X-User"}, "API_KEY": {"isActive": true}
            }}
          }
        },
        "/files/{proxy+}": {
          "get": {
            "responses": {"200": {"description": "ok"}},
            "x-nhncloud-apigateway": {"plugins": {
              "HTTP": {"frontendEndpointPath": "/files/{proxy+}", "backendEndpointPath": "/anything/${request.path.proxy+}"}
            }}
          }
        }
      },
      "parameters": {"trace": {"name": "X-Trace", "in": "header", "required": true, "type": "string"}}
    }
    """#

@Suite("The second form of the gateway extension")
struct SecondFormTests {
    private func convert(_ text: String, upstreams: [String] = []) throws -> (domain: ConfigurationNode, problems: [String]) {
        let problems = Problems(file: "swagger.json", environment: [:])
        let document = try #require(ConfigurationNode.load(text: text, problems: problems))
        let configuration = APIDocument.convert(document, upstreams: upstreams, problems)
        return (try #require(configuration["domains"]?.elements?.first), summaries(problems))
    }

    /// A document with one operation.
    private func operation(_ plugins: String, path: String = "/a/{b}", pathPlugins: String = "", more: String = "") throws -> (policies: Tree?, problems: [String]) {
        let own = pathPlugins.isEmpty ? "" : "x-nhncloud-apigateway: {plugins: {\(pathPlugins)}}, "
        let (domain, problems) = try convert(
            "{swagger: '2.0', paths: {'\(path)': {\(own)get: {\(more)x-nhncloud-apigateway: {plugins: {\n\(plugins)}}}}}}")
        return (domain["endpoints"]?.elements?.first?["policies"].map(Tree.init), problems)
    }

    private func policies(_ domain: ConfigurationNode, _ index: Int) -> Tree? {
        domain["endpoints"]?.elements.flatMap { $0.indices.contains(index) ? $0[index]["policies"] : nil }.map(Tree.init)
    }

    @Test("every plugin becomes its policy; those of paths hold below, and those of methods replace them")
    func everyPlugin() throws {
        let (domain, problems) = try convert(secondFormWithEveryPlugin)
        #expect(problems == [])
        #expect(domain["errors"]?.text == "v2" && domain["key"]?.text == "alpha")
        #expect(domain["policies"].map(Tree.init) == [
            "cors": [
                "origins": ["https://app.example.com"], "methods": ["GET", "POST"], "headers": ["X-A"], "expose": ["X-B"], "credentials": true, "maxAge": 60,
            ],
            "rateLimit": [["limit": 100, "perSeconds": 1, "by": "address"]],
        ])
        let root: Tree = ["method": "GET", "url": "http://127.0.0.1:9100/root", "cacheSeconds": 0]
        let response: Tree = ["set": ["X-Served-By": "gateway"], "remove": ["Server"]]
        #expect(policies(domain, 0) == [
            "mock": ["status": 200, "headers": ["Content-Type": "application/json"], "body": "[]"],
            "headers": ["request": ["set": ["X-Members": "1"]], "response": response], "preCall": root,
            "validate": ["query": ["required": ["page"]], "headers": ["required": ["X-Trace"]]],
        ])
        #expect(policies(domain, 1) == [
            "rewrite": ["pattern": "/members/([^/]+)", "to": "/api/v1.0/m/%1.json?id=%1&a%%20b=50%%25%%26%%3D%%24", "query": "add"],
            "headers": ["request": ["set": ["X-Members": "1"], "remove": ["X-Debug", "X-Other"]], "response": response],
            "rateLimit": [["limit": 5, "perSeconds": 1, "by": "path:memberId"]],
            "preCall": ["method": "POST", "url": "http://127.0.0.1:9100/own", "cacheSeconds": 60],
        ])
        #expect(policies(domain, 2) == [
            "headers": ["request": ["set": ["X-Members": "1"]], "response": response], "preCall": root,
            "rateLimit": [["limit": 6, "perSeconds": 1, "by": "header:X-User"]], "apiKey": [:],
        ], "a backend path that is the same needs no rewrite")
        #expect(policies(domain, 3) == [
            "rewrite": ["pattern": "/files/(.*)", "to": "/anything/%1"], "headers": ["request": ["set": ["X-Root": "1"]]], "preCall": root,
        ])
        #expect(domain["endpoints"]?.elements?[3]["path"]?.text == "/files/{proxy}/**")
    }

    @Test("the other spelling, settings as text, and settings at the top are read")
    func spellings() throws {
        let text = #"""
            {swagger: '2.0', x-api-nhn-apigateway: {plugins: {SET_REQUEST_HEADER: {headers: {A: b}}}}, paths: {'/m/{p+}': {get: {x-api-nhn-apigateway: {plugins: {
            HTTP: "{\"frontendEndpointPath\":\"/m/{p+}\",\"backendEndpointPath\":\"/x/${request.path.p+}\"}"}}}}}}
            """#
        let (domain, problems) = try convert(text)
        #expect(problems == [])
        #expect(policies(domain, 0) == ["rewrite": ["pattern": "/m/(.*)", "to": "/x/%1"], "headers": ["request": ["set": ["A": "b"]]]])
        let (document, _) = try convert("{openapi: 3.0.0, paths: {/m: {get: {x-nhncloud-apigateway: {plugins: {MOCK: {statusCode: '204'}}}}}}}")
        #expect(policies(document, 0) == ["mock": ["status": 204]])
    }

    @Test("the service named beside a document gets the backend paths as they are")
    func upstream() throws {
        let text = secondFormWithEveryPlugin.replacing("\"schemes\"", with: "\"basePath\": \"/stage/v1\", \"schemes\"")
        let (domain, problems) = try convert(text, upstreams: ["http://s/base"])
        #expect(problems == [] && domain["upstream"]?.text == "http://s/base" && domain["key"]?.text == "stage")
        #expect(domain["endpoints"]?.elements?[1][["policies", "rewrite", "pattern"]]?.text == "/v1/members/([^/]+)")
        #expect(domain["endpoints"]?.elements?[2][["policies", "rewrite"]].map(Tree.init) == ["pattern": "/v1/members/([^/]+)", "to": "/members/%1"])
    }

    @Test("below a base path of several segments, a service gets the document's paths, with HTTP and without", arguments: [
        ("{}", ["pattern": "/v1(/.*)", "to": "%1"]), ("{HTTP: {backendEndpointPath: '/m/${request.path.a}'}}", ["pattern": "/v1/m/([^/]+)", "to": "/m/%1"]),
        ("{MOCK: {statusCode: 200}}", nil),
        ("{ADD_REQUEST_QUERY_PARAMETER: {parameters: {q: '1'}}}", ["pattern": "/v1(/m/([^/]+))", "to": "%1?q=1", "query": "add"]),
        ("{ADD_REQUEST_QUERY_PARAMETER: {parameters: {q: '${request.path.a}'}}}", ["pattern": "/v1(/m/([^/]+))", "to": "%1?q=%2", "query": "add"]),
    ] as [(String, Tree?)])
    func prefix(plugins: String, rewrite: Tree?) throws {
        let (domain, problems) = try convert("{swagger: '2.0', basePath: /stage/v1, paths: {'/m/{a}': {get: {x-nhncloud-apigateway: {plugins: \(plugins)}}}}}")
        #expect(problems == [])
        #expect(domain["endpoints"]?.elements?[0][["policies", "rewrite"]].map(Tree.init) == rewrite)
        #expect(domain["endpoints"]?.elements?[0]["path"]?.text == "/v1/m/{a}")
    }

    static let faultyPlugins: [(String, String)] = [
        ("HTTP: '/x'", "| text that is not a JSON object | the plugin's settings as an object"),
        ("HTTP: '{\"a\": &x [1], \"b\": *x}'", "| text that is not a JSON object | the plugin's settings as an object"),
        ("HTTP: {frontendEndpointPath: /other, backendEndpointPath: /x}", ".HTTP.frontendEndpointPath | \"/other\" | the path under which the operation stands: \"/a/{b}\""),
        ("HTTP: {frontendEndpointPath: '/a/{b}'}", ".HTTP.backendEndpointPath | nothing | a path (required)"),
        ("HTTP: {backendEndpointPath: '/${request.path.c}'}", "| \"${request.path.c}\", which is no variable of the path | ${request.path.b}"),
        ("HTTP: {backendEndpointPath: '/${request.clientIp}'}", "| \"${request.clientIp}\", which is no variable of the path | ${request.path.b}"),
        ("HTTP: {backendEndpointPath: '/$!{request.path.b'}", "| \"$!{request.path.b\", which is no variable of the path | ${request.path.b}"),
        ("HTTP: {backendEndpointPath: /x?y=z}", "| a query or a fragment in \"/x?y=z\" | a path; ADD_REQUEST_QUERY_PARAMETER adds to the query"),
        ("HTTP: {backendEndpointPath: /x}, MOCK: {statusCode: 200}", "| HTTP beside MOCK | one of the two"),
        ("MOCK: {statusCode: OK}", ".MOCK.statusCode | the text \"OK\" | an integer"),
        ("CORS: {allowedOrigins: ['*']}", ".CORS | the plugin \"CORS\", which may stand on a path only | "),
        ("HMAC: {secretKey: s}", ".HMAC | the plugin \"HMAC\", which belongs to a stage and not to a document | the policy in a configuration: see `sluice import`"),
        ("SET_REQUEST_HEADERS: {headers: {}}", "| the plugin \"SET_REQUEST_HEADERS\" (did you mean SET_REQUEST_HEADER?) | "),
        ("SET_REQUEST_HEADER: {headers: {X-Ip: '${request.clientIp}'}}", "| a variable in \"${request.clientIp}\" | text without ${ and $!{"),
        ("REMOVE_REQUEST_HEADER: {headers: {A: b}}", ".REMOVE_REQUEST_HEADER.headers | a mapping | a list of texts"),
        ("ADD_REQUEST_QUERY_PARAMETER: {}", ".ADD_REQUEST_QUERY_PARAMETER.parameters | nothing | a mapping from names to texts (required)"),
        ("ADD_REQUEST_QUERY_PARAMETER: {parameters: {'${x}': y}}", "| a variable in the name \"${x}\" | text without ${ and $!{"),
        ("RATE_LIMIT: {requestPerSec: 1, keyType: DEFAULT}",
            "| the key type DEFAULT, which limits all callers together | IP, HEADER or PATH_VARIABLE; for all together, a project's ceiling"),
        ("RATE_LIMIT: {requestPerSec: 5001, keyType: IP}", "| the integer 5001 | an integer from 1 to 5000 (requests per second)"),
        ("RATE_LIMIT: {requestPerSec: 1, keyType: HEADER, extraKeyValue: null}", ".RATE_LIMIT.extraKeyValue | nothing | the name of a header (required)"),
        ("RATE_LIMIT: {requestPerSec: 1, keyType: PATH_VARIABLE, extraKeyValue: b}", "| \"b\" | ${request.path.NAME}"),
        ("RATE_LIMIT: {requestPerSec: 1, keyType: PATH_VARIABLE, extraKeyValue: '${request.path.b+}'}",
            "| a limit for each rest of a path (\"${request.path.b+}\") | ${request.path.NAME} of a variable that is one segment"),
        ("API_KEY: {}", ".API_KEY.isActive | nothing | true or false (required)"),
        ("REQUEST_VALIDATOR: {}", ".REQUEST_VALIDATOR.isActive | nothing | true or false (required)"),
    ]

    @Test("what cannot be taken is a problem at its place", arguments: faultyPlugins)
    func fault(plugin: String, expected: String) throws {
        let (_, problems) = try operation(plugin)
        #expect(problems.count == 1 && problems[0].hasPrefix("2:") && problems[0].contains(expected), "\(problems)")
    }

    @Test("API_KEY on a path holds for everything below, unless a method says otherwise")
    func apiKey() throws {
        let (domain, problems) = try convert("""
            {swagger: '2.0', basePath: /s, paths: {/a: {x-nhncloud-apigateway: {plugins: {API_KEY: {isActive: true}}},
            get: {x-nhncloud-apigateway: {plugins: {MOCK: {statusCode: 200}}}},
            put: {x-nhncloud-apigateway: {plugins: {MOCK: {statusCode: 200}, API_KEY: {isActive: false}}}}}}}
            """)
        #expect(problems == [])
        #expect(policies(domain, 0) == ["mock": ["status": 200], "apiKey": [:]] && policies(domain, 1) == ["mock": ["status": 200]])
    }

    private static let key = "x-nhncloud-apigateway: {plugins: {API_KEY: {isActive: true}}}"

    @Test("plugins hold however the document leads to them", arguments: [
        "openapi: 3.1.0, paths: {/a: {$ref: '#/x-items/A'}}, x-items: {A: {\(key), get: {}}}",
        "openapi: 3.1.0, paths: {/a: {$ref: '#/x-items/A'}}, x-items: {A: {get: {\(key)}}}",
        "openapi: 3.1.0, paths: {/a: {$ref: '#/components/pathItems/A', x-api-nhn-apigateway: {plugins: {API_KEY: {isActive: true}}}}}, "
            + "components: {pathItems: {A: {get: {}}}}",
        "openapi: 3.1.0, paths: {/a: {get: {$ref: '#/x-operation'}}}, x-operation: {\(key)}",
        "swagger: '2.0', paths: {/a: {get: {$ref: '#/x-operation'}}}, x-operation: {\(key)}",
        "openapi: 3.1.0, paths: {'/a#x': {\(key), get: {}}}",
        "swagger: '2.0', paths: {'/a/{b}': {\(key)}, '/a/{c}/d': {get: {}}}", "swagger: '2.0', paths: {/a/: {\(key)}, /a/b: {get: {}}}",
        "swagger: '2.0', paths: {'/a/{b}.json': {\(key)}, '/a/{c}.json': {get: {}}}",
    ])
    func spelling(text: String) throws {
        let (domain, problems) = try convert("{\(text)}")
        #expect(problems == [] && policies(domain, 0) == ["apiKey": [:]], "\(problems)")
    }

    @Test("a path in two spellings has the same plugins, or none in one of them")
    func collision() throws {
        func problems(_ other: String) throws -> [String] {
            try convert("{swagger: '2.0', paths: {'/a/{b}': {\(Self.key), get: {}}, '/a/{c}': {\(other)put: {}}}}").problems
        }
        #expect(try problems("") == [] && problems("\(Self.key), ") == [])
        let found = try problems("x-nhncloud-apigateway: {plugins: {API_KEY: {isActive: false}}}, ")
        #expect(found.count == 1 && found[0].contains("| other plugins than the same path has in another spelling | "), "\(found)")
    }

    @Test("names of the other version's plugins, and names in lower case, are problems", arguments: [
        ("x-nhncloud-apigateway: {plugins: {IPACL: {}}}", "the plugin \"IPACL\""), ("x-nhncloud-apigateway: {plugins: {USAGE_QUOTA: {}}}", "the plugin \"USAGE_QUOTA\""),
        ("x-nhncloud-apigateway: {plugins: {hmac: {}}}", "the plugin \"hmac\""), ("x-nhncloud-apigateway: {jwt: {}}", "the plugin \"jwt\""),
        ("x-nhncloud-apigateway: {api_key: {}}", "the plugin \"api_key\" (did you mean API_KEY?)"),
        ("x-toastcloud-apigw: {plugins: {API_KEY: {}}}", "the plugin \"API_KEY\""), ("x-toastcloud-apigw: {plugins: {IP_ACL: {}}}", "the plugin \"IP_ACL\""),
        ("x-toastcloud-apigw: {hmac: {}}", "the plugin \"hmac\""),
    ])
    func otherNames(extension: String, found: String) throws {
        let (_, problems) = try convert("{swagger: '2.0', basePath: /s, paths: {/a: {get: {\(`extension`)}}}}")
        #expect(problems.count == 1 && problems[0].contains("| \(found)"), "\(problems)")
    }

    @Test("literal text of a document is no wildcard", arguments: [
        "openapi: 3.0.0, paths: {/admin/*: {get: {}}}", "openapi: 3.0.0, paths: {/a/**: {get: {}}}", "openapi: 3.0.0, paths: {'/a/{b:.*}': {get: {}}}",
        "openapi: 3.0.0, servers: [{url: 'https://h/api/*/x'}], paths: {/a: {get: {}}}", "swagger: '2.0', basePath: /api/*/x, paths: {/a: {get: {}}}",
        "swagger: '2.0', paths: {/a/**: {get: {x-nhncloud-apigateway: {plugins: {HTTP: {backendEndpointPath: /safe}}}}}}",
        "swagger: '2.0', paths: {/a/*: {get: {x-nhncloud-apigateway: {plugins: {ADD_REQUEST_QUERY_PARAMETER: {parameters: {a: b}}}}}}}",
    ])
    func wildcards(text: String) throws {
        let (_, problems) = try convert("{\(text)}")
        #expect(problems.count == 1, "\(problems)")
    }

    @Test("faults of what is inherited are told of once, at the path")
    func inheritedFaults() throws {
        let (_, problems) = try convert("""
            {swagger: '2.0', paths: {
            /a: {x-nhncloud-apigateway: {plugins: {SET_REQUEST_HEADER: {headers: {A: 1}}, HTTP: {}, RATE_LIMIT: {}}}, get: {}, put: {}},
            /a/b: {get: {}}, /c: {x-nhncloud-apigateway: {plugins: {CORS: {allowedOrigins: ['*']}}}, get: {}}}}
            """)
        #expect(problems.map { String($0.prefix { $0 != "|" }) } == [
            "2:74 paths[\"/a\"].x-nhncloud-apigateway.plugins.SET_REQUEST_HEADER.headers.A ", "2:79 paths[\"/a\"].x-nhncloud-apigateway.plugins.HTTP ",
            "2:89 paths[\"/a\"].x-nhncloud-apigateway.plugins.RATE_LIMIT ", "3:63 paths[\"/c\"].x-nhncloud-apigateway.plugins.CORS ",
        ], "\(problems)")
    }

    @Test("a document has one form of the extension")
    func bothForms() throws {
        let text = "{swagger: '2.0', basePath: /a, x-toastcloud-apigw: {plugins: {}},\npaths: {/x: {get: {x-nhncloud-apigateway: {plugins: {MOCK: {statusCode: 200}}}}}}}"
        #expect(try convert(text).problems == [
            "2:20 paths[\"/x\"].get.x-nhncloud-apigateway | a second version of the extension | either x-toastcloud-apigw or x-nhncloud-apigateway"
        ])
        let twice = "{swagger: '2.0', basePath: /a, x-api-nhn-apigateway: {},\nx-nhncloud-apigateway: {}, paths: {}}"
        #expect(try convert(twice).problems.count == 1)
    }

    @Test("the same CORS on all paths is the domain's", arguments: ["", "PRE_API: {httpMethod: GET, url: 'http://h'}, "])
    func commonCORS(more: String) throws {
        let cors = "x-nhncloud-apigateway: {plugins: {\(more)CORS: {allowedOrigins: ['*'], maxCredentialsAge: -1}}}"
        let (domain, problems) = try convert("{swagger: '2.0', paths: {/a: {\(cors), get: {}}, /a/b: {get: {}}, /c: {\(cors), put: {}}}}")
        #expect(problems == [])
        #expect(domain[["policies", "cors"]].map(Tree.init) == ["origins": ["*"], "maxAge": 0])
    }

    // MARK: There and back

    private func documentThereAndBack(_ document: ConfigurationNode) throws -> ConfigurationNode {
        let problems = Problems(file: "f")
        let configuration = APIDocument.convert(document, problems)
        let key = try #require(configuration["domains"]?.elements?.first?["key"]?.text)
        let read = try #require(ConfigurationNode.load(text: ConfigurationWriter.yaml(configuration), problems: problems))
        let exported = try #require(SwaggerExport.convert(read, domainKey: key, problems))
        #expect(problems.isEmpty, "\(problems.all)")
        return exported
    }

    static let documentTexts = [
        secondFormWithEveryPlugin,
        "{swagger: '2.0', basePath: /s/v1, info: {title: a, version: '1'}, paths: {/x: {get: {x-nhncloud-apigateway: {plugins: {HTTP: {frontendEndpointPath: /x, backendEndpointPath: /y}}}}}}}",
        "{swagger: '2.0', basePath: /s, x-nhncloud-apigateway: {a: 1, plugins: {CORS: {allowedOrigins: ['*']}}}, paths: {/x: {get: {x-nhncloud-apigateway: {plugins: {MOCK: {statusCode: 200}}}}}}}",
        "{swagger: '2.0', basePath: /s, paths: {/x: {x-nhncloud-apigateway: {plugins: {CORS: {allowedOrigins: ['*'], maxCredentialsAge: -1}}}, get: {x-nhncloud-apigateway: {plugins: {MOCK: {statusCode: 200}, CACHE: {a: 1}, REQUEST_VALIDATOR: {isActive: false}}}}}}}",
        "{swagger: '2.0', basePath: /s, paths: {/: {x-nhncloud-apigateway: {plugins: {CORS: {allowedOrigins: ['*'], maxCredentialsAge: -1}}}}, /x: {get: {x-nhncloud-apigateway: {plugins: {MOCK: {statusCode: 200}}}}}}}",
        "{swagger: '2.0', basePath: /s/v1, paths: {'/x/{a}': {get: {x-nhncloud-apigateway: {plugins: {API_KEY: {isActive: true}}}, responses: {}}, put: {responses: {}, x-nhncloud-apigateway: {plugins: {ADD_REQUEST_QUERY_PARAMETER: {parameters: {q: '1', r: '${request.path.a}'}}}}}}}}",
    ]

    @Test("documents come back equal", arguments: documentTexts)
    func documents(text: String) throws {
        let document = try #require(ConfigurationNode.load(text: text, problems: Problems(file: "f")))
        let exported = try documentThereAndBack(document)
        #expect(Tree(exported) == Tree(document), "\(ConfigurationWriter.yaml(exported))")
    }

    @Test("configurations come back equal in this form too", arguments: SwaggerRoundTripTests.smallConfigurations + [
        configurationWithEverything.replacing("key: orders", with: "key: a"),
        "domains: [{key: a, policies: {cors: {origins: ['*']}, rateLimit: [{limit: 5, perSeconds: 1, by: address}]}, endpoints: [{path: /, methods: [GET]}]}]",
        "domains: [{key: a, policies: {rateLimit: [{limit: 5, perSeconds: 2}]}, endpoints: [{path: '/x/{a}', methods: [GET], policies: {rewrite: {pattern: '/x/([^/]+)', to: '/%1?a=%1', query: add}}}]}]",
        "domains: [{key: a, endpoints: [{path: '/x/{a}', methods: [GET, PUT], policies: {rewrite: {pattern: '/x/([^/]+)', to: '/y/%1'}, preCall: {url: 'http://h'}}}]}]",
        "domains: [{key: a, endpoints: [{path: /x, methods: [GET], policies: {apiKey: {}}}, {path: /y, methods: [GET], policies: {apiKey: {hide: false}}}]}]",
        "domains: [{key: a, endpoints: [{path: '/x/*/**', methods: [GET], policies: {headers: {request: {set: {A: '${b}'}, remove: [C]}}}}]}]",
    ])
    func configurations(text: String) throws {
        let problems = Problems(file: "f")
        let configuration = try #require(ConfigurationNode.load(text: text, problems: problems))
        let document = try #require(SwaggerExport.convert(configuration, domainKey: "a", form: .second, problems))
        let imported = APIDocument.convert(try #require(ConfigurationNode.load(text: ConfigurationWriter.json(document), problems: problems)), problems)
        #expect(problems.isEmpty, "\(problems.all)")
        #expect(Tree(imported) == Tree(configuration), "\(ConfigurationWriter.yaml(document))")
        let again = try #require(SwaggerExport.convert(imported, domainKey: "a", form: .first, problems))
        #expect(Tree(APIDocument.convert(again, problems)) == Tree(configuration), "and in the first form")
    }

    @Test("what the form can say is said in it, and not beside it")
    func plain() throws {
        let problems = Problems(file: "f")
        let text = """
            domains:
              - key: a
                errors: v2
                swagger: {swagger: "2.0", info: {title: a, version: "1.0"}, x-nhncloud-apigateway: {}}
                policies: {cors: {origins: ["*"]}, rateLimit: [{limit: 5, perSeconds: 1, by: "header:X"}]}
                endpoints:
                  - {path: "/x/{b}", methods: [GET], policies: {rewrite: {pattern: "/x/([^/]+)", to: "/y/%1?c=%1", query: add}}}
                  - {path: /m, methods: [PUT], policies: {mock: {status: 204}, headers: {response: {set: {A: b}, remove: [C]}}}}
            """
        let configuration = try #require(ConfigurationNode.load(text: text, problems: problems))
        let document = try #require(SwaggerExport.convert(configuration, domainKey: "a", problems))
        #expect(Tree(document) == [
            "swagger": "2.0", "info": ["title": "a", "version": "1.0"], "basePath": "/a",
            "paths": [
                "/x/{b}": ["get": [
                    "parameters": [["name": "b", "in": "path", "required": true, "type": "string"]],
                    "responses": ["default": ["description": "the upstream's response"]],
                    "x-nhncloud-apigateway": ["plugins": [
                        "HTTP": ["frontendEndpointPath": "/x/{b}", "backendEndpointPath": "/y/${request.path.b}"],
                        "ADD_REQUEST_QUERY_PARAMETER": ["parameters": ["c": "${request.path.b}"]],
                    ]],
                ]],
                "/m": ["put": [
                    "responses": ["default": ["description": "the upstream's response"]],
                    "x-nhncloud-apigateway": ["plugins": [
                        "MOCK": ["statusCode": 204], "SET_RESPONSE_HEADER": ["headers": ["A": "b"]], "REMOVE_RESPONSE_HEADER": ["headers": ["C"]],
                    ]],
                ]],
                "/": ["x-nhncloud-apigateway": ["plugins": [
                    "CORS": ["allowedOrigins": ["*"]], "RATE_LIMIT": ["requestPerSec": 5, "keyType": "HEADER", "extraKeyValue": "X"],
                ]]],
            ],
        ], "\(ConfigurationWriter.yaml(document))")
    }
}
