/// `sluice reference yaml`: every key of a configuration, in Markdown, one table for each mapping.
package enum ConfigurationReference {
    package static func text(_ levels: [ConfigurationKey.Level]) -> String {
        var page = ReferencePage()
        /// Where each table stands.
        var places: [[[String]]: String] = [:]
        for level in levels {
            page.heading(level.path.isEmpty ? "The whole file" : "`\(level.path)`")
            if !level.meaning.isEmpty { page.paragraph(level.meaning) }
            let rows = level.keys.map { key in ["`\(key.name)`", type(key.form), defaultText(key.presence), key.meaning] }
            let rules = level.rules.map { sentence($0) }
            if let place = places[rows + [rules]] {
                page.paragraph("The same keys as `\(place)`.")
                continue
            }
            places[rows + [rules]] = level.path
            page.table(["key", "type", "default", "meaning"], rows)
            for rule in rules { page.paragraph(rule) }
        }
        return page.text
    }

    private static func defaultText(_ presence: ConfigurationKey.Presence) -> String {
        switch presence {
        case .required: "required"
        case .byDefault(let value): "`\(value)`"
        case .otherwise(let words): words
        case .optional: "-"
        }
    }

    private static func sentence(_ rule: ConfigurationKey.Rule) -> String {
        let names = { (keys: [String]) in Quoting.alternatives(keys.map { "`\($0)`" }).replacing(" or ", with: " and ") }
        return switch rule {
        case .exactlyOne(let keys): "Exactly one of \(names(keys)) must be set."
        case .atMostOne(let keys): "At most one of \(names(keys)) may be set."
        case .atLeastOne(let keys): "At least one of \(names(keys)) must be set."
        }
    }

    /// For example `integer, 1 to 600000 (milliseconds)`.
    static func type(_ form: ConfigurationKey.Form) -> String { kind(form) + (holdsMapping(form) ? ", see below" : "") }

    private static func kind(_ form: ConfigurationKey.Form) -> String {
        switch form {
        case .text(let what): what
        case .boolean: "`true` or `false`"
        case .integer(let range, let unit): "integer, \(range.lowerBound) to \(range.upperBound)" + (unit.map { " (\($0))" } ?? "")
        case .word(let words): Quoting.alternatives(words.map { "`\($0)`" })
        case .scalar: "text, number or boolean"
        case .secret(let what): "\(what): text, `{env: NAME}` or `{file: PATH}`"
        case .nothing: "nothing"
        case .anything: "anything"
        case .list(.mapping, let orOne, let countMin): (orOne ? "mapping or list of mappings" : "list of mappings") + (countMin > 0 ? ", not empty" : "")
        case .list(let element, let orOne, let countMin):
            (orOne ? "one, or a list, of: " : "list of: ") + kind(element) + (countMin > 0 ? "; not empty" : "")
        case .mapping: "mapping"
        case .named(let name, let value): "mapping from `\(name)` to: \(kind(value))"
        case .either(let forms): Quoting.alternatives(forms.flatMap { form in
            switch form {
            case .boolean: ["`true`", "`false`"]
            case .word(let words): words.map { "`\($0)`" }
            default: [kind(form)]
            }
        })
        }
    }

    private static func holdsMapping(_ form: ConfigurationKey.Form) -> Bool {
        switch form {
        case .mapping: true
        case .list(let element, _, _): holdsMapping(element)
        case .named(_, let value): holdsMapping(value)
        case .either(let forms): forms.contains(where: holdsMapping)
        case .text, .boolean, .integer, .word, .scalar, .secret, .nothing, .anything: false
        }
    }
}
