/// `sluice reference schema`: the JSON Schema (draft 2020-12) of a configuration, for editors.
///
/// It allows everything that a reader takes. It refuses what can be seen without reading a value: unknown and missing keys, wrong types,
/// numbers out of range, unknown words, keys that exclude each other.
package enum ConfigurationSchema {
    /// - Parameter keys: those at the top of a configuration.
    package static func text(_ keys: [ConfigurationKey]) -> String { ConfigurationWriter.json(node(keys)) }

    package static func node(_ keys: [ConfigurationKey]) -> ConfigurationNode {
        let whole = object(keys, [])
        return mapping([
            ("$schema", text("https://json-schema.org/draft/2020-12/schema")),
            ("title", text("Sluice configuration")),
        ] + whole + [("$defs", mapping(definitions))])
    }

    /// What stands at many places.
    private static let definitions: [Entry] = [
        ("env", mapping([
            ("description", text("The value of an environment variable.")), ("type", text("object")),
            ("properties", mapping([("env", mapping([("type", text("string"))]))])), ("required", list([text("env")])),
            ("additionalProperties", boolean(false)),
        ])),
        ("file", mapping([
            ("description", text("The content of a file.")), ("type", text("object")),
            ("properties", mapping([("file", mapping([("type", text("string"))]))])), ("required", list([text("file")])),
            ("additionalProperties", boolean(false)),
        ])),
    ]

    private static func schema(_ form: ConfigurationKey.Form) -> [Entry] {
        switch form {
        case .text: orVariable([("type", text("string"))])
        case .boolean: orVariable([("type", text("boolean"))])
        case .integer(let range, _):
            orVariable([("type", text("integer")), ("minimum", integer(range.lowerBound)), ("maximum", integer(range.upperBound))])
        case .word(let words): orVariable([("enum", list(words.map { text($0) }))])
        case .scalar: orVariable([("type", list(["string", "number", "boolean"].map { text($0) }))])
        case .secret:
            [("anyOf", list([
                mapping([("type", text("string")), ("minLength", integer(1))]), reference("env"), reference("file"),
            ]))]
        case .nothing: [("type", text("null"))]
        case .anything: []
        case .list(let element, let orOne, let countMin):
            orOne ? [("anyOf", list([mapping(array(element, countMin)), mapping(schema(element))]))] : array(element, countMin)
        case .mapping(let keys, let rules): object(keys, rules)
        case .named(_, let value): [("type", text("object")), ("additionalProperties", mapping(schema(value)))]
        case .either(let forms): [("anyOf", list(forms.map { mapping(schema($0)) }))]
        }
    }

    private static func array(_ element: ConfigurationKey.Form, _ countMin: Int) -> [Entry] {
        [("type", text("array")), ("items", mapping(schema(element)))] + (countMin > 0 ? [("minItems", integer(Int64(countMin)))] : [])
    }

    private static func object(_ keys: [ConfigurationKey], _ rules: [ConfigurationKey.Rule]) -> [Entry] {
        let properties = keys.map { key in (key.name, mapping([("description", text(description(key)))] + schema(key.form))) }
        let required = keys.filter(\.isRequired).map { text($0.name) }
        var entries: [Entry] = [("type", text("object")), ("properties", mapping(properties)), ("additionalProperties", boolean(false))]
        if !required.isEmpty { entries.append(("required", list(required))) }
        if !rules.isEmpty { entries.append(("allOf", list(rules.map { mapping(conditions($0)) }))) }
        return entries
    }

    /// Markdown's marks mean nothing to most editors.
    private static func description(_ key: ConfigurationKey) -> String {
        let otherwise =
            switch key.presence {
            case .required, .optional: ""
            case .byDefault(let value): " Default: \(value)."
            case .otherwise(let words): " Default: \(words)."
            }
        return (key.meaning + otherwise).replacing("`", with: "")
    }

    private static func conditions(_ rule: ConfigurationKey.Rule) -> [Entry] {
        switch rule {
        case .exactlyOne(let keys): [("oneOf", list(keys.map { mapping([("required", list([text($0)]))]) }))]
        case .atLeastOne(let keys): [("anyOf", list(keys.map { mapping([("required", list([text($0)]))]) }))]
        case .atMostOne(let keys):
            [("oneOf", list(keys.map { mapping([("required", list([text($0)]))]) } + [
                mapping([("not", mapping([("anyOf", list(keys.map { mapping([("required", list([text($0)]))]) }))]))]),
            ]))]
        }
    }

    /// `{env: NAME}` stands for any scalar.
    private static func orVariable(_ entries: [Entry]) -> [Entry] { [("anyOf", list([mapping(entries), reference("env")]))] }

    private static func reference(_ name: String) -> ConfigurationNode { mapping([("$ref", text("#/$defs/\(name)"))]) }

    // MARK: Nodes

    private typealias Entry = (key: String, value: ConfigurationNode)

    private static func text(_ value: String) -> ConfigurationNode { ConfigurationNode(.string(value)) }
    private static func integer(_ value: Int64) -> ConfigurationNode { ConfigurationNode(.integer(value)) }
    private static func boolean(_ value: Bool) -> ConfigurationNode { ConfigurationNode(.bool(value)) }
    private static func list(_ values: [ConfigurationNode]) -> ConfigurationNode { ConfigurationNode(.sequence(values)) }
    private static func mapping(_ entries: [Entry]) -> ConfigurationNode {
        ConfigurationNode(.mapping(entries.map { .init(key: $0.key, keyPosition: .start, value: $0.value) }))
    }
}
