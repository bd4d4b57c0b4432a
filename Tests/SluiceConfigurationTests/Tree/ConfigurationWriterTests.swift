import SluiceConfiguration
import Testing

@Suite("Writing trees")
struct ConfigurationWriterTests {
    private func node(_ text: String) throws -> ConfigurationNode {
        try #require(ConfigurationNode.load(text: text, problems: Problems(file: "f")))
    }

    @Test("YAML: blocks for what is long or nested, one line for what is short, keys in their order")
    func yaml() throws {
        let source = """
            domains:
              - key: orders
                hosts: [orders.example.com]
                upstream: http://127.0.0.1:9000/base
                policies:
                  ipAcl: {permit: true, addresses: [10.0.0.0/8, "::1"]}
                  usageQuota: [{limit: 1, perSeconds: 2}]
                  hmac: {secret: {env: ORDERS_SECRET}, clockSkew: 300}
                endpoints:
                  - {path: "/v1/{id}", methods: [GET, POST]}
                  - path: /hello
                    policies: {mock: {headers: {Content-Type: text/plain, Retry-After: "120"}, body: "a\\nb\\n"}}
                other: {}
                none: []
            """
        #expect(ConfigurationWriter.yaml(try node(source)) == """
            domains:
              - key: orders
                hosts: [orders.example.com]
                upstream: http://127.0.0.1:9000/base
                policies:
                  ipAcl:
                    permit: true
                    addresses: [10.0.0.0/8, "::1"]
                  usageQuota:
                    - {limit: 1, perSeconds: 2}
                  hmac:
                    secret: {env: ORDERS_SECRET}
                    clockSkew: 300
                endpoints:
                  - path: /v1/{id}
                    methods: [GET, POST]
                  - path: /hello
                    policies:
                      mock:
                        headers: {Content-Type: text/plain, Retry-After: "120"}
                        body: |
                          a
                          b
                other: {}
                none: []

            """)
    }

    @Test("JSON: two spaces, keys in their order")
    func json() throws {
        #expect(ConfigurationWriter.json(try node("b: [1, 1.5, {}]\na: {x: null, y: \"é\\n\\\"\"}\nc: []"))  == """
            {
              "b": [
                1,
                1.5,
                {}
              ],
              "a": {
                "x": null,
                "y": "é\\n\\""
              },
              "c": []
            }

            """)
    }

    static let texts = [
        "", " ", "a", "a b", "a  b", " a", "a ", "null", "~", "true", "Yes", "on", "y", "N", "0", "10", "-1", "+1", ".5", "1.5",
        "1e3", "0x1F", "010", "1:30", "2024-01-01", "2024-01-01T00:00:00Z", "1_000", ".inf", ".nan", "10.0.0.0/8", "::1",
        "/v1/{id}", "{a}", "[a]", "a, b", "a: b", "a:", "a #b", "#a", "*a", "&a", "!a", "|", ">", "%1", "@a", "`a", "-", "- a",
        "?", "? a", "'a'", "\"a\"", "\\", "a\nb", "a\nb\n", "a\n\nb", "a\n\n", "\na", " a\nb", "a \nb", "a\n b", "\n", "a\tb",
        "a\r\nb", "a\r", "\u{0}", "\u{7F}", "\u{85}", "\u{2028}", "\u{FEFF}", "\u{FFFE}", "\u{1F600}", "한국어", "é", "<<", "---",
        "...", "--- a", "= a", "=", String(repeating: "long ", count: 60) + "end", "a\n\tb", "$ref", "x-y", "#/definitions/A",
    ]

    @Test("every text is read back from YAML and JSON, as a value, as a key and inside a list", arguments: texts)
    func everyText(text: String) throws {
        for tree in [
            ConfigurationNode(.string(text)),
            ConfigurationNode(.mapping([])).setting(text, ConfigurationNode(.string(text))),
            ConfigurationNode(.sequence([ConfigurationNode(.string(text)), ConfigurationNode(.sequence([ConfigurationNode(.string(text))]))])),
            ConfigurationNode(.mapping([])).setting("k", ConfigurationNode(.sequence([ConfigurationNode(.mapping([])).setting(text, ConfigurationNode(.mapping([])).setting("n", ConfigurationNode(.mapping([])).setting("m", ConfigurationNode(.string(text)))))]))),
        ] {
            for written in [ConfigurationWriter.yaml(tree), ConfigurationWriter.json(tree)] {
                #expect(load(written).tree == Tree(tree), "\(written)")
            }
        }
    }

    @Test("numbers keep value and type", arguments: [0.0, -1.5, 1e300, .leastNonzeroMagnitude, 1e16, 123456789.25, 100.0])
    func numbers(value: Double) throws {
        let tree = ConfigurationNode(.sequence([ConfigurationNode(.number(value)), ConfigurationNode(.integer(.min))]))
        #expect(load(ConfigurationWriter.yaml(tree)).tree == [.number(value), .integer(.min)])
        #expect(load(ConfigurationWriter.json(tree)).tree == [.number(value), .integer(.min)])
    }

    @Test("a key of more than 1024 characters is read back")
    func longKey() {
        let key = String(repeating: "k", count: 1100)
        let tree = ConfigurationNode(.mapping([])).setting("a", ConfigurationNode(.sequence([
            ConfigurationNode(.mapping([])).setting(key, ConfigurationNode(.sequence([ConfigurationNode(.mapping([])).setting("b", ConfigurationNode(.mapping([])).setting("c", ConfigurationNode(.integer(1))))])))
        ])))
        #expect(load(ConfigurationWriter.yaml(tree)).tree == Tree(tree))
    }

    @Test("random texts are read back")
    func randomTexts() {
        var generator = Generator(state: 7)
        let alphabet = Array("ab:#-?,[]{}&*!|>'\"%@` \n\t\\.0~/é한".unicodeScalars)
        for _ in 0..<3000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                text.append(alphabet.randomElement(using: &generator) ?? "a")
            }
            let value = ConfigurationNode(.string(String(text)))
            let tree = ConfigurationNode(.mapping([])).setting(String(text), ConfigurationNode(.sequence([value])))
                .setting("last", value)
            let written = ConfigurationWriter.yaml(tree)
            #expect(load(written).tree == Tree(tree), "\(written)")
        }
    }
}
