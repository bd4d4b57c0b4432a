import SluiceConfiguration
import Testing

@Suite("Swagger export")
struct SwaggerExportTests {
    private func export(_ text: String, key: String = "orders") throws -> (document: Tree?, problems: [String]) {
        let problems = Problems(file: "f")
        let node = try #require(ConfigurationNode.load(text: text, problems: problems))
        return (SwaggerExport.convert(node, domainKey: key, problems).map(Tree.init), summaries(problems))
    }

    @Test("plugins say what they can, x-sluice says the rest and nothing twice")
    func division() throws {
        let (document, problems) = try export("""
            domains:
              - key: orders
                hosts: [a.example.com]
                upstream: http://h
                policies: {hmac: {secret: {env: KEY}, clockSkew: 5, algorithms: [HmacSHA256], replayProtection: true}}
                endpoints:
                  - {path: /x, methods: [GET, POST], policies: {rewrite: {pattern: a, to: b}}}
            """)
        #expect(problems == [])
        let plugins: Tree = ["plugins": ["URI_REWRITE": ["uriPattern": "a", "rewriteUri": "b"]]]
        let responses: Tree = ["default": ["description": "the upstream's response"]]
        #expect(document == [
            "swagger": "2.0", "info": ["title": "orders", "version": "1.0"], "basePath": "/orders",
            "x-toastcloud-apigw": [
                "plugins": ["HTTP_PROXY": ["url": "http://h"], "HMAC": ["secretKey": ["env": "KEY"], "clockSkew": 5]]
            ],
            "paths": [
                "/x": [
                    "get": ["responses": responses, "x-toastcloud-apigw": plugins],
                    "post": ["responses": responses, "x-toastcloud-apigw": plugins, "x-sluice": ["sameAs": "get"]],
                ]
            ],
            "x-sluice": [
                "domain": [
                    "hosts": ["a.example.com"],
                    "policies": ["hmac": ["algorithms": ["HmacSHA256"], "replayProtection": true]],
                ]
            ],
        ])
    }

    @Test("variables of a path are declared, unless the path's own parameters do")
    func pathParameters() throws {
        let (document, problems) = try export("""
            domains:
              - key: orders
                swagger: {swagger: "2.0", paths: {"/b/{c}/{d}": {parameters: [{$ref: "#/parameters/c"}]}}, parameters: {c: {name: c, in: path}}}
                endpoints: [{path: "/a/{b}/{b2}.json", methods: [GET]}, {path: "/b/{c}/{d}", methods: [GET]}, {path: "/**", methods: [GET]}]
            """)
        #expect(problems == [])
        func names(_ path: String) -> [Tree] {
            guard case .mapping(let keys) = document, case .mapping(let paths) = keys["paths"], case .mapping(let item) = paths[path],
                case .mapping(let operation) = item["get"], case .list(let parameters) = operation["parameters"] else { return [] }
            return parameters.map { if case .mapping(let parameter) = $0 { parameter["name"] ?? 0 } else { 0 } }
        }
        #expect(names("/a/{b}/{b2}.json") == ["b", "b2"] && names("/b/{c}/{d}") == ["d"] && names("/**") == [])
    }

    @Test("a public key by reference is never written where it could be taken for a shared secret")
    func publicKeyReference() throws {
        let (document, _) = try export(
            "domains: [{key: orders, policies: {jwt: {algorithm: RS256, publicKey: {file: idp.pem}}}}]")
        guard case .mapping(let keys) = document else {
            Issue.record("no document")
            return
        }
        #expect(keys["x-toastcloud-apigw"] == nil)
        #expect(keys["x-sluice"] == [
            "domain": ["endpoints": nil, "policies": ["jwt": ["algorithm": "RS256", "publicKey": ["file": "idp.pem"]]]]
        ])
    }

    @Test("of several domains one is written, with its own project only")
    func severalDomains() throws {
        let (document, problems) = try export("""
            trustedProxies: ["::1"]
            projects: {shop: {ceiling: 1}, bank: {ceiling: 2}}
            domains: [{key: bank, project: bank, upstream: http://bank}, {key: orders, project: shop, endpoints: []}]
            """)
        #expect(problems == [])
        guard case .mapping(let keys) = document else { return }
        #expect(keys["x-sluice"] == [
            "configuration": ["trustedProxies": ["::1"], "projects": ["shop": ["ceiling": 1]]],
            "domain": ["project": "shop"],
        ])
        #expect(keys["x-toastcloud-apigw"] == nil)
    }

    @Test("an unknown key is reported with those that there are")
    func unknownDomain() throws {
        #expect(try export("a: 1\ndomains: [{key: x}, {key: y}]", key: "z").problems
            == ["2:10 domains | no domain with the key \"z\" | x or y"])
        #expect(try export("a: 1", key: "z").problems == ["1:1  | no domain with the key \"z\" | nothing"])
    }
}
