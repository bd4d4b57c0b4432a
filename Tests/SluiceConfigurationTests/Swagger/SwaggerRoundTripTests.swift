import SluiceConfiguration
import Testing

@Suite("Swagger and configuration, there and back")
struct SwaggerRoundTripTests {
    private func node(_ text: String) throws -> ConfigurationNode {
        try #require(ConfigurationNode.load(text: text, problems: Problems(file: "f")))
    }

    /// Document to YAML text to document.
    private func documentThereAndBack(_ document: ConfigurationNode) throws -> ConfigurationNode {
        let problems = Problems(file: "swagger.json")
        let configuration = APIDocument.convert(document, problems)
        let key = try #require(configuration["domains"]?.elements?.first?["key"]?.text)
        let read = try node(ConfigurationWriter.yaml(configuration))
        let exported = try #require(SwaggerExport.convert(read, domainKey: key, problems))
        #expect(problems.isEmpty, "\(problems.all)")
        return exported
    }

    /// Configuration to JSON text to configuration.
    private func configurationThereAndBack(_ configuration: ConfigurationNode, key: String) throws -> ConfigurationNode {
        let problems = Problems(file: "sluice.yaml")
        let document = try #require(SwaggerExport.convert(configuration, domainKey: key, problems))
        let imported = APIDocument.convert(try node(ConfigurationWriter.json(document)), problems)
        #expect(problems.isEmpty, "\(problems.all)")
        return imported
    }

    @Test("a document with every plugin comes back equal")
    func everyPlugin() throws {
        let document = try node(swaggerWithEveryPlugin)
        #expect(Tree(try documentThereAndBack(document)) == Tree(document))
    }

    @Test("a configuration with everything comes back equal")
    func everything() throws {
        let configuration = try node(configurationWithEverything)
        #expect(Tree(try configurationThereAndBack(configuration, key: "orders")) == Tree(configuration))
    }

    @Test("an imported document's configuration comes back equal, also after changes", arguments: [
        [], ["key: orders", "key: other"], ["hosts: [a.example.com]"],
    ])
    func importedConfiguration(change: [String]) throws {
        let problems = Problems(file: "f")
        let imported = APIDocument.convert(try node(swaggerWithEveryPlugin), problems)
        var text = ConfigurationWriter.yaml(imported)
        var key = "orders"
        if change.count == 2 {
            text = text.replacing(change[0], with: change[1])
            key = "other"
        } else if let added = change.first {
            text = text.replacing("    upstream:", with: "    \(added)\n    upstream:")
        }
        let configuration = try node(text)
        #expect(change.isEmpty == (Tree(configuration) == Tree(imported)))
        #expect(Tree(try configurationThereAndBack(configuration, key: key)) == Tree(configuration))
    }

    @Test("an exported document, edited by hand, comes back equal")
    func editedExport() throws {
        let problems = Problems(file: "f")
        var document = try #require(
            SwaggerExport.convert(try node(configurationWithEverything), domainKey: "orders", problems))
        document.set(["info", "description"], ConfigurationNode(.string("added")))
        document.set(["paths", "/hello", "get", "summary"], ConfigurationNode(.string("added")))
        document.set([
            "x-toastcloud-apigw", "plugins", "HMAC", "clockSkew",
        ], ConfigurationNode(.integer(60)))
        let configuration = APIDocument.convert(document, problems)
        #expect(configuration["domains"]?.elements?.first?[["policies", "hmac", "clockSkew"]].map(Tree.init) == 60)
        #expect(Tree(try documentThereAndBack(document)) == Tree(document))
        #expect(problems.isEmpty)
    }

    static let smallDocuments = [
        "{swagger: '2.0', basePath: /api/v2.0, paths: {/a: {get: {}}, '/b/{c}': {post: {}}}}",
        "{swagger: '2.0', basePath: /api/v2.0, paths: {}}",
        "{swagger: '2.0', info: {title: x, version: '1'}, paths: {/a: {get: {}}}}",
        "{swagger: '2.0', basePath: /a, paths: {/x: {get: {x-toastcloud-apigw: {plugins: {CACHE: {ttl: 5}, MOCK: {statusCode: 200}}}}}}}",
        "{swagger: '2.0', basePath: /a, paths: {/x: {get: {x-toastcloud-apigw: {plugins: {CACHE: {ttl: 5}}}}}}, x-toastcloud-apigw: {plugins: {MONITOR: {type: DOMAIN}}}}",
        "{swagger: '2.0', basePath: /a, paths: {/x: {get: {}}}, x-toastcloud-apigw: {plugins: {MONITOR: {type: DOMAIN}, HTTP_PROXY: {url: 'http://h'}, MOCK: {statusCode: 200}}}}",
        "{swagger: '2.0', info: {title: a, version: '1.0'}, basePath: /a, paths: {}}",
        "{swagger: 2.0, basePath: /a/, paths: {}}",
        "{swagger: '2.0', info: {title: My API}, host: 'api.example.com:8443', paths: {/x: {get: {}}}}",
        "{swagger: '2.0', host: api.example.com, basePath: /, paths: {/x: {get: {responses: {}}}}}",
        "{swagger: '2.0', basePath: /a, x-toastcloud-apigw: {}, paths: {/x: {get: {x-toastcloud-apigw: {plugins: {HEADER: {}}}}}}}",
        "{swagger: '2.0', basePath: /a, x-toastcloud-apigw: {plugins: {}}, paths: {/: {get: {}, post: {}}}}",
        "{swagger: '2.0', basePath: /a, paths: {}, x-toastcloud-apigw: {plugins: {JWT: {secretKey: \"-----BEGIN PUBLIC KEY-----\\nAA==\\n-----END PUBLIC KEY-----\\n\"}}}}",
        "{swagger: '2.0', basePath: /a, paths: {/x: {get: {}}, /y: {get: {}}}, x-toastcloud-apigw: {plugins: {HEADER: {requestHeaders: [{name: a, value: b}]}}}}",
    ]

    @Test("small documents come back equal", arguments: smallDocuments)
    func small(text: String) throws {
        let document = try node(text)
        #expect(Tree(try documentThereAndBack(document)) == Tree(document))
    }

    static let smallConfigurations = [
        "domains: [{key: a}]", "domains: [{key: a, endpoints: []}]", "domains: [{key: a, endpoints: [], policies: {}}]",
        "domains: [{key: a, endpoints: {}}]", "domains: [{key: a, policies: text, swagger: text}]",
        "domains: [{key: a, upstream: []}]", "domains: [{key: a, upstream: [{url: http://h, weight: 1}]}]",
        "domains: [{key: a, policies: {jwt: {secret: s}, hmac: {secret: {file: f}}}}]",
        "domains: [{key: a, policies: {jwt: {algorithm: HS256, secret: {file: f}}, hmac: {clockSkew: 5}}}]",
        "domains: [{key: a, policies: {jwt: {algorithm: RS256, publicKey: {file: f}}, ipAcl: {permit: false}}}]",
        "domains: [{key: a, policies: {jwt: {algorithm: RS256, publicKey: \"-----BEGIN PUBLIC KEY-----\\nx\"}}}]",
        "domains: [{key: a, policies: {jwt: {algorithm: HS256, secret: \"-----BEGIN PUBLIC KEY-----\\nx\"}}}]",
        "domains: [{key: a, swagger: {basePath: /b, info: {title: c}}}]",
        "domains: [{key: a, swagger: {basePath: null, host: h, info: {title: A}}, hosts: [h]}]",
        "domains: [{key: a, swagger: {basePath: null, host: h, info: {title: B}}, hosts: [i]}]",
        "domains: [{key: a, endpoints: [{path: /x, methods: [GET], swagger: {get: {summary: s}, put: {a: 1}, b: 2}}]}]",
        "domains: [{key: a, swagger: {x-toastcloud-apigw: {plugins: {MOCK: {statusCode: 200}}}}, endpoints: [{path: /x, methods: [GET]}]}]",
        "domains: [{key: a, endpoints: [{path: x, methods: [GET]}, {path: /x, methods: [get]}, {path: /x, methods: []}, {path: /x}]}]",
        "domains: [{key: a, endpoints: [{path: /b, methods: [GET]}, {path: /a, methods: [GET]}, {path: /b, methods: [PUT]}, 5]}]",
    ]

    @Test("small configurations come back equal, valid or not", arguments: smallConfigurations)
    func smallConfiguration(text: String) throws {
        let configuration = try node(text)
        #expect(Tree(try configurationThereAndBack(configuration, key: "a")) == Tree(configuration))
    }
}
