// Swagger 2.0 to a configuration, tree to tree.
//
// What the gateway acts on becomes domain, endpoints and policies. Everything else (info, definitions, descriptions,
// other vendor extensions) goes unread into keys named `swagger`, on the domain and, by method, on each endpoint, so that
// an export restores it. What an export could not say in plugins stands in the document under `x-sluice` as merge
// patches, and is applied here. Nodes keep their places: later problems point into the document.

/// Converts Swagger 2.0 documents to configurations.
package enum SwaggerImport {
    /// What of our own stands in a document, at its top and in its operations.
    static let extensionKey = "x-sluice"
    /// Where a configuration keeps what the gateway does not read.
    static let opaqueKey = "swagger"
    /// The operations of a path item (Swagger 2.0, "Path Item Object").
    static let methods = ["get", "put", "post", "delete", "options", "head", "patch"]

    /// Whether a tree is a Swagger document of any version, rather than a configuration of our own.
    package static func isSwagger(_ node: ConfigurationNode) -> Bool { node["swagger"] != nil }

    /// The configuration of one domain that the document stands for. It is as complete as the document allows, also when
    /// problems were added.
    ///
    /// - Parameter key: the domain's key, where it is not to be the document's.
    package static func convert(_ document: ConfigurationNode, key: String? = nil, _ problems: Problems) -> ConfigurationNode {
        if !isSupported(document["swagger"]) {
            let place = document["swagger"] ?? document
            problems.add(at: place, found: place.found, allowed: "\"2.0\"")
        }
        let extensions = Extensions(document, problems)
        let address = SwaggerAddress(document, chosenKey: key)
        var domain = self.domain(document, address, extensions, problems)
        let paths = SwaggerPaths(document, prefix: extensions.prefix ?? address.prefix, extensions.operationDefaults, problems)
        domain.set("endpoints", .sequence(ordered(paths.endpoints + extensions.endpoints, extensions.order), at: document))
        if let opaque = opaque(document, extensions, paths, key: domain["key"]?.text) {
            domain.set(opaqueKey, opaque)
        }
        domain = MergePatch.apply(extensions.domainPatch, to: domain) ?? domain
        if let key { domain.set("key", .string(key, at: domain["key"] ?? document)) }
        return (extensions.configuration ?? .mapping([], at: document))
            .setting("domains", .sequence([domain], at: document))
    }

    /// Whether a document of this version can be converted; YAML without quotes makes it a number.
    static func isSupported(_ version: ConfigurationNode?) -> Bool {
        switch version?.content {
        case .string("2.0"), .number(2): true
        default: false
        }
    }

    // MARK: - The domain

    /// Key, hosts, upstream and policies, in the order in which a person would write them.
    private static func domain(
        _ document: ConfigurationNode, _ address: SwaggerAddress, _ extensions: Extensions, _ problems: Problems
    ) -> ConfigurationNode {
        var domain = ConfigurationNode.mapping([], at: document)
        if let key = extensions.domainPatch?["key"] ?? address.key {
            domain.set("key", key)
        } else {
            let place = document["basePath"]
            problems.add(
                at: place ?? document, found: place?.found ?? "nothing",
                allowed: "a basePath that begins with a slash and whose first segment is the domain's key")
        }
        domain.set("hosts", address.hosts)
        for plugin in Plugin.of(.domain) {
            if let object = extensions.plugins.objects[plugin.name], let policy = plugin.policy(from: object, problems) {
                domain.set(plugin.way, policy)
            }
        }
        return domain
    }

    /// What the gateway does not read of the document's top; nil if it is what an export writes by itself.
    private static func opaque(
        _ document: ConfigurationNode, _ extensions: Extensions, _ paths: SwaggerPaths, key: String?
    ) -> ConfigurationNode? {
        var opaque = document
        for key in [extensionKey, PluginSet.key, "paths", "basePath"] { opaque.set(key, nil) }
        let basePath = document["basePath"]
        if basePath == nil || basePath?.text != key.map({ "/" + $0 }) {
            opaque.set("basePath", basePath ?? ConfigurationNode(.null, position: document.position))
        }
        opaque.set("paths", paths.opaque)
        opaque.set(PluginSet.key, extensions.opaque)
        return opaque.hasSameContent(as: SwaggerExport.bareDocument(key: key ?? "")) ? nil : opaque
    }

    /// `endpoints` in the order of the configuration that was exported, where that is noted.
    private static func ordered(_ endpoints: [ConfigurationNode], _ order: [Int]) -> [ConfigurationNode] {
        order.sorted() == Array(endpoints.indices) ? order.map { endpoints[$0] } : endpoints
    }

    // MARK: - Extensions at the top

    /// The vendor extension and our own, at the top of a document.
    private struct Extensions {
        let plugins: PluginSet
        /// Policies for every operation without its own, with the plugins that they come from.
        let operationDefaults: OperationDefaults
        var domainPatch: ConfigurationNode?
        /// Everything of the configuration but its domains.
        var configuration: ConfigurationNode?
        /// Endpoints that no operation can stand for.
        var endpoints: [ConfigurationNode] = []
        /// For each endpoint of the configuration, its number in the document.
        var order: [Int] = []
        /// What stands in front of the endpoints' paths, where it is not what the address says.
        var prefix: String?
        /// What of the vendor extension goes to the opaque part.
        let opaque: ConfigurationNode?

        init(_ document: ConfigurationNode, _ problems: Problems) {
            plugins = PluginSet(document[PluginSet.key], allowed: Plugin.all, problems)
            operationDefaults = OperationDefaults(plugins, problems)
            let defaults = operationDefaults.plugins.map { ($0.name, $0.object) }
            opaque = PluginSet.extensionNode(defaults, rest: plugins.rest, at: document)
            guard let own = document[SwaggerImport.extensionKey], let reader = MappingReader(own, problems) else { return }
            domainPatch = reader.mapping("domain")?.node
            configuration = reader.mapping("configuration")?.node
            endpoints = reader.list("endpoints")?.value ?? []
            order = (reader.list("order")?.value ?? []).compactMap { node in
                if case .integer(let number) = node.content { Int(number) } else { nil }
            }
            prefix = reader.string("prefix")?.value
            reader.finish()
        }
    }
}

/// Operation plugins at the top of a document: they hold for every operation that has none of the same name.
struct OperationDefaults {
    let plugins: [(name: String, object: ConfigurationNode, policy: ConfigurationNode)]

    init(_ set: PluginSet, _ problems: Problems) {
        plugins = Plugin.of(.operation).compactMap { plugin in
            guard let object = set.objects[plugin.name], let policy = plugin.policy(from: object, problems) else {
                return nil
            }
            return (plugin.name, object, policy)
        }
    }

    subscript(name: String) -> (object: ConfigurationNode, policy: ConfigurationNode)? {
        plugins.first { $0.name == name }.map { ($0.object, $0.policy) }
    }
}
