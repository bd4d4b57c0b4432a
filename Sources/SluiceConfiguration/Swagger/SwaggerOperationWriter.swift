/// Writes the endpoints of a domain as the operations of a document.
struct SwaggerOperationWriter {
    /// The document's `paths`.
    private(set) var paths: ConfigurationNode
    /// Endpoints that no operation can stand for: without a path, or with none of Swagger's methods that is still free.
    private(set) var others: [ConfigurationNode] = []
    /// For each endpoint of the domain, its number in the document, as an import counts.
    private(set) var order: [Int] = []

    private let defaults: OperationDefaults

    /// The operation plugins that stand at the top of the document that `domain` came from.
    static func defaults(_ domain: ConfigurationNode) -> OperationDefaults {
        let problems = Problems(file: "", environment: [:])
        let set = PluginSet(
            domain[SwaggerImport.opaqueKey]?[PluginSet.key], allowed: Plugin.of(.operation), problems)
        return OperationDefaults(set, problems)
    }

    /// What stands in front of every endpoint's path and is the base path's in the document.
    private let prefix: String

    init(_ domain: ConfigurationNode, prefix: String = "") {
        self.prefix = prefix
        defaults = Self.defaults(domain)
        paths = .mapping([], at: domain)
        var items = PathItems()
        var numbers: [[Int]] = []
        var numbersOfOthers: [Int] = []
        for (number, endpoint) in (domain["endpoints"]?.elements ?? []).enumerated() {
            // In the document, the base path holds the prefix.
            let text = endpoint["path"]?.text.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
            let endpoint = text.map { endpoint.setting("path", .string($0, at: endpoint)) } ?? endpoint
            if let path = text.map({ Self.documentPath(endpoint, $0) }), let operations = operations(endpoint, path, besides: items[path]) {
                let index = items.add(path, operations.map { ($0.method, $0.node) }, at: endpoint)
                if index == numbers.count { numbers.append([]) }
                numbers[index].append(number)
            } else {
                others.append(endpoint)
                numbersOfOthers.append(number)
            }
        }
        for entry in domain[SwaggerImport.opaqueKey]?["paths"]?.entries ?? [] {
            if entry.key.hasPrefix("x-") {
                items.add(entry)
            } else {
                let parts = (entry.value.entries ?? []).filter { !SwaggerImport.methods.contains($0.key) }
                items.add(entry.key, parts.map { ($0.key, $0.value) }, at: entry.value)
            }
        }
        paths = .mapping(items.entries, at: domain)
        let inDocument = numbers.flatMap { $0 } + numbersOfOthers
        order = inDocument.indices.sorted { inDocument[$0] < inDocument[$1] }
    }

    /// The path in the document, which the endpoint keeps where its pattern is another text.
    private static func documentPath(_ endpoint: ConfigurationNode, _ pattern: String) -> String {
        guard let noted = endpoint[SwaggerImport.opaqueKey]?[SwaggerOperation.pathKey]?.text, DocumentPath.pattern(of: noted) == pattern else { return pattern }
        return noted
    }

    /// Path items by path, in the order in which the paths came.
    private struct PathItems {
        private(set) var entries: [ConfigurationNode.Entry] = []
        private var indices: [String: Int] = [:]

        subscript(path: String) -> ConfigurationNode? { indices[path].map { entries[$0].value } }

        /// Adds to the path's item, and answers the item's number.
        @discardableResult
        mutating func add(
            _ path: String, _ parts: [(key: String, value: ConfigurationNode)], at place: ConfigurationNode
        ) -> Int {
            let index = indices[path] ?? entries.count
            if index == entries.count {
                add(.init(key: path, keyPosition: place.position, value: .mapping([], at: place)))
            }
            for part in parts { entries[index].value.set(part.key, part.value) }
            return index
        }

        mutating func add(_ entry: ConfigurationNode.Entry) {
            indices[entry.key] = entries.count
            entries.append(entry)
        }
    }

    /// An operation for each of the endpoint's methods that the path has none for yet; nil if there is none.
    private func operations(
        _ endpoint: ConfigurationNode, _ path: String, besides item: ConfigurationNode?
    ) -> [(method: String, node: ConfigurationNode)]? {
        guard path.hasPrefix("/") else { return nil }
        var operations: [(method: String, node: ConfigurationNode)] = []
        for method in endpoint["methods"]?.elements ?? [] {
            guard let name = method.text, name == name.uppercased(), SwaggerImport.methods.contains(name.lowercased()),
                item?[name.lowercased()] == nil, !operations.contains(where: { $0.method == name.lowercased() })
            else { continue }
            operations.append((name.lowercased(), operation(endpoint, name.lowercased())))
        }
        guard let main = operations.first else { return nil }
        for index in operations.indices.dropFirst() {
            let way = [SwaggerImport.extensionKey, "sameAs"]
            operations[index].node.set(way, .string(main.method, at: endpoint))
        }
        if let patch = patch(endpoint, path, operations) {
            operations[0].node.set([SwaggerImport.extensionKey, "endpoint"], patch)
        }
        return operations
    }

    private func operation(_ endpoint: ConfigurationNode, _ method: String) -> ConfigurationNode {
        let noted = endpoint[SwaggerImport.opaqueKey]?[method].flatMap { $0.entries == nil ? nil : $0 }
        var operation = noted ?? SwaggerExport.bareOperation
        let rest = operation[PluginSet.key]
        let objects = Plugin.of(.operation).compactMap { plugin -> (name: String, object: ConfigurationNode)? in
            guard let object = plugin.object(from: endpoint) else { return nil }
            let isInherited = endpoint[plugin.way].map { defaults[plugin.name]?.policy.hasSameContent(as: $0) } == true
            let isRepeated = rest?["plugins"]?[plugin.name] != nil
            return isInherited && !isRepeated ? nil : (plugin.name, object)
        }
        operation.set(PluginSet.key, PluginSet.extensionNode(objects, rest: rest, at: endpoint))
        return operation
    }

    /// What an import of `operations` would lack of the endpoint.
    private func patch(
        _ endpoint: ConfigurationNode, _ path: String, _ operations: [(method: String, node: ConfigurationNode)]
    ) -> ConfigurationNode? {
        let problems = Problems(file: "", environment: [:])
        let read = operations.compactMap { operation in
            SwaggerOperation(Located(value: operation.method), operation.node, defaults, problems)
        }
        guard !read.isEmpty else { return nil }
        let imported = SwaggerOperation.endpoint(Located(value: path), read, .swagger, patched: false)
        return MergePatch.difference(from: imported, to: endpoint)
    }
}
