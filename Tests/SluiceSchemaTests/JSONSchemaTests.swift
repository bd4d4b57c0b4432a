import SluiceHTTP
import Testing

@testable import SluiceSchema

@Suite("JSON Schema draft 4")
struct JSONSchemaTests {
    @Test("each rule lets pass and refuses, and says where and what", arguments: [
        ("{\"type\":\"integer\"}", "1", "1.5", "/: not an integer"),
        ("{\"type\":\"integer\"}", "-10", "1.0", "/: not an integer"),
        ("{\"type\":\"number\"}", "1.5", "\"1\"", "/: not a number"),
        ("{\"type\":\"string\"}", "\"\"", "1", "/: not a string"),
        ("{\"type\":\"boolean\"}", "false", "0", "/: not a boolean"),
        ("{\"type\":\"null\"}", "null", "0", "/: not null"),
        ("{\"type\":\"array\"}", "[]", "{}", "/: not an array"),
        ("{\"type\":\"object\"}", "{}", "[]", "/: not an object"),
        ("{\"type\":[\"null\",\"string\"]}", "null", "1", "/: not of an allowed type"),
        ("{\"enum\":[1,\"a\",{\"b\":[1,2]}]}", "{\"b\":[1.0,2]}", "{\"b\":[2,1]}", "/: not one of the allowed values"),
        ("{\"enum\":[\"é\"]}", "\"\\u00e9\"", "\"e\u{301}\"", "/: not one of the allowed values"),
        ("{\"minimum\":2}", "2", "1", "/: too small"),
        ("{\"minimum\":2,\"exclusiveMinimum\":true}", "2.1", "2", "/: too small"),
        ("{\"maximum\":2}", "2.0", "2.000000000000000000001", "/: too large"),
        ("{\"maximum\":2,\"exclusiveMaximum\":true}", "1", "2", "/: too large"),
        ("{\"maximum\":18446744073709551600}", "18446744073709551600", "18446744073709551601", "/: too large"),
        ("{\"minLength\":2}", "\"😀😀\"", "\"😀\"", "/: too short"),
        ("{\"maxLength\":2}", "\"\\ud83d\\ude00é\"", "\"abc\"", "/: too long"),
        ("{\"pattern\":\"^a+$\"}", "\"aa\"", "\"aab\"", "/: does not match the pattern"),
        ("{\"pattern\":\"^.$\"}", "\"😀\"", "\"ab\"", "/: does not match the pattern"),
        ("{\"items\":{\"type\":\"integer\"}}", "[1,2]", "[1,\"a\"]", "/1: not an integer"),
        ("{\"items\":[{\"type\":\"integer\"}],\"additionalItems\":false}", "[1]", "[1,2]", "/1: an item that is not allowed"),
        ("{\"items\":[{}],\"additionalItems\":{\"type\":\"string\"}}", "[1,\"a\"]", "[1,\"a\",2]", "/2: not a string"),
        ("{\"minItems\":1}", "[1]", "[]", "/: too few items"),
        ("{\"maxItems\":1}", "[1]", "[1,2]", "/: too many items"),
        ("{\"uniqueItems\":true}", "[1,\"1\",true,[1],{\"a\":1}]", "[1,2,1.0]", "/2: an item stands twice"),
        ("{\"uniqueItems\":true}", "[[1,2],[2,1]]", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", "/1: an item stands twice"),
        ("{\"minProperties\":1}", "{\"a\":1}", "{}", "/: too few members"),
        ("{\"maxProperties\":1}", "{\"a\":1}", "{\"a\":1,\"b\":1}", "/: too many members"),
        ("{\"required\":[\"a\",\"b\"]}", "{\"b\":1,\"a\":1}", "{\"a\":1}", "/: missing member b"),
        ("{\"properties\":{\"a\":{\"properties\":{\"b\":{\"type\":\"null\"}}}}}", "{\"a\":{\"b\":null}}", "{\"a\":{\"b\":1}}", "/a/b: not null"),
        ("{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", "{\"b\":1}", "/: a member that is not allowed"),
        ("{\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\":\"\"}", "{\"secret\":1}", "/*: not a string"),
        ("{\"patternProperties\":{\"^x\":{\"type\":\"integer\"}}}", "{\"x1\":1,\"y\":\"\"}", "{\"x1\":\"\"}", "/*: not an integer"),
        ("{\"dependencies\":{\"a\":[\"b\"]}}", "{\"a\":1,\"b\":1}", "{\"a\":1}", "/: missing member b"),
        ("{\"dependencies\":{\"a\":{\"required\":[\"c\"]}}}", "{\"b\":1}", "{\"a\":1}", "/: missing member c"),
        ("{\"allOf\":[{\"minimum\":1},{\"maximum\":3}]}", "2", "4", "/: too large"),
        ("{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":3}]}", "3", "2", "/: none of the alternatives"),
        ("{\"oneOf\":[{\"minimum\":1},{\"minimum\":3}]}", "2", "0", "/: not one of the alternatives"),
        ("{\"oneOf\":[{\"minimum\":1},{\"minimum\":3}]}", "1", "4", "/: more than one of the alternatives"),
        ("{\"not\":{\"type\":\"string\"}}", "1", "\"\"", "/: what is not allowed"),
        ("{\"items\":{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}}}]}}", "[{}]", "[{},{\"a\":1}]", "/1: none of the alternatives"),
        ("{\"properties\":{\"n\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}", "{\"v\":1,\"n\":{\"v\":1}}", "{\"v\":1,\"n\":{\"v\":1,\"n\":{}}}",
            "/n/n: missing member v"),
    ])
    func rules(schema: String, right: String, wrong: String, fault: String) throws {
        #expect(try outcome(schema, right) == "right")
        #expect(try outcome(schema, wrong) == fault)
    }

    @Test("rules are for values of their own kind", arguments: [
        "{\"minimum\":5,\"maxLength\":0,\"maxItems\":0,\"maxProperties\":0,\"pattern\":\"x\"}",
    ])
    func otherKinds(schema: String) throws {
        #expect(try outcome(schema, "null") == "right")
        #expect(try outcome(schema, "true") == "right")
        #expect(try outcome(schema, "5") == "right")
    }

    @Test("names of the schema are shown as far as errors can hold them, names of the body not at all")
    func names() throws {
        let schema = "{\"properties\":{\"a/b~\\\"%é\":{\"type\":\"null\"}}}"
        #expect(try outcome(schema, "{\"a/b~\\\"%é\":1}") == "/a~1b~0????: not null")
        let long = String(repeating: "n", count: 100)
        #expect(try outcome("{\"required\":[\"\(long)\"]}", "{}") == "/: missing member \(long.prefix(59))...")
    }

    @Test("a long place keeps its end")
    func longPlace() throws {
        let name = String(repeating: "n", count: 50)
        let depth = 20
        let schema = "{\"properties\":{\"\(name)\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}"
        let text = String(repeating: "{\"v\":1,\"\(name)\":", count: depth) + "{}" + String(repeating: "}", count: depth)
        let place = String(repeating: "/\(name)", count: 5)
        #expect(try outcome(schema, text) == "...\(place): missing member v")
    }

    @Test("a schema that is none has its place and its fault", arguments: [
        ("[]", "#: a list"),
        ("{\"type\":\"text\"}", "#/type: the text \"text\""),
        ("{\"type\":[]}", "#/type: a list"),
        ("{\"minimum\":\"1\"}", "#/minimum: the text \"1\""),
        ("{\"minLength\":-1}", "#/minLength: the number -1"),
        ("{\"minLength\":1.5}", "#/minLength: the number 1.5"),
        ("{\"multipleOf\":0}", "#/multipleOf: the number 0"),
        ("{\"multipleOf\":1.234567890123456789}", "#/multipleOf: the number 1.234567890123456789"),
        ("{\"required\":true}", "#/required: the boolean true"),
        ("{\"required\":[1]}", "#/required: the number 1"),
        ("{\"required\":[\"a\",\"a\"]}", "#/required: a name a second time"),
        ("{\"properties\":{\"a/b\":{\"pattern\":\"(\"}}}", "#/properties/a~1b/pattern: a pattern that is wrong: missing closing parenthesis at offset 1"),
        ("{\"properties\":{\"a\":true}}", "#/properties/a: the boolean true"),
        ("{\"anyOf\":[]}", "#/anyOf: a list"),
        ("{\"enum\":[]}", "#/enum: a list"),
        ("{\"$ref\":\"#/definitions/a\"}", "#/$ref: a reference to a schema that is not there"),
        ("{\"$ref\":\"http://example.com/a\"}", "#/$ref: a reference to another document"),
        ("{\"$ref\":\"#\"}", "#: a $ref that leads back to itself"),
        ("{\"definitions\":{\"a\":{\"$ref\":\"#/definitions/b\"},\"b\":{\"$ref\":\"#/definitions/a\"}},\"items\":{\"$ref\":\"#/definitions/a\"}}",
            "#/definitions/a: a $ref that leads back to itself"),
        ("{\"allOf\":[{\"$ref\":\"#\"}]}", "#: a schema that leads back to itself for the same value"),
        ("{\"properties\":{\"a\":{\"const\":1}}}", "#/properties/a/const: const, which is of another draft and would not be checked"),
        ("{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", "#/$schema: another draft"),
        ("{\"exclusiveMinimum\":5}", "#/exclusiveMinimum: the number 5"),
        ("{\"a\":1,\"a\":2}", "#: a member stands twice"),
        ("{", "#: malformed JSON"),
    ])
    func errors(schema: String, error: String) { #expect(compileError(schema) == error) }

    @Test("what a schema need not know is ignored")
    func unknownWords() throws {
        #expect(try outcome("{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"format\":\"email\",\"x-a\":1,\"title\":\"\"}", "\"no address\"") == "right")
    }

    @Test("unique items take no longer for items that are large, nested or alike")
    func manyItems() throws {
        let schema = try JSONSchema(Array("{\"uniqueItems\":true,\"items\":{\"uniqueItems\":true}}".utf8))
        let numbers = (0..<100_000).map { "\($0)" }.joined(separator: ",")
        #expect(try outcome(schema, Array("[\(numbers)]".utf8)) == "right")
        let nested = String(repeating: "[", count: 100) + numbers + String(repeating: "]", count: 100)
        #expect(try outcome(schema, Array(nested.utf8)) == "right")
    }

    @Test("the patterns of one body have a time together")
    func patternTime() throws {
        let schema = try JSONSchema(Array("{\"items\":{\"not\":{\"pattern\":\"(a|aa)+$\"}}}".utf8))
        let text = "\"" + String(repeating: "a", count: 40) + "!\""
        let body = Array("[\(Array(repeating: text, count: 2000).joined(separator: ","))]".utf8)
        let began = ContinuousClock.now
        #expect(try outcome(schema, body).hasSuffix("too much work to validate"))
        #expect(ContinuousClock.now - began < .seconds(2))
    }

    @Test("a stack of schemas within schemas has a bound")
    func stack() throws {
        let levels = 900
        var definitions = (0..<levels).map { "\"d\($0)\":{\"allOf\":[{\"$ref\":\"#/definitions/d\($0 + 1)\"}]}" }
        definitions.append("\"d\(levels)\":{\"items\":{\"$ref\":\"#/definitions/d0\"}}")
        let schema = "{\"definitions\":{\(definitions.joined(separator: ","))},\"$ref\":\"#/definitions/d0\"}"
        #expect(try outcome(schema, "[]") == "right")
        #expect(try outcome(schema, "[[[]]]").hasSuffix("too much work to validate"))
    }
}
