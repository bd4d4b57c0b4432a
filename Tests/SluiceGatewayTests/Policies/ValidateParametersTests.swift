import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// `validate` of parameters whose values have to fit a schema: texts come in, and are read as what the schema allows.
@Suite("Validate: parameters")
struct ValidateParametersTests {
    private func verdict(_ yaml: String, _ request: String) throws -> String {
        let policy = try PolicyFixture(Validate.self, yaml)
        let test = try TestExchange(request, snapshot: policy.snapshot)
        return switch try policy.faultless().evaluate(&test.exchange) {
        case .proceed: "passes"
        case .refuse(let refusal): refusal.row == .validationFailed ? refusal.toldDetail.string : "another refusal"
        default: "another verdict"
        }
    }

    @Test("a query: each value by its type, once", arguments: [
        ("page=1", "passes"), ("page=7&x=y", "passes"), ("%70age=1", "passes"), ("page=%31", "passes"), ("", "query parameter page missing"),
        ("Page=1", "query parameter page: under another spelling"), ("page=0", "query parameter page: too small"), ("page=x", "query parameter page: not an integer"),
        ("page=1.5", "query parameter page: not an integer"), ("page=", "query parameter page: not an integer"), ("page", "query parameter page: not an integer"),
        ("page=01", "query parameter page: not an integer"), ("page=+1", "query parameter page: not an integer"), ("page=1&page=2", "query parameter page: given twice"),
        ("page=%", "query parameter page: malformed percent-encoding"), ("page=true", "query parameter page: not an integer"),
    ])
    func integers(query: String, outcome: String) throws {
        #expect(try verdict("{query: {page: {type: integer, minimum: 1, required: true}}}", "GET /?\(query)") == outcome)
    }

    @Test("a query: texts, booleans, lists, alternatives, JSON", arguments: [
        ("{s: {type: string, maxLength: 3}}", "s=a+b", "passes"), ("{s: {type: string, maxLength: 3}}", "s=1234", "query parameter s: too long"),
        ("{s: {type: string, maxLength: 3}}", "s=123", "passes"), ("{s: {type: string, pattern: '^[a-z]+$'}}", "s=a%22b", "query parameter s: does not match the pattern"),
        ("{s: {type: string}}", "s=%ff", "query parameter s: not UTF-8"), ("{s: {type: string, minLength: 1}}", "s=", "query parameter s: too short"),
        ("{s: {type: string, minLength: 1, allowEmptyValue: true}}", "s", "passes"), ("{s: {type: string}}", "s=%0a%00%5c", "passes"),
        ("{b: {type: boolean}}", "b=true", "passes"), ("{b: {type: boolean}}", "b=1", "query parameter b: not a boolean"),
        ("{e: {enum: [1, x]}}", "e=1", "passes"), ("{e: {enum: ['1']}}", "e=1", "passes"), ("{e: {enum: [1, x]}}", "e=y", "query parameter e: not one of the allowed values"),
        ("{l: {type: array, items: {type: integer}}}", "l=1,2", "passes"), ("{l: {type: array, items: {type: integer}}}", "l=1%2C2", "passes"),
        ("{l: {type: array, items: {type: integer}}}", "l=1,x", "query parameter l/1: not an integer"),
        ("{l: {type: array, maxItems: 1, items: {type: integer}}}", "l=1,2", "query parameter l: too many items"),
        ("{l: {type: array, items: {type: integer}}}", "l=1&l=2", "query parameter l: given twice"),
        ("{l: {type: array, items: {type: integer}, collectionFormat: multi}}", "l=1&x=y&l=2", "passes"),
        ("{l: {type: array, items: {type: integer}, collectionFormat: multi}}", "l=1&x=y&l=z", "query parameter l/1: not an integer"),
        ("{l: {type: array, items: {type: string}, collectionFormat: pipes, uniqueItems: true}}", "l=a%7Cb%7Ca", "query parameter l/2: an item stands twice"),
        ("{l: {schema: {type: array, items: {type: integer}}}}", "l=1&l=2", "passes"),
        ("{l: {schema: {type: array, items: {type: integer}}, explode: false}}", "l=1,2", "passes"),
        ("{l: {schema: {type: array, items: {type: integer}}, style: spaceDelimited}}", "l=1%202", "passes"),
        ("{j: {content: {application/json: {schema: {type: object, required: [a]}}}}}", "j=%7B%22a%22:1%7D", "passes"),
        ("{j: {content: {application/json: {schema: {type: object, required: [a]}}}}}", "j=%7B%7D", "query parameter j: missing member a"),
        ("{j: {content: {application/json: {schema: {type: object}}}}}", "j=%7B", "query parameter j: malformed JSON"),
        ("{required: {type: integer}}", "required=x", "query parameter required: not an integer"),
    ])
    func values(parameters: String, query: String, outcome: String) throws {
        #expect(try verdict("{query: \(parameters)}", "GET /?\(query)") == outcome)
    }

    @Test("headers: names without regard to case, lists over lines", arguments: [
        ("X-Count: 3", "passes"), ("x-count: 3", "passes"), ("X-Count: three", "header X-Count: not an integer"), ("X-Count: 3\nX-Count: 4", "header X-Count: given twice"),
        ("A: b", "header X-Count missing"), ("X-Count: 3\nX-Ids: 1, 2\nX-Ids: 3", "passes"), ("X-Count: 3\nX-Ids: 1, 2\nX-Ids: x", "header X-Ids/2: not an integer"),
    ])
    func headers(fields: String, outcome: String) throws {
        #expect(try verdict("{headers: {X-Count: {type: integer, required: true}, X-Ids: {type: array, items: {type: integer}}}}", "GET /\n\(fields)") == outcome)
    }

    @Test("configuration: each problem with its place", arguments: [
        ("{query: {a: {type: text}}}", "1:20: query.a.type: found the text \"text\", allowed null, boolean, integer, number, string, array or object"),
        ("{query: {a: {type: object}}}", "1:13: query.a: found a parameter that is an object, or that may be a list and an object, allowed a text, a number, a boolean or a list of them; an object as JSON, by `content: {application/json: ...}`"),
        ("{query: {a: {type: array, collectionFormat: list}}}", "1:45: query.a.collectionFormat: found the text \"list\", allowed csv, ssv, tsv, pipes or multi"),
        ("{query: {'a b': {type: string}}}", "1:17: query[\"a b\"]: found \"a b\", allowed letters, digits and any of -._~[]$:"),
        ("{headers: {Connection: {type: string}}}", "1:24: headers.Connection: found \"Connection\", allowed the name of a header that is sent on"),
    ])
    func problems(yaml: String, problem: String) throws {
        let complaints = try PolicyFixture(Validate.self, yaml).complaints
        // The column of a name is its own.
        #expect(complaints.map { $0.drop { $0 != " " } } == [problem.drop { $0 != " " }])
    }

    // MARK: Two readings of one request

    @Test("a name that services may read as a described one is refused", arguments: [
        ("page=1&page[]=x", "query parameter page: under another spelling"), ("page%5B0%5D=1", "query parameter page: under another spelling"),
        ("PAGE=1", "query parameter page: under another spelling"), ("%50age=x&page=1", "query parameter page: under another spelling"),
        ("+page=1", "query parameter page: under another spelling"), ("%09page=1", "query parameter page: under another spelling"),
        ("page+=1", "query parameter page: under another spelling"), ("page%00x=1", "query parameter page: under another spelling"),
        ("x=1;page=2", "query parameter page: behind a semicolon"), ("page=1;page=2", "query parameter page: not an integer"), ("x;PAGE=1", "query parameter page: behind a semicolon"),
        ("page;=1", "query parameter page: under another spelling"), ("page;x=1", "query parameter page: under another spelling"), ("page%3Bx=1", "passes"),
        ("a_b=1", "query parameter a.b: under another spelling"), ("a+b=1", "query parameter a.b: under another spelling"), ("a.b=1", "passes"),
        ("list=1", "query parameter list[]: under another spelling"), ("list[3]=1", "query parameter list[]: under another spelling"), ("list[]=1", "passes"),
        ("f[a]=1", "passes"), ("f[b]=x", "passes"), ("f=1", "query parameter f[a]: under another spelling"), ("f[a][]=1", "query parameter f[a]: under another spelling"),
        ("F[a]=1", "query parameter f[a]: under another spelling"), ("f%5ba%5d=2", "passes"), ("pages=1", "passes"), ("pag=1", "passes"), ("page.size=1", "passes"), ("pa%67e=1", "passes"),
        ("[page]=x", "query parameter page: under another spelling"), ("%5Bpage%5D=1", "query parameter page: under another spelling"),
        ("page]=1", "query parameter page: under another spelling"), ("[page]x=1", "query parameter page: under another spelling"),
        ("[f][a]=x", "query parameter f[a]: under another spelling"), ("[f][b]=x", "passes"), ("a[b=x", "query parameter a.b: under another spelling"), ("a[b]=x", "passes"),
        ("++++++++++++++++++x=1", "query parameter page: under another spelling"), ("++++++++x=1", "passes"),
        ("page%=1", "passes"), ("", "passes"), ("&&=&=x&;", "passes"),
    ])
    func names(query: String, outcome: String) throws {
        let integer = "{type: integer}"
        #expect(try verdict("{query: {page: \(integer), a.b: \(integer), 'list[]': \(integer), 'f[a]': \(integer)}}", "GET /?\(query)") == outcome)
    }

    @Test("names that differ in capitals only may both be described")
    func capitals() throws {
        let rules = "{query: {id: {type: integer}, ID: {type: string, maxLength: 2}}}"
        #expect(try verdict(rules, "GET /?id=1&ID=ab") == "passes" && verdict(rules, "GET /?ID=abc") == "query parameter ID: too long")
        #expect(try verdict(rules, "GET /?Id=1") == "query parameter id: under another spelling")
    }

    @Test("numbers, escapes and booleans: what services may read in another way", arguments: [
        ("i=-0", "passes"), ("i=007", "query parameter i: not an integer"), ("i=0x10", "query parameter i: not an integer"), ("i=1e3", "query parameter i: not an integer"),
        ("i=1_000", "query parameter i: not an integer"), ("i=%2B1", "query parameter i: not an integer"), ("i=%201", "query parameter i: not an integer"),
        ("i=1%00", "query parameter i: not an integer"), ("i=%D9%A1", "query parameter i: not an integer"), ("i=9223372036854775807", "passes"),
        ("i=9223372036854775808", "query parameter i: too large"), ("i=-9223372036854775808", "passes"), ("i=-9223372036854775809", "query parameter i: too small"),
        ("w=2147483647", "passes"), ("w=2147483648", "query parameter w: too large"), ("n=1e308", "passes"), ("n=1e999", "query parameter n: not a number"),
        ("n=1e-999", "query parameter n: not a number"), ("n=NaN", "query parameter n: not a number"), ("n=.5", "query parameter n: not a number"), ("n=1.", "query parameter n: not a number"),
        ("n=1,5", "query parameter n: not a number"), ("b=True", "query parameter b: not a boolean"), ("b=TRUE", "query parameter b: not a boolean"), ("b=", "query parameter b: not a boolean"),
        ("s=%2531", "query parameter s: too long"), ("s=%zz", "query parameter s: malformed percent-encoding"), ("s=%", "query parameter s: malformed percent-encoding"),
        ("s=%u0041", "query parameter s: malformed percent-encoding"), ("s=%c0%af", "query parameter s: not UTF-8"), ("s=%ed%a0%80", "query parameter s: not UTF-8"),
        ("s=%F0%9F%98%80", "passes"), ("s=a+b", "query parameter s: too long"), ("s=%2B", "passes"), ("l=1,+2", "query parameter l/1: not an integer"),
        ("l=1,,2", "query parameter l/1: not an integer"), ("l=", "query parameter l/0: not an integer"), ("x=%zz", "passes"),
    ])
    func readings(query: String, outcome: String) throws {
        let rules = """
            {query: {i: {type: integer, format: int64}, w: {schema: {type: integer, format: int32}}, n: {type: number}, b: {type: boolean},
            s: {type: string, maxLength: 2}, l: {type: array, items: {type: integer}}}}
            """
        #expect(try verdict(rules, "GET /?\(query)") == outcome)
    }

    @Test("a list of a header: what RFC 9110 lets others read in another way", arguments: [
        ("1,, 2", "header X: an empty item"), (", 1", "header X: an empty item"), ("\"a,b\"", "header X: an item in quotation marks"), ("a, \"b\"", "header X: an item in quotation marks"),
        ("a ,\tb", "passes"), ("a\"b", "passes"),
    ])
    func headerLists(value: String, outcome: String) throws {
        #expect(try verdict("{headers: {X: {type: array, items: {type: string, minLength: 1}}}}", "GET /\nX: \(value)") == outcome)
    }

    @Test("at most 1,000 parameters are looked at: services may not see more")
    func many() throws {
        let rules = "{query: {a: {type: string}}}"
        #expect(try verdict(rules, "GET /?" + String(repeating: "b=1&", count: 999)) == "passes")
        #expect(try verdict(rules, "GET /?" + String(repeating: "b=1&", count: 1000)) == "more than 1000 parameters")
        #expect(try verdict(rules, "GET /?" + String(repeating: "b;", count: 999)) == "passes")
        #expect(try verdict(rules, "GET /?b&" + String(repeating: "b;", count: 999)) == "more than 1000 parameters")
    }

    @Test("parameters in the configuration are described as in OpenAPI: `nullable`, `example`, schemas of their own", arguments: [
        ("a=", "passes"), ("a=1", "passes"), ("a=x", "query parameter a: not of an allowed type"), ("a=null", "query parameter a: not of an allowed type"),
    ])
    func openAPIWords(query: String, outcome: String) throws {
        let schema = "{$ref: '#/definitions/A', definitions: {A: {type: integer, nullable: true, example: 3}}}"
        #expect(try verdict("{query: {a: {schema: \(schema)}}}", "GET /?\(query)") == outcome)
    }

    // MARK: Documents

    private func complaints(_ document: String) -> [String] {
        let problems = Problems(file: "", environment: [:])
        guard let tree = ConfigurationNode.load(text: document, problems: problems) else { return ["no tree"] }
        _ = GatewayConfiguration.read(tree, problems: problems)
        return problems.all.filter { !$0.isNote }.map { "\($0.keyPath): \($0.found)" }
    }

    private static let head = "{swagger: '2.0', info: {title: a, version: '1'}, basePath: /a, x-sluice: {domain: {upstream: 'http://a', policies: {validate: true}}}, "

    @Test("a document: what cannot be followed or checked is a problem at its place", arguments: [
        ("paths: {/x: {get: {parameters: [{name: a, in: query, type: integer}], responses: {}}}}}", ""),
        ("paths: {/x: {post: {parameters: [{name: a, in: body, schema: {$ref: '#/definitions/A'}}], responses: {}}}}, definitions: {A: {properties: {a: {$ref: '#/definitions/A'}}}}}", ""),
        ("paths: {/x: {post: {parameters: [{name: a, in: body, schema: {$ref: '#/definitions/B'}}], responses: {}}}}, definitions: {}}", "to nothing"),
        ("paths: {/x: {post: {parameters: [{name: a, in: body, schema: {$ref: 'http://other/x'}}], responses: {}}}}}", "to another document"),
        ("paths: {/x: {post: {parameters: [{name: a, in: body, schema: {$ref: '#/definitions/A'}}], responses: {}}}}, definitions: {A: {type: text}}}", "the text \"text\""),
        ("paths: {/x: {get: {parameters: [{name: a, in: query, type: object}], responses: {}}}}}", "a parameter that is an object"),
        ("paths: {/x: {get: {parameters: [{name: a, in: body, schema: {x-nullable: 1, type: string}}], responses: {}}}}}", "the integer 1"),
        ("paths: {/x: {get: {responses: {default: {description: \"the upstream's response\"}}}}}}", ""),
    ])
    func documents(rest: String, problem: String) {
        let found = complaints(Self.head + rest)
        #expect(problem.isEmpty ? found.isEmpty : found.count == 1 && found[0].contains(problem), "\(found)")
    }

    @Test("`true` where nothing comes from a document, and methods with different rules, are problems", arguments: [
        ("{policies: {validate: true}, endpoints: [{path: /x}, {path: /y}]}", ["domains[0].policies.validate: `true` for an endpoint that no document describes"]),
        ("{endpoints: [{path: /x, policies: {validate: true}}, {path: /y}]}", ["domains[0].endpoints[0].policies.validate: `true` for an endpoint that no document describes"]),
        ("{policies: {validate: true}, endpoints: [{path: /x, methods: [GET, PUT], swagger: {get: {parameters: [{name: a, in: query, type: string}]}}}]}",
            ["domains[0].endpoints[0].methods: `validate: true` for methods that the document describes differently"]),
        ("{policies: {validate: true}, endpoints: [{path: /x, methods: [GET, PUT], swagger: {get: {summary: a}}}, {path: /y}]}", []),
    ])
    func noDocument(domain: String, expected: [String]) {
        #expect(complaints("{domains: [\(domain.replacing("{", with: "{key: a, upstream: 'http://a', ", maxReplacements: 1))]}") == expected)
    }
}
