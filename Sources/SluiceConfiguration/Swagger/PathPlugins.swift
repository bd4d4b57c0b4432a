/// The plugins of the paths of a document of the second form: one holds for its path and everything below, unless a path further down has its own.
struct PathPlugins {
    /// By `normal` path, then by name; those at the top of the document under an empty path.
    private var sets: [String: [String: ConfigurationNode]] = [:]
    /// Of the whole API: the one plugin of that name that holds for every path.
    private(set) var cors: ConfigurationNode?
    private(set) var rateLimit: ConfigurationNode?
    /// Whether any path has CORS.
    private(set) var hasCORS = false
    /// Whether `cors` stands on the path `/`, and nowhere else.
    private(set) var corsIsAtRoot = false
    private let format: DocumentFormat

    /// - Parameter document: the document, or what a domain keeps of it.
    init(_ document: ConfigurationNode, _ format: DocumentFormat, _ problems: Problems) {
        self.format = format
        let references = DocumentReferences(document)
        let form = PluginForm.second
        add(form.canonical(document, problems)[form.key], at: "", problems)
        var used: [String] = []
        for entry in document["paths"]?.entries ?? [] where !entry.key.hasPrefix("x-") {
            // A fault of the reference is told of where the path's operations are read.
            guard let item = try? references.resolve(entry.value) else { continue }
            let path = Self.normal(entry.key, format)
            let own = form.canonical(entry.value, problems)[form.key]
            add(own ?? (entry.value["$ref"] == nil ? nil : form.canonical(item, problems)[form.key]), at: path, problems)
            let methods = (item.entries ?? []) + (entry.value.entries ?? [])
            if methods.contains(where: { format.methods.contains($0.key) }) { used.append(path) }
        }
        rateLimit = sets["/"]?["RATE_LIMIT"] ?? sets[""]?["RATE_LIMIT"]
        findCORS(used, problems)
    }

    private mutating func add(_ extension: ConfigurationNode?, at path: String, _ problems: Problems) {
        guard let `extension` else { return }
        let isRoot = path.isEmpty || path == "/"
        let allowed = PluginForm.second.plugins.filter { $0.level == .operation || $0.level == .path || isRoot && $0.level == .rootOrMethod }
        let set = PluginSet(`extension`, .second, allowed: allowed, problems)
        // The plugins' own faults, once and not for each operation below.
        for plugin in allowed { if let object = set.objects[plugin.name], !plugin.fields.isEmpty { _ = plugin.policy(from: object, problems) } }
        guard !set.objects.isEmpty else { return }
        if let other = sets[path], other.keys != set.objects.keys || !other.allSatisfy({ set.objects[$0]?.hasSameContent(as: $1) ?? false }) {
            problems.add(
                at: `extension`, found: "other plugins than the same path has in another spelling",
                allowed: "the same plugins, or the path once: names of variables, a slash at the end and a fragment (#) make no other path")
        }
        sets[path] = set.objects
    }

    /// What the operations of a path have without saying so.
    func inherited(by path: String) -> [String: ConfigurationNode] {
        guard !sets.isEmpty else { return [:] }
        let plugins = Set(PluginForm.second.plugins(.operation).map(\.name))
        return Self.ancestors(of: Self.normal(path, format)).reduce(into: [:]) { result, ancestor in
            for (name, object) in sets[ancestor] ?? [:] where plugins.contains(name) { result[name] = object }
        }
    }

    /// The path without what makes no difference to where plugins hold: names of variables, a slash at the end and, in OpenAPI, a fragment.
    private static func normal(_ written: String, _ format: DocumentFormat) -> String {
        var rest = written[...]
        if format == .openAPI, let end = rest.firstIndex(of: "#") { rest = rest[..<end] }
        while rest.count > 1, rest.hasSuffix("/") { rest.removeLast() }
        var path = ""
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            let variable = rest[rest.index(after: open)..<close]
            path += rest[...open]
            path += variable.hasSuffix("+") ? "+" : String(variable.drop { $0 != ":" })
            path += "}"
            rest = rest[rest.index(after: close)...]
        }
        return path + rest
    }

    /// The whole document, the root, and so on down to the path.
    private static func ancestors(of path: String) -> [String] {
        var ancestors = ["", "/"]
        for index in path.indices.dropFirst() where path[index] == "/" { ancestors.append(String(path[..<index])) }
        if path != "/" { ancestors.append(path) }
        return ancestors
    }

    /// A domain has one CORS policy: a plugin for a part of the paths cannot be one.
    private mutating func findCORS(_ used: [String], _ problems: Problems) {
        let sets = sets
        let places = sets.filter { $0.value["CORS"] != nil }
        hasCORS = !places.isEmpty
        guard let first = places.min(by: { $0.key < $1.key })?.value["CORS"] else { return }
        let effective = used.map { path in Self.ancestors(of: path).reversed().lazy.compactMap { sets[$0]?["CORS"] }.first }
        guard effective.allSatisfy({ $0.map(first.hasSameContent) ?? false }) else {
            problems.add(
                at: first, found: "CORS for a part of the paths only, or in several forms", allowed: "the same for all paths, for example on the path /")
            return
        }
        cors = first
        corsIsAtRoot = places.count == 1 && places["/"] != nil
    }
}
