/// The endpoints of a document.
struct SwaggerPaths {
    private(set) var endpoints: [ConfigurationNode] = []
    /// What of `paths` is not an operation; nil if there is nothing else.
    private(set) var opaque: ConfigurationNode?

    private let prefix: String
    private let defaults: OperationDefaults
    private let problems: Problems

    /// - Parameter prefix: what is put in front of the endpoints' paths.
    init(_ document: ConfigurationNode, prefix: String, _ defaults: OperationDefaults, _ problems: Problems) {
        self.prefix = prefix
        self.defaults = defaults
        self.problems = problems
        guard let paths = document["paths"] else {
            problems.add(
                at: document.position, keyPath: "paths", found: "nothing", allowed: "a mapping of paths (required)")
            return
        }
        guard let reader = MappingReader(paths, problems) else { return }
        var opaque = ConfigurationNode.mapping([], at: paths)
        for (path, item) in reader.allEntries() {
            if path.value.hasPrefix("x-") {
                opaque.set(path.value, item)
            } else if let rest = readItem(path, item) {
                opaque.set(path.value, rest)
            }
        }
        self.opaque = opaque.isEmptyMapping ? nil : opaque
    }

    /// Adds the endpoints of one path, and answers what else stands there.
    private mutating func readItem(_ path: Located<String>, _ item: ConfigurationNode) -> ConfigurationNode? {
        guard let reader = MappingReader(item, problems) else { return nil }
        var rest = item
        var operations: [SwaggerOperation] = []
        for (name, node) in reader.allEntries() where SwaggerImport.methods.contains(name.value) {
            rest.set(name.value, nil)
            if let operation = SwaggerOperation(name, node, defaults, problems) { operations.append(operation) }
        }
        endpoints += SwaggerOperation.grouped(operations).map { group in
            var endpoint = SwaggerOperation.endpoint(path, group, patched: true)
            if let path = endpoint["path"], let text = path.text, !prefix.isEmpty { endpoint.set("path", .string(prefix + text, at: path)) }
            return endpoint
        }
        return rest.isEmptyMapping && !operations.isEmpty ? nil : rest
    }
}

/// One operation of a document.
struct SwaggerOperation {
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
    init?(_ method: Located<String>, _ node: ConfigurationNode, _ defaults: OperationDefaults, _ problems: Problems) {
        guard MappingReader(node, problems) != nil else { return nil }
        self.method = method
        self.node = node
        let plugins = PluginSet(node[PluginSet.key], allowed: Plugin.of(.operation), problems)
        var owner = ConfigurationNode.mapping([], at: node)
        var repeated: [(String, ConfigurationNode)] = []
        for plugin in Plugin.of(.operation) {
            let standard = defaults[plugin.name]
            if let object = plugins.objects[plugin.name] {
                guard let policy = plugin.policy(from: object, problems) else { continue }
                owner.set(plugin.way, policy)
                if standard?.policy.hasSameContent(as: policy) == true { repeated.append((plugin.name, object)) }
            } else if let standard {
                owner.set(plugin.way, standard.policy)
            }
        }
        policies = owner["policies"]
        var opaque = node.setting(SwaggerImport.extensionKey, nil)
        opaque.set(PluginSet.key, PluginSet.extensionNode(repeated, rest: plugins.rest, at: node))
        self.opaque = opaque.hasSameContent(as: SwaggerExport.bareOperation) ? nil : opaque
        guard let own = node[SwaggerImport.extensionKey], let reader = MappingReader(own, problems) else { return }
        patch = reader.mapping("endpoint")?.node
        sameAs = reader.enumeration("sameAs", SwaggerImport.methods)?.value
        reader.finish()
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
    static func endpoint(_ path: Located<String>, _ operations: [SwaggerOperation], patched: Bool) -> ConfigurationNode {
        let first = operations[0]
        var endpoint = ConfigurationNode.mapping([], at: first.node)
        endpoint.set("path", ConfigurationNode(.string(path.value), position: path.position, path: path.path))
        let methods = operations.map { operation in
            ConfigurationNode(
                .string(operation.method.value.uppercased()), position: operation.method.position,
                path: operation.method.path)
        }
        endpoint.set("methods", .sequence(methods, at: first.node))
        if let policies = first.policies { endpoint.set("policies", policies) }
        for operation in operations {
            if let opaque = operation.opaque { endpoint.set([SwaggerImport.opaqueKey, operation.method.value], opaque) }
        }
        return patched ? MergePatch.apply(first.patch, to: endpoint) ?? endpoint : endpoint
    }
}
