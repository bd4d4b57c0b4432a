/// The plugins of a document that its operations have without saying so.
struct DocumentPlugins {
    let form: PluginForm
    /// First form.
    let defaults: OperationDefaults
    /// Second form; nil in the first.
    let paths: PathPlugins?
    var dialect = DocumentOperation.Dialect.swagger
    /// Swagger 2.0: media types of bodies, of operations that say none.
    var consumes: ConfigurationNode?

    /// What an operation of a path is read with.
    func context(
        _ path: String, _ item: ConfigurationNode?, _ operation: ConfigurationNode?, prefix: String, _ references: DocumentReferences, _ problems: Problems
    ) -> OperationContext {
        let inherited = paths?.inherited(by: path) ?? [:]
        var site = SecondForm.Site(path: path, prefix: prefix, parameters: [], references: references)
        if form == .second {
            let isValidated = inherited["REQUEST_VALIDATOR"] != nil || operation?[form.key] != nil
            describe(&site, item, operation, references, isValidated ? problems : Problems(file: "", environment: [:]))
        }
        let shared = (item?["parameters"]?.elements ?? []).compactMap { try? references.resolve($0) }
        return OperationContext(
            form: form, defaults: defaults, inherited: inherited, site: site, bareOperation: SwaggerExport.bareOperation(path, besides: shared))
    }

    /// What the document says of the operation's requests.
    private func describe(
        _ site: inout SecondForm.Site, _ item: ConfigurationNode?, _ operation: ConfigurationNode?, _ references: DocumentReferences, _ problems: Problems
    ) {
        site.dialect = dialect
        site.consumes = operation?["consumes"] ?? consumes
        var parameters: [ConfigurationNode] = []
        for written in (item?["parameters"]?.elements ?? []) + (operation?["parameters"]?.elements ?? []) {
            do throws(DocumentReferences.Fault) {
                let parameter = try references.resolve(written)
                parameters.removeAll { $0["name"]?.text == parameter["name"]?.text && $0["in"]?.text == parameter["in"]?.text }
                parameters.append(parameter)
            } catch {
                error.report(problems)
            }
        }
        site.parameters = parameters
        do throws(DocumentReferences.Fault) {
            if let body = operation?["requestBody"] { site.requestBody = try references.resolve(body) }
        } catch {
            error.report(problems)
        }
    }

    /// Takes off the path `/` what the domain's own policies say, and an export writes there again.
    func takeRoot(of item: inout ConfigurationNode, at path: String) {
        guard path == "/", let paths, let plugins = item[form.key]?["plugins"], var entries = plugins.entries else { return }
        entries.removeAll { entry in
            switch entry.key {
            case "CORS": paths.corsIsAtRoot && Self.isGivenBack(entry.value)
            case "RATE_LIMIT": Self.limits(entry.value).flatMap(SecondForm.rateLimitObject)?.hasSameContent(as: entry.value) ?? false
            default: false
            }
        }
        var rest = item[form.key] ?? plugins
        rest.set("plugins", entries.isEmpty ? nil : .mapping(entries, at: plugins))
        item.set(form.key, rest.isEmptyMapping ? nil : rest)
    }

    private static func limits(_ object: ConfigurationNode) -> ConfigurationNode? {
        SecondForm.rateLimit(object, Problems(file: "", environment: [:]))
    }

    private static func isGivenBack(_ cors: ConfigurationNode) -> Bool {
        guard let plugin = PluginForm.second.plugins(.path).first, cors.entries != nil else { return false }
        var owner = ConfigurationNode.mapping([], at: cors)
        guard let policy = plugin.policy(from: cors, Problems(file: "", environment: [:])) else { return false }
        owner.set(plugin.way, policy)
        return plugin.object(from: owner)?.hasSameContent(as: cors) ?? false
    }
}

/// What an operation is read with.
struct OperationContext {
    let form: PluginForm
    let defaults: OperationDefaults
    /// By name; second form.
    let inherited: [String: ConfigurationNode]
    let site: SecondForm.Site
    /// What an export writes where nothing was noted.
    let bareOperation: ConfigurationNode
}
