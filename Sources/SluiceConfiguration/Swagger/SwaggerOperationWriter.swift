/// Writes the endpoints of a domain as the operations of a document.
struct SwaggerOperationWriter {
    /// The document's `paths`.
    private(set) var paths: ConfigurationNode
    /// Endpoints that no operation can stand for: without a path, or with none of Swagger's methods that is still free.
    private(set) var others: [ConfigurationNode] = []
    /// For each endpoint of the domain, its number in the document, as an import counts.
    private(set) var order: [Int] = []

    private let form: PluginForm
    private let plugins: DocumentPlugins
    /// What the domain keeps of its document.
    private let kept: ConfigurationNode
    private let references: DocumentReferences
    private let siblings: DocumentPath.Siblings

    /// The plugins for operations that stand at the top, or on the paths, of the document that `domain` came from.
    static func plugins(_ domain: ConfigurationNode, _ form: PluginForm) -> DocumentPlugins {
        let problems = Problems(file: "", environment: [:])
        let kept = domain[SwaggerImport.opaqueKey] ?? .mapping([], at: domain)
        switch form {
        case .first:
            let set = PluginSet(kept[form.key], form, allowed: form.plugins(.operation), problems)
            return DocumentPlugins(form: form, defaults: OperationDefaults(set, problems), paths: nil)
        case .second:
            return DocumentPlugins(form: form, defaults: OperationDefaults(), paths: PathPlugins(kept, .swagger, problems), consumes: kept["consumes"])
        }
    }

    private func context(_ path: String, _ operation: ConfigurationNode?) -> OperationContext {
        plugins.context(path, kept["paths"]?[path], operation, prefix: prefix, references, Problems(file: "", environment: [:]))
    }

    /// What stands in front of every endpoint's path and is the base path's in the document.
    private let prefix: String

    init(_ domain: ConfigurationNode, _ form: PluginForm, prefix: String = "") {
        self.prefix = prefix
        self.form = form
        plugins = Self.plugins(domain, form)
        kept = domain[SwaggerImport.opaqueKey] ?? .mapping([], at: domain)
        references = DocumentReferences(kept)
        paths = .mapping([], at: domain)
        let written = (domain["endpoints"]?.elements ?? []).compactMap { endpoint in
            Self.notedPath(endpoint) ?? endpoint["path"]?.text.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
        }
        siblings = DocumentPath.Siblings(written + (kept["paths"]?.entries ?? []).map(\.key))
        var items = PathItems()
        var numbers: [[Int]] = []
        var numbersOfOthers: [Int] = []
        for (number, endpoint) in (domain["endpoints"]?.elements ?? []).enumerated() {
            // In the document, the base path holds the prefix.
            let text = endpoint["path"]?.text.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
            let endpoint = text.map { endpoint.setting("path", .string($0, at: endpoint)) } ?? endpoint
            if let path = text.map({ documentPath(endpoint, $0) }), let operations = operations(endpoint, path, besides: items[path]) {
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
                let parts = (form.alone(entry.value).entries ?? []).filter { !SwaggerImport.methods.contains($0.key) }
                items.add(entry.key, parts.map { ($0.key, $0.value) }, at: entry.value)
            }
        }
        paths = .mapping(items.entries, at: domain)
        let inDocument = numbers.flatMap { $0 } + numbersOfOthers
        order = inDocument.indices.sorted { inDocument[$0] < inDocument[$1] }
    }

    /// The path in the document, which the endpoint keeps where its pattern is another text.
    private func documentPath(_ endpoint: ConfigurationNode, _ pattern: String) -> String {
        guard let noted = Self.notedPath(endpoint), DocumentPath.pattern(of: noted, isNamed: siblings.areAway(from: noted)) == pattern else { return pattern }
        return noted
    }

    private static func notedPath(_ endpoint: ConfigurationNode) -> String? { endpoint[SwaggerImport.opaqueKey]?[SwaggerOperation.pathKey]?.text }

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
            operations.append((name.lowercased(), operation(endpoint, path, name.lowercased())))
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

    private func operation(_ endpoint: ConfigurationNode, _ path: String, _ method: String) -> ConfigurationNode {
        let noted = endpoint[SwaggerImport.opaqueKey]?[method].flatMap { $0.entries == nil ? nil : $0 }
        var operation = noted.map(form.alone) ?? context(path, nil).bareOperation
        let rest = operation[form.key]
        let objects = objects(endpoint, path, operation, noted: rest?["plugins"]).filter { name, object, isInherited in
            let isRepeated = rest?["plugins"]?[name] != nil
            return !isInherited || isRepeated
        }
        operation.set(form.key, PluginSet.extensionNode(objects.map { ($0.name, $0.object) }, form, rest: rest, at: endpoint))
        return operation
    }

    private func objects(
        _ endpoint: ConfigurationNode, _ path: String, _ operation: ConfigurationNode, noted: ConfigurationNode?
    ) -> [(name: String, object: ConfigurationNode, isInherited: Bool)] {
        switch form {
        case .first:
            return form.plugins(.operation).compactMap { plugin in
                guard let object = plugin.object(from: endpoint) else { return nil }
                let isInherited = endpoint[plugin.way].map { plugins.defaults[plugin.name]?.policy.hasSameContent(as: $0) } == true
                return (plugin.name, object, isInherited)
            }
        case .second:
            let context = context(path, operation)
            return SecondForm.objects(endpoint, context.site, inherited: context.inherited, noted: noted).map { name, object in
                (name, object, context.inherited[name]?.hasSameContent(as: object) == true)
            }
        }
    }

    /// What an import of `operations` would lack of the endpoint.
    private func patch(
        _ endpoint: ConfigurationNode, _ path: String, _ operations: [(method: String, node: ConfigurationNode)]
    ) -> ConfigurationNode? {
        let problems = Problems(file: "", environment: [:])
        let read = operations.compactMap { operation in
            SwaggerOperation(Located(value: operation.method), operation.node, context(path, operation.node), problems)
        }
        guard !read.isEmpty else { return nil }
        let imported = SwaggerOperation.endpoint(Located(value: path), isNamed: siblings.areAway(from: path), read, .swagger, patched: false)
        return MergePatch.difference(from: imported, to: endpoint)
    }
}
