/// The path that a service gets in the second form (`HTTP`, `ADD_REQUEST_QUERY_PARAMETER`), and the rewrite that stands for it.
///
/// The pattern of the rewrite has a group for each variable of the path, in their order. Since the endpoint has matched already, segments that a path
/// may spell in several ways are not repeated in it.
enum BackendPath {
    /// Groups that a replacement can name.
    private static let variablesMax = 9

    /// `NAME` of `${request.path.NAME}`, if the text is that and nothing else.
    static func variable(of text: String) -> String? {
        guard text.hasPrefix(opening), text.hasSuffix("}") else { return nil }
        let name = text.dropFirst(opening.count).dropLast()
        return name.isEmpty || name.contains(where: { "{}$".contains($0) }) ? nil : String(name)
    }

    private static let opening = "${request.path."

    // MARK: Import

    /// Nil if the service gets path and query as they are. Without `HTTP` it gets the path of the document, without what stands in front of it here.
    ///
    /// - Parameter isMock: no service gets anything.
    static func rewrite(
        http: ConfigurationNode?, query: ConfigurationNode?, isMock: Bool, _ site: SecondForm.Site, at place: ConfigurationNode, _ problems: Problems
    ) -> ConfigurationNode? {
        let shape = Shape(site)
        let losesPrefix = http == nil && !isMock && !site.prefix.isEmpty
        if losesPrefix, query == nil {
            return ConfigurationNode.mapping([], at: place).setting("pattern", .string(shape.prefixPattern + "(/.*)", at: place)).setting("to", .string("%1", at: place))
        }
        var backend: Located<String>?
        if let http {
            guard let reader = MappingReader(http, problems) else { return nil }
            let frontend = reader.string("frontendEndpointPath")
            backend = reader.requiredString("backendEndpointPath", allowed: "a path")
            reader.finish()
            if let frontend, frontend.value != site.path {
                problems.add(at: frontend, found: Quoting.quoted(frontend.value), allowed: "the path under which the operation stands: \(Quoting.quoted(site.path))")
            }
            guard backend != nil else { return nil }
        }
        let parameters = query.flatMap { self.parameters($0, shape, firstGroup: losesPrefix ? 2 : 1, problems) }
        var path = losesPrefix ? "%1" : "%0"
        if let backend {
            guard !backend.value.contains(where: { $0 == "?" || $0 == "#" }) else {
                problems.add(at: backend, found: "a query or a fragment in \(Quoting.quoted(backend.value))", allowed: "a path; ADD_REQUEST_QUERY_PARAMETER adds to the query")
                return nil
            }
            if backend.value != shape.identity || !site.prefix.isEmpty {
                guard let text = shape.replaced(backend, problems, escape: { $0 }) else { return nil }
                path = text
            }
        }
        guard path != "%0" || parameters != nil else { return nil }
        // The rewrite would not match everything that the endpoint does, and the service would get what the client wrote.
        guard !site.path.contains(where: { $0 == "*" || $0 == "?" }) else {
            problems.add(at: http ?? query ?? place, found: "another backend path or query for a path with wildcards", allowed: "{name}, and {name+} at the end")
            return nil
        }
        let variablesMax = losesPrefix ? variablesMax - 1 : variablesMax
        guard shape.variables.count <= variablesMax else {
            problems.add(at: http ?? query ?? place, found: "a path with \(shape.variables.count) variables", allowed: "at most \(variablesMax)")
            return nil
        }
        var rewrite = ConfigurationNode.mapping([], at: http ?? query ?? place)
        rewrite.set("pattern", .string(losesPrefix ? shape.patternBehindPrefix : shape.pattern, at: http ?? query ?? place))
        let target = backend.map { ConfigurationNode(.null, position: $0.position, path: $0.path) } ?? query ?? place
        rewrite.set("to", .string(path + (parameters.map { "?\($0)" } ?? ""), at: target))
        if parameters != nil { rewrite.set("query", .string("add", at: target)) }
        return rewrite
    }

    /// `name=value&...`, escaped; nil if there are none.
    private static func parameters(_ object: ConfigurationNode, _ shape: Shape, firstGroup: Int, _ problems: Problems) -> String? {
        guard let reader = MappingReader(object, problems) else { return nil }
        let map = reader.stringMap("parameters")
        if map == nil, !reader.has("parameters") { reader.missing("parameters", allowed: "a mapping from names to texts") }
        reader.finish()
        let pairs = (map ?? []).compactMap { name, value -> String? in
            guard !Plugin.Form.hasVariable(name.value) else {
                problems.add(at: name, found: "a variable in the name \(Quoting.quoted(name.value))", allowed: "text without ${ and $!{")
                return nil
            }
            return shape.replaced(value, firstGroup: firstGroup, problems, escape: escaped).map { "\(escaped(name.value).replacing("%", with: "%%"))=\($0)" }
        }
        return pairs.isEmpty ? nil : pairs.joined(separator: "&")
    }

    /// As in a query (RFC 3986, 3.4): every byte that is not unreserved.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if byte < 0x80, isUnreserved(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }

    private static func isUnreserved(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "_", "~": true
        default: false
        }
    }

    /// What a path of a document looks like.
    private struct Shape {
        private(set) var variables: [String] = []
        /// Of a rewrite.
        private(set) var pattern = ""
        /// Of what stands in front of the path.
        private(set) var prefixPattern = ""
        /// With a group for what is behind that, before those of the variables.
        var patternBehindPrefix: String { "\(prefixPattern)(\(pattern.dropFirst(prefixPattern.count)))" }
        /// The backend path that changes nothing.
        private(set) var identity = ""

        init(_ site: SecondForm.Site) {
            for segment in site.prefix.split(separator: "/") { prefixPattern += "/" + Self.literal(segment) }
            pattern = prefixPattern
            let rest = DocumentPath.pattern(of: site.path) != site.path
            let segments = site.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
            for (number, segment) in segments.enumerated() {
                pattern += "/"
                identity += "/"
                var text = segment
                while let open = text.firstIndex(of: "{"), let close = text[open...].firstIndex(of: "}") {
                    let name = text[text.index(after: open)..<close]
                    variables.append(String(name))
                    if open > text.startIndex { pattern += Self.literal(text[..<open]) }
                    pattern += rest && number == segments.count - 1 ? "(.*)" : "([^/]+)"
                    identity += "\(text[..<open])\(opening)\(name)}"
                    text = text[text.index(after: close)...]
                }
                if !text.isEmpty { pattern += Self.literal(text) }
                identity += text
            }
        }

        /// The text itself, where a path spells it in one way only.
        private static func literal(_ text: Substring) -> String {
            guard text.unicodeScalars.allSatisfy(isUnreserved) else { return "[^/]*" }
            return String(text).replacing(".", with: "\\.")
        }

        /// A text with variables as a replacement's; nil, and a problem, for what is no variable of the path.
        func replaced(_ text: Located<String>, firstGroup: Int = 1, _ problems: Problems, escape: (String) -> String) -> String? {
            var result = ""
            var rest = text.value[...]
            while let dollar = rest.firstIndex(of: "$") {
                let behind = rest[dollar...]
                guard behind.hasPrefix("${") || behind.hasPrefix("$!{") else {
                    result += escape(String(rest[...dollar])).replacing("%", with: "%%")
                    rest = rest[rest.index(after: dollar)...]
                    continue
                }
                let end = behind.firstIndex(of: "}")
                let whole = end.map { behind[...$0] } ?? behind
                guard let end, let name = variable(of: String(whole)), let index = variables.firstIndex(of: name) else {
                    problems.add(
                        at: text, found: "\(Quoting.quoted(String(whole))), which is no variable of the path",
                        allowed: variables.isEmpty ? "no variables" : Quoting.alternatives(variables.map { "\(opening)\($0)}" }))
                    return nil
                }
                result += escape(String(rest[..<dollar])).replacing("%", with: "%%") + "%\(index + firstGroup)"
                rest = rest[rest.index(after: end)...]
            }
            return result + escape(String(rest)).replacing("%", with: "%%")
        }
    }

    // MARK: Export

    /// The plugins that an import makes the endpoint's rewrite of; none if it cannot.
    static func objects(_ endpoint: ConfigurationNode, _ site: SecondForm.Site, isMock: Bool) -> [(name: String, object: ConfigurationNode)] {
        let shape = Shape(site)
        let wanted = endpoint[["policies", "rewrite"]]
        // Without plugins the document says the same.
        let none = rewrite(http: nil, query: nil, isMock: isMock, site, at: endpoint, Problems(file: "", environment: [:]))
        if let none, let wanted, none.hasSameContent(as: wanted) { return [] }
        func text(_ text: String) -> ConfigurationNode { .string(text, at: endpoint) }
        func http(_ backend: String) -> ConfigurationNode {
            ConfigurationNode.mapping([], at: endpoint).setting("frontendEndpointPath", text(site.path)).setting("backendEndpointPath", text(backend))
        }
        var path: String? = shape.identity
        var query: ConfigurationNode?
        if let wanted {
            guard let to = wanted["to"]?.text else { return [] }
            let halves = to.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            let isBehindPrefix = !isMock && !site.prefix.isEmpty && wanted["pattern"]?.text == shape.patternBehindPrefix && halves[0] == "%1"
            path = halves[0] == "%0" || isBehindPrefix ? nil : written(halves[0], shape.variables)
            if path == nil, site.prefix.isEmpty, !isMock { path = shape.identity }
            if halves.count == 2 {
                var parameters = ConfigurationNode.mapping([], at: endpoint)
                for pair in halves[1].split(separator: "&") {
                    let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    guard parts.count == 2, let name = written(parts[0], []), let value = written(parts[1], (isBehindPrefix ? [""] : []) + shape.variables) else { return [] }
                    parameters.set(unescaped(name), text(unescaped(value)))
                }
                query = ConfigurationNode.mapping([], at: endpoint).setting("parameters", parameters)
            }
        }
        let object = isMock ? nil : path.map(http)
        let faults = Problems(file: "", environment: [:])
        let again = rewrite(http: object, query: query, isMock: isMock, site, at: endpoint, faults)
        let isSame = again.map { again in wanted.map(again.hasSameContent) ?? false } ?? (wanted == nil)
        guard isSame, faults.isEmpty else { return [] }
        return [("HTTP", object), ("ADD_REQUEST_QUERY_PARAMETER", query)].compactMap { name, object in object.map { (name, $0) } }
    }

    /// A part of a replacement in the words of the document; nil for a group that the path does not have.
    private static func written(_ text: Substring, _ variables: [String]) -> String? {
        var result = ""
        var rest = text
        while let character = rest.popFirst() {
            guard character == "%" else {
                result.append(character)
                continue
            }
            guard let next = rest.popFirst() else { return nil }
            if next == "%" {
                result.append("%")
            } else if let group = next.wholeNumberValue, variables.indices.contains(group - 1) {
                result += "\(opening)\(variables[group - 1])}"
            } else {
                return nil
            }
        }
        return result
    }

    private static func unescaped(_ text: String) -> String { DocumentReferences.decoded(text[...]) }
}
