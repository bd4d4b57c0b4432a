// Swagger 2.0 and OpenAPI 3 to a configuration, tree to tree.
//
// What the gateway acts on becomes domain, endpoints and policies. Everything else (info, definitions, descriptions,
// other vendor extensions) goes unread into keys named `swagger` or `openapi`, on the domain and, by method, on each endpoint, so that
// an export of Swagger restores it. What an export could not say in plugins stands in the document under `x-sluice` as merge
// patches, and is applied here. Nodes keep their places: later problems point into the document.

/// Converts documents to configurations.
package enum SwaggerImport {
    /// What of our own stands in a document, at its top and in its operations.
    static let extensionKey = "x-sluice"
    /// Where a configuration keeps what the gateway does not read of Swagger.
    static let opaqueKey = "swagger"
    /// The operations of a path item (Swagger 2.0, "Path Item Object").
    static let methods = ["get", "put", "post", "delete", "options", "head", "patch"]

    /// The configuration of one domain that a Swagger document stands for.
    static func convert(_ document: ConfigurationNode, key: String? = nil, _ problems: Problems) -> ConfigurationNode {
        convert(document, .swagger, key: key, upstreams: [], problems)
    }

    /// See `APIDocument.convert`.
    static func convert(
        _ document: ConfigurationNode, _ format: DocumentFormat, key: String?, upstreams: [String], _ problems: Problems
    ) -> ConfigurationNode {
        if !format.isSupported(document[format.versionKey]) {
            let place = document[format.versionKey] ?? document
            problems.add(at: place, found: place.found, allowed: format.supportedVersions)
        }
        let form = PluginForm(of: document, format, problems)
        let document = form.canonical(document, problems)
        let extensions = Extensions(document, format, form, problems)
        if format == .swagger, let basePath = document["basePath"], basePath.text?.contains(where: { "{}*?".contains($0) }) == true {
            problems.add(at: basePath, found: basePath.found, allowed: "a path without braces, asterisks and question marks")
        }
        let address =
            switch format {
            case .swagger: SwaggerAddress(document, chosenKey: key)
            case .openAPI: SwaggerAddress(document, OpenAPIServers(document, problems), chosenKey: key)
            }
        var domain = self.domain(document, address, extensions, problems)
        let prefix = extensions.prefix ?? address.prefix
        let paths = SwaggerPaths(document, format, prefix: prefix, extensions.operationPlugins, problems)
        domain.set("endpoints", .sequence(ordered(paths.endpoints + extensions.endpoints, extensions.order), at: document))
        if let opaque = opaque(document, format, extensions, paths, key: domain["key"]?.text) {
            domain.set(format.opaqueKey, opaque)
        }
        domain = MergePatch.apply(extensions.domainPatch, to: domain) ?? domain
        if let key { domain.set("key", .string(key, at: domain["key"] ?? document)) }
        paths.notes.report(document, domain, problems)
        if !upstreams.isEmpty { give(upstreams, to: &domain, address, prefix: prefix, form, problems) }
        return (extensions.configuration ?? .mapping([], at: document))
            .setting("domains", .sequence([domain], at: document))
    }

    /// Puts the service that an operator names behind the domain: it gets the base path and the path, as the document has them; in the second form,
    /// whose operations name the paths that it gets, the URL is its own. An API without a base path answers under every host, as one with a base path does.
    private static func give(
        _ upstreams: [String], to domain: inout ConfigurationNode, _ address: SwaggerAddress, prefix: String, _ form: PluginForm, _ problems: Problems
    ) {
        let place = ConfigurationNode(.null, path: ConfigurationPath(text: "--upstream"))
        if let own = domain["upstream"] {
            problems.add(at: own, found: "an upstream in the document, beside --upstream", allowed: "one of the two")
            return
        }
        let basePath = address.upstreamPath(prefix: prefix)
        let path = form == .second ? "" : basePath
        let urls = upstreams.map { url in
            var url = url
            while url.hasSuffix("/"), !path.isEmpty { url.removeLast() }
            return ConfigurationNode.string(url.contains("?") ? url : url + path, at: place)
        }
        domain.set("upstream", urls.count == 1 ? urls[0] : .sequence(urls, at: place))
        if basePath.isEmpty, prefix.isEmpty {
            let hosts = domain["hosts"]?.elements ?? []
            if !hosts.contains(where: { $0.text == "*" }) { domain.set("hosts", .sequence(hosts + [.string("*", at: place)], at: place)) }
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
        for plugin in extensions.form.plugins(.domain, .path) {
            if let object = extensions.domainObjects[plugin.name], let policy = plugin.policy(from: object, problems) {
                domain.set(plugin.way, policy)
            }
        }
        guard extensions.form == .second else { return domain }
        if let object = extensions.operationPlugins.paths?.rateLimit, let limits = SecondForm.rateLimit(object, problems) {
            domain.set(["policies", "rateLimit"], limits)
        }
        domain.set("errors", .string(SecondForm.errors, at: document))
        return domain
    }

    /// What the gateway does not read of the document's top; nil if it is what an export writes by itself.
    private static func opaque(
        _ document: ConfigurationNode, _ format: DocumentFormat, _ extensions: Extensions, _ paths: SwaggerPaths, key: String?
    ) -> ConfigurationNode? {
        var opaque = document
        for key in [extensionKey, extensions.form.key, "paths"] { opaque.set(key, nil) }
        if format == .swagger {
            opaque.set("basePath", nil)
            let basePath = document["basePath"]
            if basePath == nil || basePath?.text != key.map({ "/" + $0 }) {
                opaque.set("basePath", basePath ?? ConfigurationNode(.null, position: document.position))
            }
        }
        opaque.set("paths", paths.opaque)
        opaque.set(extensions.form.key, extensions.opaque)
        return opaque.hasSameContent(as: SwaggerExport.bareDocument(key: key ?? "")) ? nil : opaque
    }

    /// `endpoints` in the order of the configuration that was exported, where that is noted.
    private static func ordered(_ endpoints: [ConfigurationNode], _ order: [Int]) -> [ConfigurationNode] {
        order.sorted() == Array(endpoints.indices) ? order.map { endpoints[$0] } : endpoints
    }

    // MARK: - Extensions at the top

    /// The vendor extension and our own, at the top of a document.
    private struct Extensions {
        let form: PluginForm
        /// Plugins of the domain, by name.
        let domainObjects: [String: ConfigurationNode]
        /// Plugins for every operation without its own.
        let operationPlugins: DocumentPlugins
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

        init(_ document: ConfigurationNode, _ format: DocumentFormat, _ form: PluginForm, _ problems: Problems) {
            self.form = form
            switch form {
            case .first:
                let plugins = PluginSet(document[form.key], form, allowed: form.plugins, problems)
                let defaults = OperationDefaults(plugins, problems)
                domainObjects = plugins.objects
                operationPlugins = DocumentPlugins(form: form, defaults: defaults, paths: nil)
                opaque = PluginSet.extensionNode(defaults.plugins.map { ($0.name, $0.object) }, form, rest: plugins.rest, at: document)
            case .second:
                let paths = PathPlugins(document, format, problems)
                domainObjects = paths.cors.map { ["CORS": $0] } ?? [:]
                operationPlugins = DocumentPlugins(
                    form: form, defaults: OperationDefaults(), paths: paths,
                    dialect: DocumentOperation.dialect(format, document[format.versionKey]), consumes: document["consumes"])
                // Also tells the export which form the document had.
                opaque = document[form.key] ?? .mapping([], at: document)
            }
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

    init() { plugins = [] }

    init(_ set: PluginSet, _ problems: Problems) {
        plugins = PluginForm.first.plugins(.operation).compactMap { plugin in
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
