// A configuration's domain to Swagger 2.0, tree to tree: the inverse of `SwaggerImport`.
//
// Without loss by construction: what was written is imported again, and where that differs from the configuration the
// difference goes into `x-sluice`.

/// Converts a domain of a configuration to a Swagger 2.0 document.
package enum SwaggerExport {
    /// The document for the domain with the key `domainKey`; nil, and a problem, if there is none. Secrets that are
    /// references stay references; literal ones are written out.
    ///
    /// - Parameter form: nil for the form of the document that the domain came from, which is the first for one that came from none.
    package static func convert(
        _ configuration: ConfigurationNode, domainKey: String, form: PluginForm? = nil, _ problems: Problems
    ) -> ConfigurationNode? {
        let domains = configuration["domains"]?.elements ?? []
        guard let domain = domains.first(where: { $0["key"]?.text == domainKey }) else {
            let keys = domains.compactMap { $0["key"]?.text }
            problems.add(
                at: configuration["domains"] ?? configuration, found: "no domain with the key \(Quoting.quoted(domainKey))",
                allowed: Quoting.alternatives(keys))
            return nil
        }
        let openAPI = DocumentFormat.openAPI.opaqueKey
        if let own = domain[openAPI] ?? domain["endpoints"]?.elements?.lazy.compactMap({ $0[openAPI] }).first {
            problems.add(
                at: own, found: "parts of an OpenAPI 3 document, which Swagger 2.0 cannot hold",
                allowed: "a domain and endpoints without `\(openAPI)`")
            return nil
        }
        let form = form ?? (domain[SwaggerImport.opaqueKey]?[PluginForm.second.key] == nil ? .first : .second)
        var document = self.document(of: domain, key: domainKey, form)
        let prefix = prefix(of: domain)
        let operations = SwaggerOperationWriter(domain, form, prefix: prefix)
        document.set("paths", operations.paths)
        if form == .second { setRoot(of: &document, domain) }
        var own = ConfigurationNode.mapping([], at: domain)
        own.set("configuration", surroundings(configuration, of: domain, isOnly: domains.count == 1))
        if !operations.others.isEmpty { own.set("endpoints", .sequence(operations.others, at: domain)) }
        if operations.order != Array(operations.order.indices) {
            own.set("order", .sequence(operations.order.map { ConfigurationNode(.integer(Int64($0))) }, at: domain))
        }
        if prefix != SwaggerAddress(document).prefix { own.set("prefix", ConfigurationNode(.string(prefix))) }
        own.set("domain", patch(for: domain, key: domainKey, document))
        return own.isEmptyMapping ? document : document.setting(SwaggerImport.extensionKey, own)
    }

    /// What an export writes by itself at the top of a document, base path aside.
    static func bareDocument(key: String) -> ConfigurationNode {
        func text(_ text: String) -> ConfigurationNode { ConfigurationNode(.string(text)) }
        return ConfigurationNode(.mapping([]))
            .setting("swagger", text("2.0"))
            .setting(
                "info", ConfigurationNode(.mapping([])).setting("title", text(key)).setting("version", text("1.0")))
    }

    /// What an export writes by itself into an operation: it must have a response (Swagger 2.0, "Operation Object"), and a parameter for each variable
    /// of its path ("Path Templating").
    ///
    /// - Parameter parameters: those of the path; what is among them is not repeated.
    static func bareOperation(_ path: String, besides parameters: [ConfigurationNode]) -> ConfigurationNode {
        func text(_ text: String) -> ConfigurationNode { ConfigurationNode(.string(text)) }
        var operation = ConfigurationNode(.mapping([]))
        let missing = DocumentPath.variables(of: path).filter { name in !parameters.contains { $0["in"]?.text == "path" && $0["name"]?.text == name } }
        if !missing.isEmpty {
            let written = missing.map { name in
                ConfigurationNode(.mapping([])).setting("name", text(name)).setting("in", text("path"))
                    .setting("required", ConfigurationNode(.bool(true))).setting("type", text("string"))
            }
            operation.set("parameters", ConfigurationNode(.sequence(written)))
        }
        operation.set(["responses", "default", "description"], text("the upstream's response"))
        return operation
    }

    /// The top of the document: everything but `paths` and our own extension.
    private static func document(of domain: ConfigurationNode, key: String, _ form: PluginForm) -> ConfigurationNode {
        let opaque = domain[SwaggerImport.opaqueKey].flatMap { $0.entries == nil ? nil : $0 }.map(form.alone)
        var document = opaque ?? bareDocument(key: key)
        if !DocumentFormat.swagger.isSupported(document["swagger"]) { document.set("swagger", ConfigurationNode(.string("2.0"))) }
        document.set("paths", nil)
        document.set("basePath", basePath(opaque, key))
        guard form == .first else {
            if document[form.key]?.isEmptyMapping == true { document.set(form.key, nil) }
            return document
        }
        let objects = form.plugins(.domain).compactMap { plugin in
            plugin.object(from: domain).map { (name: plugin.name, object: $0) }
        }
        let rest = opaque?[form.key]
        let defaults = SwaggerOperationWriter.plugins(domain, form).defaults.plugins.map { (name: $0.name, object: $0.object) }
        document.set(form.key, PluginSet.extensionNode(objects + defaults, form, rest: rest, at: domain))
        return document
    }

    /// In the second form, what holds for the whole domain stands on the path `/`, unless the document had it elsewhere.
    private static func setRoot(of document: inout ConfigurationNode, _ domain: ConfigurationNode) {
        let key = PluginForm.second.key
        let written = PathPlugins(document, .swagger, Problems(file: "", environment: [:]))
        var objects: [(name: String, object: ConfigurationNode)] = []
        if !written.hasCORS, let plugin = PluginForm.second.plugins(.path).first, let object = plugin.object(from: domain) {
            objects.append((plugin.name, object))
        }
        if written.rateLimit == nil, let limits = domain[["policies", "rateLimit"]], let object = SecondForm.rateLimitObject(limits) {
            objects.append(("RATE_LIMIT", object))
        }
        let root = document["paths"]?["/"]
        guard root?[key]?["plugins"].map({ $0.entries != nil }) ?? (root?[key].map { $0.entries != nil } ?? true) else { return }
        for (name, object) in objects { document.set(["paths", "/", key, "plugins", name], object) }
    }

    private static func basePath(_ opaque: ConfigurationNode?, _ key: String) -> ConfigurationNode? {
        guard let noted = opaque?["basePath"] else { return ConfigurationNode(.string("/" + key)) }
        return noted.isNull ? nil : noted
    }

    /// What an import of the document put in front of the endpoints' paths, as far as they still have it: all of them, or none.
    private static func prefix(of domain: ConfigurationNode) -> String {
        let endpoints = domain["endpoints"]?.elements ?? []
        let candidates = SwaggerAddress.prefixes(of: domain[SwaggerImport.opaqueKey]?["basePath"])
        guard !endpoints.isEmpty else { return SwaggerAddress.prefixBehindKey(domain[SwaggerImport.opaqueKey]?["basePath"]) }
        return candidates.first { prefix in endpoints.allSatisfy { $0["path"]?.text?.hasPrefix(prefix + "/") == true } } ?? ""
    }

    /// Everything of the configuration but its domains. The projects of other domains are none of this document's
    /// business.
    private static func surroundings(
        _ configuration: ConfigurationNode, of domain: ConfigurationNode, isOnly: Bool
    ) -> ConfigurationNode? {
        var rest = configuration.setting("domains", nil)
        if !isOnly, let projects = rest["projects"] {
            let own = projects.entries?.filter { $0.key == domain["project"]?.text } ?? []
            rest.set("projects", own.isEmpty ? nil : .mapping(own, at: projects))
        }
        return rest.isEmptyMapping ? nil : rest
    }

    /// What an import of `document` would lack of the domain, endpoints aside; nil if nothing.
    private static func patch(
        for domain: ConfigurationNode, key: String, _ document: ConfigurationNode
    ) -> ConfigurationNode? {
        // A key that the document cannot say goes first: other parts of the import depend on it.
        var patch: ConfigurationNode?
        var document = document
        if SwaggerAddress(document).key?.text != key {
            let own = ConfigurationNode.mapping([], at: domain).setting("key", ConfigurationNode(.string(key)))
            document.set([SwaggerImport.extensionKey, "domain"], own)
            patch = own
        }
        let scratch = Problems(file: "", environment: [:])
        let imported = SwaggerImport.convert(document, scratch)["domains"]?.elements?.first
        var target = domain
        // The endpoints have patches of their own; only a domain that has no list of them is patched here.
        if target["endpoints"]?.elements != nil { target.set("endpoints", imported?["endpoints"]) }
        guard let difference = MergePatch.difference(from: imported, to: target) else { return patch }
        return (difference.entries ?? []).reduce(patch ?? .mapping([], at: domain)) { $0.setting($1.key, $1.value) }
    }
}
