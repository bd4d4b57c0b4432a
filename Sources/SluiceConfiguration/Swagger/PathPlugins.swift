/// The plugins of the paths of a document of the second form: one holds for its path and everything below, unless a path further down has its own.
struct PathPlugins {
    /// By path, then by name; those at the top of the document under an empty path.
    private var sets: [String: [String: ConfigurationNode]] = [:]
    /// Of the whole API: the one plugin of that name that holds for every path.
    private(set) var cors: ConfigurationNode?
    private(set) var rateLimit: ConfigurationNode?
    /// Whether any path has CORS.
    private(set) var hasCORS = false
    /// Whether `cors` stands on the path `/`, and nowhere else.
    private(set) var corsIsAtRoot = false

    /// - Parameter document: the document, or what a domain keeps of it.
    init(_ document: ConfigurationNode, _ format: DocumentFormat, _ problems: Problems) {
        let references = DocumentReferences(document)
        let form = PluginForm.second
        add(form.canonical(document, problems)[form.key], at: "", problems)
        var used: [String] = []
        for entry in document["paths"]?.entries ?? [] where !entry.key.hasPrefix("x-") {
            // A fault of the reference is told of where the path's operations are read.
            guard let item = try? references.resolve(entry.value) else { continue }
            add(form.canonical(entry.value[form.key] == nil ? item : entry.value, problems)[form.key], at: entry.key, problems)
            if item.entries?.contains(where: { format.methods.contains($0.key) }) == true { used.append(entry.key) }
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
        if !set.objects.isEmpty { sets[path] = set.objects }
    }

    /// What the operations of a path have without saying so.
    func inherited(by path: String) -> [String: ConfigurationNode] {
        guard !sets.isEmpty else { return [:] }
        let plugins = Set(PluginForm.second.plugins(.operation).map(\.name))
        return Self.ancestors(of: path).reduce(into: [:]) { result, ancestor in
            for (name, object) in sets[ancestor] ?? [:] where plugins.contains(name) { result[name] = object }
        }
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
