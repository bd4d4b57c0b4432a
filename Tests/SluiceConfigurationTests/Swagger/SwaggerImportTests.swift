import SluiceConfiguration
import Testing

@Suite("Swagger import")
struct SwaggerImportTests {
    private func convert(_ text: String) throws -> (domain: Tree, problems: [String], node: ConfigurationNode) {
        let problems = Problems(file: "swagger.json")
        let document = try #require(ConfigurationNode.load(text: text, problems: problems))
        let configuration = APIDocument.convert(document, problems)
        let domain = try #require(configuration["domains"]?.elements?.first)
        return (Tree(domain), summaries(problems), domain)
    }

    /// A document with one plugin at its top, or in one operation.
    private func convert(plugin: String, isTop: Bool) throws -> (policies: Tree?, problems: [String]) {
        let plugins = "x-toastcloud-apigw: {plugins: {\n\(plugin)}}"
        let top = isTop ? ", \(plugins)" : ""
        let operation = isTop ? "" : plugins
        let (domain, problems, _) = try convert(
            "{swagger: '2.0', basePath: /a, paths: {/x: {get: {\(operation)}}}\(top)}")
        guard case .mapping(let keys) = domain, case .list(let endpoints) = keys["endpoints"],
            case .mapping(let endpoint) = endpoints.first
        else { return (nil, problems) }
        return (isTop ? keys["policies"] : endpoint["policies"], problems)
    }

    @Test("what is a document")
    func isDocument() throws {
        for (text, expected) in [("swagger: '2.0'", true), ("swagger: 2.0", true), ("openapi: 3.0.0", true), ("{openapi: 3.0.0, domains: []}", false), ("domains: []", false)] {
            let node = try #require(ConfigurationNode.load(text: text, problems: Problems(file: "f")))
            #expect(APIDocument.isDocument(node) == expected)
        }
    }

    @Test("every plugin becomes its policy; defaults of operations reach those without their own")
    func everyPlugin() throws {
        let (domain, problems, _) = try convert(swaggerWithEveryPlugin)
        #expect(problems == [])
        guard case .mapping(var keys) = domain, case .list(let endpoints) = keys["endpoints"] else {
            Issue.record("no endpoints")
            return
        }
        keys["endpoints"] = nil
        keys["swagger"] = nil
        #expect(Tree.mapping(keys) == [
            "key": "orders", "upstream": "http://127.0.0.1:9000/base",
            "policies": [
                "ipAcl": ["permit": true, "addresses": ["10.0.0.0/8", "::1"]],
                "usageQuota": [["limit": 100_000, "perSeconds": 86_400], ["limit": 500, "perSeconds": 1]],
                "maintenance": ["enabled": false, "status": 503, "headers": ["Retry-After": "120"], "body": "back soon"],
                "hmac": ["secret": "s3cret", "clockSkew": 300, "algorithms": ["HmacSHA1", "HmacSHA256"]],
                "jwt": ["secret": ["env": "JWT_KEY"], "clockSkew": 30, "issuer": "idp", "algorithm": "HS256"],
                "cors": [
                    "origins": ["https://app.example.com"], "methods": ["GET", "POST"], "headers": ["Authorization"],
                    "expose": [], "credentials": true, "maxAge": 600,
                ],
            ],
        ])
        func policies(_ index: Int) -> [String: Tree] {
            guard case .mapping(let endpoint) = endpoints[index], case .mapping(let policies) = endpoint["policies"] else {
                return [:]
            }
            return policies
        }
        try #require(endpoints.count == 5)
        let rewrite: Tree = ["pattern": "/(.*)", "to": "/api/%1"]
        #expect(Tree.mapping(policies(0)) == [
            "usageQuota": [["limit": 10, "perSeconds": 1]],
            "preCall": ["method": "GET", "url": "http://127.0.0.1:9100/authorise"],
            "rewrite": ["pattern": "/members/(.*)", "to": "/m/%1"],
            "headers": ["request": ["set": ["X-Gateway": "sluice"]], "response": ["set": ["X-Served-By": "sluice"]]],
        ])
        #expect(endpoints[1] == ["path": "/members/{memberId}", "methods": ["DELETE"], "policies": ["rewrite": rewrite]])
        #expect(Tree.mapping(policies(2)) == [
            "mock": ["status": 200, "headers": ["Content-Type": "text/plain"], "body": "hello world"], "rewrite": rewrite,
        ])
        #expect(policies(3) == ["rewrite": rewrite] && policies(4) == ["rewrite": rewrite])
    }

    @Test("nodes of the configuration keep their places in the document")
    func places() throws {
        let (_, _, domain) = try convert(swaggerWithEveryPlugin)
        let secret = try #require(domain[["policies", "hmac", "secret"]])
        #expect(secret.position == SourcePosition(line: 18, column: 29))
        #expect(secret.keyPath == "x-toastcloud-apigw.plugins.HMAC.secretKey")
        let endpoint = try #require(domain["endpoints"]?.elements?.first)
        #expect(endpoint["path"]?.position == SourcePosition(line: 28, column: 5))
        #expect(endpoint["path"]?.keyPath == "paths[\"/members/{memberId}\"]")
        #expect(endpoint["methods"]?.elements?.first?.position == SourcePosition(line: 30, column: 7))
        let pattern = try #require(endpoint[["policies", "rewrite", "pattern"]])
        #expect(pattern.position == SourcePosition(line: 38, column: 43))
        #expect(pattern.keyPath
            == "paths[\"/members/{memberId}\"].get.x-toastcloud-apigw.plugins.URI_REWRITE.uriPattern")
    }

    @Test("plugins are also taken from a list and from the extension itself", arguments: [
        "{plugins: [{type: HTTP_PROXY, url: http://h}, {name: IPACL, isPermit: false, ipList: []}]}",
        "{HTTP_PROXY: {url: http://h}, IPACL: {isPermit: false, ipList: []}}",
        "{HTTP_PROXY: {url: http://h}, plugins: {IPACL: {isPermit: false, ipList: []}}}",
    ])
    func pluginForms(text: String) throws {
        let (domain, problems, _) = try convert(
            "{swagger: '2.0', info: {title: a, version: '1.0'}, basePath: /a, paths: {}, x-toastcloud-apigw: \(text)}")
        #expect(problems == [])
        #expect(domain == [
            "key": "a", "upstream": "http://h", "policies": ["ipAcl": ["permit": false, "addresses": []]], "endpoints": [],
        ])
    }

    static let pluginFields: [(String, Bool, Tree)] = [
        ("HEADER: {requestHeaders: [{name: A, value: b}], responseHeaders: {C: d}}", false,
            ["headers": ["request": ["set": ["A": "b"]], "response": ["set": ["C": "d"]]]]),
        ("CORS: {allowedOrigins: '*'}", true, ["cors": ["origins": "*"]]),
        ("JWT: {secretKey: \"\\n-----BEGIN CERTIFICATE-----\"}", true,
            ["jwt": ["publicKey": "\n-----BEGIN CERTIFICATE-----", "algorithm": "RS256"]]),
        ("JWT: {secretKey: \"-----BEGIN PRIVATE KEY-----\"}", true,
            ["jwt": ["secret": "-----BEGIN PRIVATE KEY-----", "algorithm": "HS256"]]),
        ("MAINTENANCE: {isUse: true, headers: [{name: A, value: b}]}", true,
            ["maintenance": ["enabled": true, "headers": ["A": "b"]]]),
    ]

    @Test("forms of single plugins", arguments: pluginFields)
    func singlePlugin(plugin: String, isTop: Bool, expected: Tree) throws {
        let (policies, problems) = try convert(plugin: plugin, isTop: isTop)
        #expect(problems == [])
        #expect(policies == expected)
    }

    static let wrongPlugins: [(String, Bool, [String])] = [
        ("HTTP_PROXY: {}", true, ["2:13 x-toastcloud-apigw.plugins.HTTP_PROXY.url | nothing | text (required)"]),
        ("HTTP_PROXY: {url: 5}", true, ["2:19 x-toastcloud-apigw.plugins.HTTP_PROXY.url | the integer 5 | text"]),
        ("HTTP_PROXY: http", true, ["2:13 x-toastcloud-apigw.plugins.HTTP_PROXY | the text \"http\" | a mapping"]),
        ("IPACL: {isPermit: 'y', ipList: [{ip: 1}, a, {}]}", true, [
            "2:19 x-toastcloud-apigw.plugins.IPACL.isPermit | the text \"y\" | true or false",
            "2:38 x-toastcloud-apigw.plugins.IPACL.ipList[0].ip | the integer 1 | text",
            "2:42 x-toastcloud-apigw.plugins.IPACL.ipList[1] | the text \"a\" | a mapping",
            "2:45 x-toastcloud-apigw.plugins.IPACL.ipList[2].ip | nothing | text (required)",
        ]),
        ("USAGE_QUOTA: {usageQuotaBeans: [{maxUsageQuota: '1', resetTimeSeconds: 1, x: 2}]}", true, [
            "2:49 x-toastcloud-apigw.plugins.USAGE_QUOTA.usageQuotaBeans[0].maxUsageQuota | the text \"1\" | an integer",
            "2:75 x-toastcloud-apigw.plugins.USAGE_QUOTA.usageQuotaBeans[0].x | the unknown key \"x\""
                + " | maxUsageQuota or resetTimeSeconds",
        ]),
        ("HMAC: {secretKey: 8675309, clockSkew: '5'}", true, [
            "2:19 x-toastcloud-apigw.plugins.HMAC.secretKey | an integer | text, {env: NAME} or {file: PATH}",
            "2:39 x-toastcloud-apigw.plugins.HMAC.clockSkew | the text \"5\" | an integer",
        ]),
        ("HMAC: {secretkey: s3cret}", true, [
            "2:7 x-toastcloud-apigw.plugins.HMAC.secretKey | nothing | text, {env: NAME} or {file: PATH} (required)",
            "2:8 x-toastcloud-apigw.plugins.HMAC.secretkey | the unknown key \"secretkey\" (did you mean secretKey?)"
                + " | secretKey or clockSkew",
        ]),
        ("HMCA: {secretKey: s3cret}", true, [
            "2:1 x-toastcloud-apigw.plugins.HMCA | the plugin \"HMCA\" (did you mean HMAC?) | HTTP_PROXY, IPACL,"
                + " USAGE_QUOTA, MAINTENANCE, CORS, HMAC, JWT, ENDPOINT_USAGE_QUOTA, PRE_API, URI_REWRITE, HEADER or MOCK"
        ]),
        ("HMAC: {secretKey: s3cret}", false, [
            "2:1 paths[\"/x\"].get.x-toastcloud-apigw.plugins.HMAC | the plugin \"HMAC\""
                + " | ENDPOINT_USAGE_QUOTA, PRE_API, URI_REWRITE, HEADER or MOCK"
        ]),
        ("HEADER: {requestHeaders: [{name: a, value: b}, {name: a, value: c}], responseHeaders: {x: 1}}", false, [
            "2:55 paths[\"/x\"].get.x-toastcloud-apigw.plugins.HEADER.requestHeaders[1].name | the name \"a\" a second time"
                + " | each name once",
            "2:91 paths[\"/x\"].get.x-toastcloud-apigw.plugins.HEADER.responseHeaders.x | the integer 1 | text (in quotes)",
        ]),
        ("MOCK: {body: {}}", false, [
            "2:7 paths[\"/x\"].get.x-toastcloud-apigw.plugins.MOCK.statusCode | nothing | an integer (required)",
            "2:14 paths[\"/x\"].get.x-toastcloud-apigw.plugins.MOCK.body | a mapping | text",
        ]),
        ("CORS: {allowedOrigins: [1]}", true,
            ["2:25 x-toastcloud-apigw.plugins.CORS.allowedOrigins[0] | the integer 1 | text (in quotes)"]),
    ]

    @Test("wrong plugins are reported where they stand, without secrets", arguments: wrongPlugins)
    func wrongPlugin(plugin: String, isTop: Bool, expected: [String]) throws {
        #expect(try convert(plugin: plugin, isTop: isTop).problems == expected)
    }

    @Test("a plugin in two forms at once is reported")
    func pluginTwice() throws {
        let text = "{swagger: '2.0', basePath: /a, paths: {},\nx-toastcloud-apigw: {plugins: [{type: MOCK, statusCode: 200}, {type: MOCK, statusCode: 201}, 5]}}"
        let problems = try convert(text).problems
        #expect(problems == [
            "2:70 x-toastcloud-apigw.plugins[1].type | the plugin \"MOCK\" a second time | each plugin once",
            "2:94 x-toastcloud-apigw.plugins[2] | an integer | a mapping with the plugin's type",
        ])
    }

    static let addresses: [(String, String, Tree?)] = [
        ("basePath: /orders", "orders", nil), ("basePath: /orders/, host: h", "orders", nil),
        ("host: 'api.example.com:8443', info: {title: My Orders (v2)}", "my-orders-v2", ["api.example.com"]),
        ("host: api.example.com, basePath: /", "api-example-com", ["api.example.com"]),
        ("basePath: /api/v2.0", "api", nil), ("basePath: /api/v2/, host: h", "api", nil), ("basePath: /, info: {title: X y}", "x-y", nil),
        ("a: b", "api", nil),
    ]

    @Test(
        "base path and host: one segment is the key; without a base path the API is at the host's root",
        arguments: addresses)
    func address(text: String, key: String, hosts: Tree?) throws {
        let (domain, problems, _) = try convert("{swagger: '2.0', \(text), paths: {}}")
        guard case .mapping(let keys) = domain else { return }
        #expect(problems == [])
        #expect(keys["key"] == .string(key))
        #expect(keys["hosts"] == hosts)
    }

    @Test("base paths that are no key are reported", arguments: [
        ("basePath: a", "1:28 basePath | the text \"a\""), ("basePath: 5", "1:28 basePath | the integer 5"),
        ("basePath: a/b", "1:28 basePath | the text \"a/b\""),
    ])
    func wrongAddresses(text: String, found: String) throws {
        #expect(try convert("{swagger: '2.0', \(text), paths: {}}").problems == [
            found + " | a basePath that begins with a slash and whose first segment is the domain's key"
        ])
    }

    @Test("of a longer base path, what is not the key stands in front of the endpoints' paths", arguments: [
        ("/api/v2.0", nil, "api", "/v2.0/a"), ("/api/v2.0/", "api", "api", "/v2.0/a"), ("/api/v2.0", "harbor", "harbor", "/api/v2.0/a"),
        ("/orders", nil, "orders", "/a"), ("/orders", "o", "o", "/orders/a"), ("/", "o", "o", "/a"),
    ] as [(String, String?, String, String)])
    func longBasePath(basePath: String, chosen: String?, key: String, path: String) throws {
        let problems = Problems(file: "f")
        let text = "{swagger: '2.0', basePath: '\(basePath)', paths: {/a: {get: {}}}}"
        let document = try #require(ConfigurationNode.load(text: text, problems: problems))
        let domain = try #require(APIDocument.convert(document, key: chosen, problems)["domains"]?.elements?.first)
        #expect(problems.isEmpty && domain["key"]?.text == key && domain["endpoints"]?.elements?.first?["path"]?.text == path)
    }

    @Test("plugins without effect are noted where they stand, known ones at the wrong level and mistyped ones are faults")
    func ignoredPlugins() throws {
        let text = "{swagger: '2.0', basePath: /a, paths: {/x: {get: {x-toastcloud-apigw: {plugins: {CACHE: {ttl: 5}, MOCK: {statusCode: 200}}}}}},\n"
            + "x-toastcloud-apigw: {plugins: {MONITOR: {type: DOMAIN}, HTTP_PROXY: {url: 'http://h'}}, ABC_D: {}}}"
        let problems = Problems(file: "f")
        let document = try #require(ConfigurationNode.load(text: text, problems: problems))
        _ = APIDocument.convert(document, problems)
        #expect(problems.isEmpty)
        #expect(problems.all.map(\.found) == ["CACHE", "MONITOR", "ABC_D"].map { "the plugin \"\($0)\" has no effect here; an export writes it again" })
    }

    @Test("faults of the document itself are reported together")
    func documentFaults() throws {
        #expect(try convert("swagger: '1.2'\nbasePath: /a\n").problems == [
            "1:1 paths | nothing | a mapping of paths (required)", "1:10 swagger | the text \"1.2\" | \"2.0\"",
        ])
        let text = "swagger: '2.0'\nbasePath: /a\npaths:\n  /x: 5\n  /y: {get: 6, put: {x-toastcloud-apigw: 7}}\nx-sluice: {wrong: 1}"
        let problems = try convert(text).problems
        #expect(problems == [
            "4:7 paths[\"/x\"] | the integer 5 | a mapping", "5:13 paths[\"/y\"].get | the integer 6 | a mapping",
            "5:42 paths[\"/y\"].put.x-toastcloud-apigw | the integer 7 | a mapping with plugins",
            "6:12 x-sluice.wrong | the unknown key \"wrong\" | domain, configuration, endpoints, order or prefix",
        ])
    }
}
