/// The endpoints of a document.
struct SwaggerPaths {
    private(set) var endpoints: [ConfigurationNode] = []
    /// What of `paths` is not an operation; nil if there is nothing else.
    private(set) var opaque: ConfigurationNode?

    /// What the gateway does not do of the document.
    private(set) var notes = DocumentNotes()

    private let prefix: String
    private let format: DocumentFormat
    private let plugins: DocumentPlugins
    private let problems: Problems
    private let references: DocumentReferences
    private var siblings = DocumentPath.Siblings([])
    /// Path and method of the operations so far, where documents may have further ones for them.
    private var served: Set<String> = []
    /// Values that references stand for, so far.
    private var referencedNodes = 0

    /// - Parameter prefix: what is put in front of the endpoints' paths.
    init(_ document: ConfigurationNode, _ format: DocumentFormat, prefix: String, _ plugins: DocumentPlugins, _ problems: Problems) {
        self.prefix = prefix
        self.format = format
        self.plugins = plugins
        self.problems = problems
        references = DocumentReferences(document)
        guard let paths = document["paths"] else {
            // A document of OpenAPI 3.1 may have none.
            if format == .swagger || document["webhooks"] == nil && document["components"] == nil {
                problems.add(
                    at: document.position, keyPath: "paths", found: "nothing", allowed: "a mapping of paths (required)")
            }
            return
        }
        guard let reader = MappingReader(paths, problems) else { return }
        var kept: [ConfigurationNode.Entry] = []
        let items = reader.allEntries()
        siblings = DocumentPath.Siblings(items.map { format == .openAPI ? DocumentPath.withoutFragment($0.name).value : $0.name.value })
        let isDouble = { (path: Located<String>) in format == .openAPI && path.value.contains("#") }
        for (path, item) in items.filter({ !isDouble($0.name) }) + items.filter({ isDouble($0.name) }) {
            if let rest = path.value.hasPrefix("x-") ? item : readItem(path, item) {
                kept.append(.init(key: path.value, keyPosition: path.position, value: rest))
            }
        }
        opaque = kept.isEmpty ? nil : .mapping(kept, at: paths)
    }

    /// Adds the endpoints of one path, and answers what else stands there.
    private mutating func readItem(_ written: Located<String>, _ node: ConfigurationNode) -> ConfigurationNode? {
        let path = format == .openAPI ? DocumentPath.withoutFragment(written) : written
        guard DocumentPath.isUsable(path, format, problems), let found = resolved(node), MappingReader(found, problems) != nil else { return nil }
        let item = plugins.form.canonical(found, problems)
        notes.look(atItem: item)
        var rest = item
        var operations: [SwaggerOperation] = []
        for entry in item.entries ?? [] {
            let name = entry.name
            guard format.methods.contains(name.value) else {
                checkKey(name)
                continue
            }
            guard let operation = followed(entry.value) else { continue }
            let node = plugins.form.canonical(operation, problems)
            guard format == .swagger || served.insert("\(name.value) \(path.value)").inserted else {
                readDouble(name, node, in: item)
                continue
            }
            rest.set(name.value, nil)
            if let operation = SwaggerOperation(name, node, plugins.context(path.value, item, node, prefix: prefix, references, problems), problems) {
                operations.append(operation)
                notes.look(atOperation: node, format)
            }
        }
        let parameters = format == .openAPI ? item["parameters"] : nil
        endpoints += SwaggerOperation.grouped(operations).map { group in
            var endpoint = SwaggerOperation.endpoint(path, isNamed: siblings.areAway(from: path.value), group, format, patched: true)
            if let parameters { endpoint.set([format.opaqueKey, "parameters"], parameters) }
            if let path = endpoint["path"], let text = path.text, !prefix.isEmpty { endpoint.set("path", .string(prefix + text, at: path)) }
            return endpoint
        }
        let hadPlugins = rest[plugins.form.key] != nil
        plugins.takeRoot(of: &rest, at: path.value)
        return rest.isEmptyMapping && (!operations.isEmpty || hadPlugins) ? nil : rest
    }

    /// An operation whose endpoint there is already: one with plugins of its own cannot be served by it.
    private mutating func readDouble(_ method: Located<String>, _ node: ConfigurationNode, in item: ConfigurationNode) {
        notes.lookAtDouble(method.value, in: item)
        for key in [plugins.form.key, SwaggerImport.extensionKey] {
            guard let own = node[key] else { continue }
            problems.add(
                at: own, found: "the plugins of a second operation with this path and method", allowed: "plugins on one of the operations that differ by a fragment (#)")
        }
    }

    /// What else stands in a path item. What may be a mistyped method is a problem: the operation would not be served.
    private func checkKey(_ name: Located<String>) {
        guard !format.itemKeys.contains(name.value), !name.value.hasPrefix("x-") else { return }
        if let nearest = Spelling.nearest(to: name.value, in: format.methods) {
            problems.add(
                at: name, found: "\(Problem.unknownKey) \(Quoting.quoted(name.value)) (did you mean \(nearest)?)", allowed: Quoting.alternatives(format.methods))
        } else {
            problems.note(at: name, "the key \(Quoting.quoted(name.value)) of a path has no effect")
        }
    }

    // MARK: References

    /// Values that the references of path items may stand for together, as aliases of YAML may.
    static let referencedNodesMax = YAMLTree.Limits.aliasedNodesMax

    /// The path item, without its reference: what the reference leads to, and what stands beside it.
    private mutating func resolved(_ item: ConfigurationNode) -> ConfigurationNode? {
        guard let reference = item["$ref"] else { return item }
        guard format == .openAPI else {
            problems.add(at: reference, found: "a reference in place of a path's operations", allowed: "operations that are written out")
            return nil
        }
        return followed(item)
    }

    /// The node itself, or what its reference leads to with what stands beside it. Nil, and a problem, for a reference that cannot be followed.
    private mutating func followed(_ item: ConfigurationNode) -> ConfigurationNode? {
        guard let reference = item["$ref"] else { return item }
        guard referencedNodes <= Self.referencedNodesMax else { return nil }
        do throws(DocumentReferences.Fault) {
            var target = try references.resolve(.mapping([.init(key: "$ref", keyPosition: reference.position, value: reference)], at: item))
            referencedNodes += Self.count(target)
            guard referencedNodes <= Self.referencedNodesMax else {
                problems.add(
                    at: reference, found: "references that stand for more than \(Self.referencedNodesMax) values", allowed: "at most \(Self.referencedNodesMax)")
                return nil
            }
            for entry in item.entries ?? [] where entry.key != "$ref" { target.set(entry.key, entry.value) }
            return target
        } catch {
            error.report(problems)
            return nil
        }
    }

    private static func count(_ node: ConfigurationNode) -> Int {
        1 + (node.entries ?? []).reduce(0) { $0 + count($1.value) } + (node.elements ?? []).reduce(0) { $0 + count($1) }
    }
}

/// One operation of a document.
struct SwaggerOperation {
    /// Beside the methods in what an endpoint keeps: its path in the document, where that is another text.
    static let pathKey = "path"

    /// In lower case, as in the document.
    let method: Located<String>
    let node: ConfigurationNode
    let policies: ConfigurationNode?
    /// What the gateway does not read; nil if it is what an export writes by itself.
    let opaque: ConfigurationNode?
    private(set) var patch: ConfigurationNode?
    /// The method whose endpoint serves this operation too.
    private(set) var sameAs: String?

    /// Nil, and a problem, if `node` is not a mapping.
    init?(_ method: Located<String>, _ node: ConfigurationNode, _ context: OperationContext, _ problems: Problems) {
        guard MappingReader(node, problems) != nil else { return nil }
        self.method = method
        self.node = node
        let key = context.form.key
        let (owner, set, repeated) = context.form == .first ? Self.first(node, context.defaults, problems) : Self.second(node, context, problems)
        policies = owner["policies"]
        var opaque = node.setting(SwaggerImport.extensionKey, nil)
        opaque.set(key, PluginSet.extensionNode(repeated, context.form, rest: set.rest, at: node))
        self.opaque = opaque.hasSameContent(as: context.bareOperation) ? nil : opaque
        guard let own = node[SwaggerImport.extensionKey], let reader = MappingReader(own, problems) else { return }
        patch = reader.mapping("endpoint")?.node
        sameAs = reader.enumeration("sameAs", DocumentFormat.openAPI.methods)?.value
        reader.finish()
    }

    private typealias Read = (owner: ConfigurationNode, set: PluginSet, repeated: [(name: String, object: ConfigurationNode)])

    private static func first(_ node: ConfigurationNode, _ defaults: OperationDefaults, _ problems: Problems) -> Read {
        let set = PluginSet(node[PluginForm.first.key], .first, allowed: PluginForm.first.plugins(.operation), problems)
        var owner = ConfigurationNode.mapping([], at: node)
        var repeated: [(String, ConfigurationNode)] = []
        for plugin in PluginForm.first.plugins(.operation) {
            let standard = defaults[plugin.name]
            if let object = set.objects[plugin.name] {
                guard let policy = plugin.policy(from: object, problems) else { continue }
                owner.set(plugin.way, policy)
                if standard?.policy.hasSameContent(as: policy) == true { repeated.append((plugin.name, object)) }
            } else if let standard {
                owner.set(plugin.way, standard.policy)
            }
        }
        return (owner, set, repeated)
    }

    private static func second(_ node: ConfigurationNode, _ context: OperationContext, _ problems: Problems) -> Read {
        let allowed = PluginForm.second.plugins(.operation, .method, .rootOrMethod)
        let set = PluginSet(node[PluginForm.second.key], .second, allowed: allowed, problems)
        let owner = SecondForm.owner(set.objects, inherited: context.inherited, context.site, at: node, problems)
        let repeated = allowed.compactMap { plugin -> (String, ConfigurationNode)? in
            guard let object = set.objects[plugin.name] else { return nil }
            let isRepeated = context.inherited[plugin.name]?.hasSameContent(as: object) == true
            // Policies do not tell whether one that is on or off stands there.
            return isRepeated || SecondForm.isOn(object) != nil ? (plugin.name, object) : nil
        }
        return (owner, set, repeated)
    }

    /// The operations that one endpoint serves, together. An operation that says `sameAs` but has other policies is an
    /// endpoint of its own.
    static func grouped(_ operations: [SwaggerOperation]) -> [[SwaggerOperation]] {
        var groups: [[SwaggerOperation]] = []
        for operation in operations where operation.isFirst(among: operations) { groups.append([operation]) }
        for operation in operations where !operation.isFirst(among: operations) {
            if let index = groups.firstIndex(where: { $0[0].method.value == operation.sameAs }) {
                groups[index].append(operation)
            }
        }
        return groups
    }

    private func isFirst(among operations: [SwaggerOperation]) -> Bool {
        guard let sameAs, let other = operations.first(where: { $0.method.value == sameAs }), other.sameAs == nil else {
            return true
        }
        switch (policies, other.policies) {
        case (nil, nil): return false
        case (let own?, let others?): return !own.hasSameContent(as: others)
        default: return true
        }
    }

    /// The endpoint that serves `operations`, which is not empty; its first one decides on policies and patch.
    ///
    /// - Parameter isNamed: see `DocumentPath.Siblings`.
    static func endpoint(
        _ path: Located<String>, isNamed: Bool, _ operations: [SwaggerOperation], _ format: DocumentFormat, patched: Bool
    ) -> ConfigurationNode {
        let first = operations[0]
        var endpoint = ConfigurationNode.mapping([], at: first.node)
        let pattern = DocumentPath.pattern(of: path.value, isNamed: isNamed)
        endpoint.set("path", ConfigurationNode(.string(pattern), position: path.position, path: path.path))
        let methods = operations.map { operation in
            ConfigurationNode(
                .string(operation.method.value.uppercased()), position: operation.method.position,
                path: operation.method.path)
        }
        endpoint.set("methods", .sequence(methods, at: first.node))
        if let policies = first.policies { endpoint.set("policies", policies) }
        for operation in operations {
            if let opaque = operation.opaque { endpoint.set([format.opaqueKey, operation.method.value], opaque) }
        }
        if pattern != path.value {
            endpoint.set([format.opaqueKey, Self.pathKey], ConfigurationNode(.string(path.value), position: path.position, path: path.path))
        }
        return patched ? MergePatch.apply(first.patch, to: endpoint) ?? endpoint : endpoint
    }
}
