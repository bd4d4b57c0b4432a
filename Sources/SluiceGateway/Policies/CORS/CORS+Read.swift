import SluiceConfiguration

extension CORS {
    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        let origins = reader.requiredStrings("origins", allowSingle: true)
        let methods = reader.strings("methods", allowSingle: true)
        let headers = reader.strings("headers", allowSingle: true)
        let expose = reader.strings("expose", allowSingle: true)
        let credentials = reader.bool("credentials")?.value ?? false
        let maxAge = reader.integer("maxAge", in: 0...86400, unit: "seconds")
        reader.finish()

        if let origins { check(origins: origins, problems) }
        for method in methods?.value ?? [] where !FieldSyntax.isToken(method.value) {
            problems.add(at: method, found: Quoting.quoted(method.value), allowed: "a method, such as GET, or *")
        }
        for method in methods?.value ?? [] where Self.standardMethods.contains(method.value.uppercased()) {
            let upperCase = method.value.uppercased()
            guard method.value != upperCase else { continue }
            problems.add(
                at: method, found: Quoting.quoted(method.value),
                allowed: "\(upperCase), in upper-case letters: methods are case-sensitive")
        }
        for name in (headers?.value ?? []) + (expose?.value ?? []) where !FieldSyntax.isToken(name.value) {
            problems.add(at: name, found: Quoting.quoted(name.value), allowed: "the name of a header, or *")
        }
        let byteCount = [methods, headers, expose].flatMap { $0?.value ?? [] }.reduce(0) { $0 + $1.value.utf8.count + 2 }
        if byteCount > ConfiguredField.linesBytesMax {
            problems.add(
                at: reader, found: "methods and headers of \(byteCount) bytes",
                allowed: "at most \(ConfiguredField.linesBytesMax) bytes")
        }
        checkLone(methods, problems)
        checkLone(expose, problems)
        if credentials { checkNoWildcard([origins, methods, headers, expose], problems) }

        guard let origins, problems.count == before else { return nil }
        var configuration = Configuration(origins: origins.value.map(\.value))
        if let methods { configuration.methods = methods.value.map(\.value) }
        configuration.headers = headers?.value.map(\.value) ?? []
        configuration.expose = expose?.value.map(\.value) ?? []
        configuration.credentials = credentials
        configuration.maxAge = maxAge.map { Int($0.value) }
        return configuration
    }

    private static let standardMethods: Set = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]

    private static func check(origins: Located<[Located<String>]>, _ problems: Problems) {
        if origins.value.isEmpty {
            problems.add(at: origins, found: "an empty list", allowed: "at least one origin, or *")
        }
        for origin in origins.value where origin.value != "*" && origin.value != "null" {
            if let fault = SerialisedOrigin.fault(origin.value) {
                problems.add(at: origin, found: Quoting.quoted(origin.value), allowed: fault)
            }
        }
        checkLone(origins, problems)
    }

    /// `*` says everything: anything beside it is most likely a mistake.
    private static func checkLone(_ words: Located<[Located<String>]>?, _ problems: Problems) {
        guard let words, words.value.count > 1 else { return }
        for word in words.value where word.value == "*" {
            problems.add(at: word, found: "\"*\" in a list of \(words.value.count)", allowed: "* alone")
        }
    }

    /// With credentials a browser takes `*` for a name, never for "all" (Fetch, "CORS protocol and credentials").
    private static func checkNoWildcard(_ lists: [Located<[Located<String>]>?], _ problems: Problems) {
        for word in lists.flatMap({ $0?.value ?? [] }) where word.value == "*" {
            problems.add(at: word, found: "\"*\" together with credentials: true", allowed: "names, or credentials: false")
        }
    }
}
