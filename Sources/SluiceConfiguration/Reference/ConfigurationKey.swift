/// One key that an operator may write in a configuration: what the reference and the JSON Schema say about it.
///
/// The readers do not ask what is said here: tests compare the two, in both directions.
package struct ConfigurationKey: Sendable {
    /// What may stand under a key.
    package indirect enum Form: Sendable {
        /// Any text; `what` says what it is, for example `URL`.
        case text(_ what: String)
        case boolean
        /// Both ends are allowed. The unit is nil for what has none.
        case integer(ClosedRange<Int64>, unit: String?)
        case word([String])
        /// Text, a number or a boolean.
        case scalar
        /// Text, `{env: NAME}` or `{file: PATH}`; `what` says what it is.
        case secret(_ what: String)
        /// Nothing: the key stands alone.
        case nothing
        case anything
        /// With `orOne`, one element may stand without its list.
        case list(Form, orOne: Bool = false, countMin: Int = 0)
        case mapping([ConfigurationKey], rules: [Rule] = [])
        /// A mapping whose keys are names of the operator's; `name` stands for them, for example `NAME`.
        case named(_ name: String, Form)
        case either([Form])
    }

    /// Which keys of a mapping go together.
    package enum Rule: Sendable {
        case exactlyOne([String])
        case atMostOne([String])
        case atLeastOne([String])
    }

    package enum Presence: Sendable {
        case required
        /// What holds if the key is absent, as an operator would write it.
        case byDefault(String)
        /// What happens if the key is absent, in words.
        case otherwise(String)
        case optional
    }

    package let name: String
    package let form: Form
    package let presence: Presence
    /// What the key means, in one or two sentences.
    package let meaning: String

    package init(_ name: String, _ form: Form, _ presence: Presence, _ meaning: String) {
        self.name = name
        self.form = form
        self.presence = presence
        self.meaning = meaning
    }

    var isRequired: Bool {
        if case .required = presence { true } else { false }
    }
}

extension ConfigurationKey {
    /// A mapping with fixed keys, and where it stands, for example `domains[].policies.hmac`; empty for the whole configuration.
    package struct Level: Sendable {
        package let path: String
        package let keys: [ConfigurationKey]
        package let rules: [Rule]
        /// What the key above it means; empty for the whole configuration.
        package let meaning: String
        /// Whether a mapping with keys of any name may stand in the same place.
        package var hasNamedAlternative = false
    }

    /// Every mapping with fixed keys in a configuration with these keys, each before those that it holds.
    package static func levels(of keys: [ConfigurationKey]) -> [Level] { levels(of: .mapping(keys), at: "", meaning: "") }

    private static func levels(of form: Form, at path: String, meaning: String) -> [Level] {
        switch form {
        case .mapping(let keys, let rules):
            [Level(path: path, keys: keys, rules: rules, meaning: meaning)]
                + keys.flatMap { levels(of: $0.form, at: path.isEmpty ? $0.name : "\(path).\($0.name)", meaning: $0.meaning) }
        case .list(let element, _, _): levels(of: element, at: path + "[]", meaning: meaning)
        case .named(let name, let value): levels(of: value, at: "\(path).\(name)", meaning: meaning)
        case .either(let forms):
            forms.flatMap { form in
                let takesAny = forms.contains { if case .named = $0 { true } else { false } }
                return levels(of: form, at: path, meaning: meaning).map { level in
                    var level = level
                    if level.path == path { level.hasNamedAlternative = takesAny }
                    return level
                }
            }
        case .text, .boolean, .integer, .word, .scalar, .secret, .nothing, .anything: []
        }
    }
}
