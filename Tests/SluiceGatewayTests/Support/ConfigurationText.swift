import Foundation

@testable import SluiceConfiguration

/// Configurations made from the table of keys.
enum ConfigurationText {
    /// A configuration with nothing but these entries in the mapping at `path`, for example `domains[].policies`.
    static func wrapped(_ entries: String, at path: String) -> String {
        path.split(separator: ".").reversed().reduce("{\(entries)}") { inner, part in
            part.hasSuffix("[]") ? "{\(part.dropLast(2)): [\(inner)]}" : "{\(part): \(inner)}"
        }
    }

    /// The path of a key as problems name it: of the first element of each list.
    static func keyPath(_ path: String, _ key: String? = nil) -> String {
        [path.replacing("[]", with: "[0]"), key ?? ""].filter { !$0.isEmpty }.joined(separator: ".")
    }

    /// The keys that a mapping must have, with values that a reader takes.
    static func required(_ level: ConfigurationKey.Level, besides further: [String] = []) -> String {
        var names = level.keys.filter(\.isRequired).map(\.name) + further
        for choice in level.rules.compactMap(choice) where further.allSatisfy({ !choice.contains($0) }) { names += choice.prefix(1) }
        return level.keys.filter { names.contains($0.name) }.map { "\($0.name): \(sample($0.form))" }.joined(separator: ", ")
    }

    /// What must stand beside a key, so that its mapping has no fault but the key's own.
    static func companions(of key: String, in level: ConfigurationKey.Level) -> String {
        if key == "endpoints" { return "key: a, upstream: 'https://a'" }
        if key == "quota" { return "per: day" }
        if key == "per" { return "quota: 1" }
        if key == "jwksCa" { return "jwks: 'https://a'" }
        let isChoice = level.rules.contains { choice($0)?.contains(key) == true }
        let rules = isChoice ? [] : level.rules
        let others = ConfigurationKey.Level(path: "", keys: level.keys.filter { $0.name != key }, rules: rules, meaning: "")
        return required(others, besides: key == "words" ? ["oneOf"] : [])
    }

    /// Keys of which one must be there.
    private static func choice(_ rule: ConfigurationKey.Rule) -> [String]? {
        switch rule {
        case .exactlyOne(let names), .atLeastOne(let names): names
        case .atMostOne: nil
        }
    }

    /// Entries with commas between them.
    static func joined(_ entries: String...) -> String { entries.filter { !$0.isEmpty }.joined(separator: ", ") }

    /// A file with a schema.
    private static let schemaFile = {
        let path = NSTemporaryDirectory() + "/sluice-schema-\(getpid()).json"
        try? Data("{}".utf8).write(to: URL(fileURLWithPath: path))
        return path
    }()

    /// A value that a reader takes.
    static func sample(_ form: ConfigurationKey.Form) -> String {
        switch form {
        case .text(let what):
            if what.contains("CIDR") { return "10.0.0.0/8" }
            if what.hasPrefix("URL") || what.contains("`http`") { return "'https://a'" }
            if what.hasPrefix("origin") { return "'https://a'" }
            if what.hasPrefix("`PLAN`") { return "none" }
            if what.hasPrefix("`ADDRESS") { return "':8080'" }
            if what == "media type" { return "text/plain" }
            if what == "path of a schema" { return schemaFile }
            if what.hasPrefix("name by RFC 4514") { return "CN=a" }
            if what.hasPrefix("`dns:NAME`") { return "'dns:a'" }
            return what.hasPrefix("method") ? "GET" : what.hasPrefix("path pattern") ? "/a" : "a"
        case .boolean: return "true"
        case .integer(let range, _): return "\(range.lowerBound)"
        case .word(let words): return words[0]
        case .scalar: return "a"
        case .secret(let what):
            if what.hasPrefix("`sha256:`") { return "'sha256:\(String(repeating: "0", count: 64))'" }
            return what.hasPrefix("private key") ? "'-----BEGIN PRIVATE KEY-----'" : "a"
        case .nothing: return "null"
        case .anything: return "{}"
        case .list(let element, _, _): return "[\(sample(element))]"
        case .mapping(let keys, let rules): return "{\(required(.init(path: "", keys: keys, rules: rules, meaning: "")))}"
        case .named(let name, let value): return "{\(name == "TYPE" ? "text/plain" : "a"): \(sample(value))}"
        case .either(let forms): return sample(forms[0])
        }
    }
}
