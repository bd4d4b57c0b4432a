/// A path of a document, and the pattern of endpoints that it stands for.
enum DocumentPath {
    /// The pattern: `{name+}` at the end, one segment or more, is `{name}/**`, or `*/**` where the variable cannot have its name. Everything else means the
    /// same on both sides.
    static func pattern(of path: String, isNamed: Bool = true) -> String {
        guard let start = rest(of: path) else { return path }
        return path[..<start] + (isNamed ? path[start...].dropLast(2) + "}" : "*") + "/**"
    }

    /// The paths of one document, among which a `{name+}` may keep its name: not beside a path that has one variable in its place. That one is to serve what
    /// is one segment, as gateways with such documents do, and `{name}/**` would be the more specific pattern.
    struct Siblings {
        /// Shapes of the paths that end in a variable.
        private let shapes: Set<String>

        init(_ paths: [String]) { shapes = Set(paths.filter { $0.hasSuffix("}") && DocumentPath.rest(of: $0) == nil }.map(DocumentPath.shape)) }

        func areAway(from path: String) -> Bool {
            guard let start = DocumentPath.rest(of: path) else { return true }
            // In a document `{name}` and `{name+}` are two variables.
            return !path[..<start].contains(path[start...].dropLast(2) + "}") && !shapes.contains(DocumentPath.shape(path))
        }
    }

    /// The path without the names of its variables.
    private static func shape(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).map { segment in
            guard segment.contains("{") else { return DocumentReferences.decoded(segment) }
            let isWhole = segment.hasPrefix("{") && segment.hasSuffix("}") && !segment.dropFirst().dropLast().contains { "{}:".contains($0) }
            return isWhole ? "{}" : "{?}"
        }.joined(separator: "/")
    }

    /// The names of its variables, each once.
    static func variables(of path: String) -> [String] {
        var names: [String] = []
        var rest = path[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            let name = String(rest[rest.index(after: open)..<close])
            if !name.isEmpty, !names.contains(name) { names.append(name) }
            rest = rest[rest.index(after: close)...]
        }
        return names
    }

    /// Where the last segment begins, if it is `{name+}`.
    private static func rest(of path: String) -> String.Index? {
        guard path.hasSuffix("+}"), let slash = path.lastIndex(of: "/") else { return nil }
        let segment = path[path.index(after: slash)...]
        guard segment.hasPrefix("{"), segment.utf8.count > 3, segment.dropFirst().dropLast(2).allSatisfy({ !"{}:*?+".contains($0) }) else { return nil }
        return segment.startIndex
    }

    /// The path without a fragment, which no request has: some documents tell operations with one path and method apart by it.
    static func withoutFragment(_ path: Located<String>) -> Located<String> {
        guard let end = path.value.firstIndex(of: "#") else { return path }
        return path.map { _ in String(path.value[..<end]) }
    }

    /// Reports what is no path of a document.
    static func isUsable(_ path: Located<String>, _ format: DocumentFormat, _ problems: Problems) -> Bool {
        // In an endpoint's pattern, a question mark is a wildcard: exports of Swagger have it.
        if format == .openAPI, path.value.contains("?") {
            problems.add(at: path, found: "a query in the path \(Quoting.quoted(path.value))", allowed: "a path; operations differ by path and method")
            return false
        }
        // In an endpoint's pattern these are wildcards; exports of Swagger have them.
        if format == .openAPI, path.value.contains("*") || variables(of: path.value).contains(where: { $0.contains(":") }) {
            problems.add(
                at: path, found: "an asterisk, or a colon in braces, in the path \(Quoting.quoted(path.value))", allowed: "text, {name}, and {name+} at the end")
            return false
        }
        if path.value.firstRange(of: "+}/") != nil {
            problems.add(at: path, found: "a {name+} before the end of the path \(Quoting.quoted(path.value))", allowed: "{name+} as the last segment")
            return false
        }
        return true
    }
}
