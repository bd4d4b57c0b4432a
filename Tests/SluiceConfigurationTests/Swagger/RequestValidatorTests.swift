import SluiceConfiguration
import Testing

/// REQUEST_VALIDATOR of the second form: what a document says of bodies becomes `validate`, and comes back.
@Suite("REQUEST_VALIDATOR")
struct RequestValidatorTests {
    private static let plugins = "x-nhncloud-apigateway: {plugins: {REQUEST_VALIDATOR: {isActive: true}}}"

    private func convert(_ text: String) throws -> (policy: Tree?, problems: Problems, domain: ConfigurationNode) {
        let problems = Problems(file: "f", environment: [:])
        let document = try #require(ConfigurationNode.load(text: "{\(text.replacing("PLUGINS", with: Self.plugins))}", problems: problems))
        let domain = try #require(APIDocument.convert(document, problems)["domains"]?.elements?.first)
        return (domain["endpoints"]?.elements?.first?[["policies", "validate"]].map(Tree.init), problems, domain)
    }

    private static let schema = """
        {contentTypes: [application/json], required: false, schema: {$ref: '#/definitions/r0', definitions: {
        r0: {type: object, properties: {a: {type: integer, allOf: [{minimum: -2147483648, maximum: 2147483647}]}, b: {$ref: '#/definitions/r0'}}}}}}
        """
    private static let members = "{type: object, properties: {a: {type: integer, format: int32}, b: {$ref: '#/WHERE/S'}}}"

    /// Documents, and the policy of their operation.
    private static let documents: [(String, String)] = [
        ("openapi: 3.0.0, paths: {/a: {post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/S'}}}}, PLUGINS}}}, "
            + "components: {schemas: {S: \(members.replacing("WHERE", with: "components/schemas"))}}",
            "{body: \(schema)}"),
        ("openapi: 3.0.0, paths: {/a: {PLUGINS, post: {requestBody: {$ref: '#/components/requestBodies/B'}}}}, "
            + "components: {requestBodies: {B: {required: true, content: {text/csv: {}}}}}",
            "{body: {contentTypes: [text/csv]}}"),
        ("swagger: '2.0', paths: {/a: {post: {parameters: [{in: body, name: b, schema: {$ref: '#/definitions/S'}}], PLUGINS}}}, "
            + "definitions: {S: \(members.replacing("WHERE", with: "definitions"))}",
            "{body: \(schema)}"),
        ("swagger: '2.0', consumes: [application/JSON], paths: {/a: {post: {parameters: [{in: body, required: true, name: b, "
            + "schema: {x-nullable: true, type: string, example: a}}, {in: query, name: q, required: true, type: string}], PLUGINS}}}",
            "{query: {required: [q]}, body: {contentTypes: [application/json], schema: {type: [string, 'null']}}}"),
        ("swagger: '2.0', paths: {/a: {post: {consumes: [application/x-www-form-urlencoded], parameters: [{in: formData, name: a, required: true, "
            + "type: integer}, {in: formData, name: b, type: string}], PLUGINS}}}",
            "{form: {required: [a]}}"),
        ("openapi: 3.0.0, paths: {/a: {post: {requestBody: {content: {application/x-www-form-urlencoded: {schema: {required: [a], "
            + "properties: {a: {}, b: {}}}}}}, PLUGINS}}}",
            "{form: {required: [a]}}"),
        ("swagger: '2.0', paths: {/a: {post: {parameters: [{in: formData, name: a, type: string}], PLUGINS}}}",
            "{body: {contentTypes: [application/x-www-form-urlencoded], required: false}}"),
    ]

    @Test("bodies and forms: the schema comes with all that it refers to", arguments: documents)
    func bodies(text: String, policy: String) throws {
        let (found, problems, _) = try convert(text)
        #expect(problems.all.isEmpty, "\(problems.all)")
        #expect(found == load(policy).tree)
    }

    @Test("what cannot be checked is a problem", arguments: [
        ("swagger: '2.0', paths: {/a: {post: {parameters: [{in: body, name: b, schema: {$ref: '#/definitions/S'}}], PLUGINS}}}", "the reference \"#/definitions/S\" to nothing"),
        ("swagger: '2.0', paths: {/a: {post: {consumes: [application/x-www-form-urlencoded, multipart/form-data], parameters: [{in: formData, name: a, type: string}], PLUGINS}}}",
            "a form beside other types of the body"),
        ("openapi: 3.0.0, paths: {/a: {post: {requestBody: {content: {application/json: {schema: {type: string}}, application/hal+json: {schema: {type: object}}}}, PLUGINS}}}",
            "another schema for another type of JSON"),
    ])
    func faults(text: String, found: String) throws {
        let problems = try convert(text).problems.all.filter { !$0.isNote }
        #expect(problems.map(\.found) == [found])
    }

    @Test("types that are not looked into are told of")
    func notes() throws {
        let text = "openapi: 3.0.0, paths: {/a: {post: {requestBody: {content: {application/json: {schema: {type: string}}, application/xml: {}}}, PLUGINS}}}"
        let problems = try convert(text).problems
        #expect(problems.isEmpty && problems.all.map(\.found) == [
            "bodies of the type application/xml are not looked into: a client that sends one passes"
        ])
    }

    // MARK: Export

    private func exported(_ domain: ConfigurationNode) throws -> ConfigurationNode {
        let problems = Problems(file: "f", environment: [:])
        let configuration = ConfigurationNode(.mapping([])).setting("domains", ConfigurationNode(.sequence([domain])))
        let key = try #require(domain["key"]?.text)
        let document = try #require(SwaggerExport.convert(configuration, domainKey: key, form: .second, problems))
        let again = APIDocument.convert(document, problems)
        #expect(problems.isEmpty && again["domains"]?.elements?.first?.hasSameContent(as: domain) == true, "\(ConfigurationWriter.yaml(document))")
        return document
    }

    private static let post = "post: {parameters: [{in: body, name: b, required: true, schema: {type: string}}], responses: {}"

    /// Of the operation at `/a`.
    private func plugins(_ document: ConfigurationNode) -> Tree? {
        document["paths"]?["/a"]?["post"]?["x-nhncloud-apigateway"]?["plugins"].map { Tree($0.setting("HTTP", nil)) }
    }

    private static let active = "x-nhncloud-apigateway: {plugins: {API_KEY: {isActive: true}}}"
    private static let inactive = "x-nhncloud-apigateway: {plugins: {API_KEY: {isActive: false}}}"
    private static let whole = "{body: {contentTypes: [application/json], schema: {type: string}}}"

    private struct Case: Sendable {
        /// The path as it is imported.
        let item: String
        /// What an operator makes of the operation's policies; nil for what they are.
        let policies: String?
        /// Plugins that the operation has in the export.
        let expected: String

        init(_ item: String, _ policies: String?, _ expected: String) {
            self.item = item
            self.policies = policies
            self.expected = expected
        }
    }

    private static let validated = "{REQUEST_VALIDATOR: {isActive: true}}"
    private static let unvalidated = "{REQUEST_VALIDATOR: {isActive: false}}"
    private static let keyed = "{API_KEY: {isActive: true}}"
    private static let open = "{API_KEY: {isActive: false}}"

    private static let cases: [Case] = [
        Case("PLUGINS, \(post)}", nil, "{}"), Case("\(post), PLUGINS}", nil, validated), Case("\(post)}", "{validate: \(whole)}", validated),
        Case("\(post)}", "{validate: true}", validated), Case("\(post)}", "{validate: {query: {required: [x]}}}", "{}"), Case("\(post), PLUGINS}", "{}", "{}"),
        Case("PLUGINS, \(post)}", "{}", unvalidated), Case("PLUGINS, \(post), \(plugins.replacing("true", with: "false"))}", nil, unvalidated),
        Case("\(post), \(inactive)}", "{apiKey: {}}", keyed), Case("\(post), \(inactive)}", nil, open), Case("\(active), \(post)}", "{}", open),
        Case("\(active), \(post)}", "{apiKey: {header: x-key}}", "{}"), Case("\(active), \(post), \(active)}", nil, keyed),
        Case("\(active), \(post), \(inactive)}", "{apiKey: {}}", keyed), Case("\(post)}", "{apiKey: {header: x-key}}", keyed), Case("\(post), \(active)}", "{}", "{}"),
    ]

    @Test("an export writes what the policies say, whatever the document said", arguments: cases.map { ($0.item, $0.policies, $0.expected) })
    func export(item: String, policies: String?, expected: String) throws {
        var domain = try convert("swagger: '2.0', basePath: /s, paths: {/a: {\(item)}}").domain
        if let policies {
            var endpoints = domain["endpoints"]?.elements ?? []
            try #require(endpoints.count == 1)
            let node = ConfigurationNode.load(text: policies, problems: Problems(file: "f"))
            endpoints[0].set("policies", node?.isEmptyMapping == true ? nil : node)
            domain.set("endpoints", ConfigurationNode(.sequence(endpoints)))
        }
        #expect(plugins(try exported(domain)) ?? [:] == load(expected).tree)
    }
}
