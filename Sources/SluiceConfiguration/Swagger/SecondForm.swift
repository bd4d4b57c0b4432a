/// What operations of the second form mean, as far as it takes more than a table.
enum SecondForm {
    /// Status and codes that clients of such documents expect.
    static let errors = "v2"

    /// Where an operation stands.
    struct Site {
        /// In the document.
        let path: String
        /// What stands in front of it in the endpoint.
        let prefix: String
        /// Of path and operation, references resolved.
        var parameters: [ConfigurationNode]
        /// OpenAPI 3 only; reference resolved.
        var requestBody: ConfigurationNode?
        /// Swagger 2.0 only: media types of bodies.
        var consumes: ConfigurationNode?
        var dialect = DocumentOperation.Dialect.swagger
        let references: DocumentReferences
    }

    /// `policies`, in a mapping of its own, from an operation's plugins, its own and inherited ones.
    static func owner(
        _ own: [String: ConfigurationNode], inherited: [String: ConfigurationNode], _ site: Site, at place: ConfigurationNode, _ problems: Problems
    ) -> ConfigurationNode {
        var owner = ConfigurationNode.mapping([], at: place)
        let all = inherited.merging(own) { $1 }
        // What is inherited has been told of at its path.
        let quiet = Problems(file: "", environment: [:])
        for plugin in PluginForm.second.plugins(.operation, .method) where !plugin.fields.isEmpty {
            guard let object = all[plugin.name], let policy = plugin.policy(from: object, own[plugin.name] == nil ? quiet : problems) else { continue }
            owner.set(plugin.way, policy)
        }
        if let http = all["HTTP"], all["MOCK"] != nil {
            problems.add(at: http, found: "HTTP beside MOCK", allowed: "one of the two")
        }
        let query = all["ADD_REQUEST_QUERY_PARAMETER"]
        if let rewrite = BackendPath.rewrite(http: all["HTTP"], query: query, isMock: all["MOCK"] != nil, site, at: place, problems) {
            owner.set(["policies", "rewrite"], rewrite)
        }
        if let object = own["RATE_LIMIT"], let limits = rateLimit(object, problems) { owner.set(["policies", "rateLimit"], limits) }
        if let object = all["REQUEST_VALIDATOR"], isActive(object, problems), let validation = RequiredParameters.validate(site, at: object, problems) {
            owner.set(["policies", "validate"], validation)
        }
        if let object = all["API_KEY"], isActive(object, problems) {
            owner.set(["policies", "apiKey"], .mapping([], at: object))
        }
        return owner
    }

    /// The plugins that stand for what an endpoint has.
    ///
    /// - Parameters:
    ///   - inherited: what the operation has without saying so.
    ///   - noted: plugins that the operation had when it was imported, as far as they were noted.
    static func objects(
        _ endpoint: ConfigurationNode, _ site: Site, inherited: [String: ConfigurationNode], noted: ConfigurationNode?
    ) -> [(name: String, object: ConfigurationNode)] {
        var objects: [(name: String, object: ConfigurationNode)] = []
        for plugin in PluginForm.second.plugins(.operation, .method) where !plugin.fields.isEmpty {
            if let object = plugin.object(from: endpoint) { objects.append((plugin.name, object)) }
        }
        if !objects.contains(where: { $0.name == "MOCK" }) || endpoint[["policies", "rewrite"]] != nil {
            objects += BackendPath.objects(endpoint, site, isMock: objects.contains { $0.name == "MOCK" })
        }
        let isKeyed = endpoint[["policies", "apiKey"]] != nil
        if let object = flag("API_KEY", isKeyed, inherited, noted) { objects.append(("API_KEY", object)) }
        let wasValidated = isOn(noted?["REQUEST_VALIDATOR"]) ?? isOn(inherited["REQUEST_VALIDATOR"]) ?? false
        let isValidated = RequiredParameters.isOn(for: endpoint[["policies", "validate"]], site, wasOn: wasValidated)
        if let object = flag("REQUEST_VALIDATOR", isValidated, inherited, noted) { objects.append(("REQUEST_VALIDATOR", object)) }
        if let limits = endpoint[["policies", "rateLimit"]], let object = rateLimitObject(limits) { objects.append(("RATE_LIMIT", object)) }
        return objects
    }

    /// A plugin that is on or off; nil where nothing needs to be said.
    private static func flag(
        _ name: String, _ isActive: Bool, _ inherited: [String: ConfigurationNode], _ noted: ConfigurationNode?
    ) -> ConfigurationNode? {
        let own = noted?[name]
        guard isOn(own) != isActive else { return own }
        guard isActive || own != nil || isOn(inherited[name]) == true else { return nil }
        // Without the plugin above it, one that was on is off by itself.
        if !isActive, own != nil, isOn(inherited[name]) != true { return nil }
        return ConfigurationNode(.mapping([])).setting("isActive", ConfigurationNode(.bool(isActive)))
    }

    /// What a plugin says in `isActive`; nil without the plugin, or if it says nothing.
    static func isOn(_ object: ConfigurationNode?) -> Bool? {
        if case .bool(let isOn)? = object?["isActive"]?.content { isOn } else { nil }
    }

    private static func isActive(_ object: ConfigurationNode, _ problems: Problems) -> Bool {
        guard let reader = MappingReader(object, problems) else { return false }
        let isActive = reader.requiredBool("isActive")
        reader.finish()
        return isActive?.value ?? false
    }

    // MARK: RATE_LIMIT

    /// A list of one limit by second; nil, and problems, for what cannot be said.
    static func rateLimit(_ object: ConfigurationNode, _ problems: Problems) -> ConfigurationNode? {
        guard let reader = MappingReader(object, problems) else { return nil }
        let limit = reader.requiredInteger("requestPerSec", in: 1...5000, unit: "requests per second")
        let kind = reader.enumeration("keyType", ["IP", "HEADER", "PATH_VARIABLE", "DEFAULT"])
        reader.ignore("defaultKey")
        let extra = reader.node("extraKeyValue").flatMap { $0.isNull ? nil : reader.string($0) }
        reader.finish()
        guard let limit, let kind else {
            if kind == nil, !reader.has("keyType") { reader.missing("keyType", allowed: "IP, HEADER or PATH_VARIABLE") }
            return nil
        }
        let by: String
        switch kind.value {
        case "IP": by = "address"
        case "DEFAULT":
            problems.add(
                at: kind, found: "the key type DEFAULT, which limits all callers together", allowed: "IP, HEADER or PATH_VARIABLE; for all together, a project's ceiling")
            return nil
        default:
            guard let extra else {
                reader.missing("extraKeyValue", allowed: kind.value == "HEADER" ? "the name of a header" : "${request.path.NAME}")
                return nil
            }
            if kind.value == "HEADER" {
                by = "header:\(extra.value)"
            } else if let name = BackendPath.variable(of: extra.value) {
                guard !name.hasSuffix("+") else {
                    problems.add(
                        at: extra, found: "a limit for each rest of a path (\(Quoting.quoted(extra.value)))",
                        allowed: "${request.path.NAME} of a variable that is one segment")
                    return nil
                }
                by = "path:\(name)"
            } else {
                problems.add(at: extra, found: Quoting.quoted(extra.value), allowed: "${request.path.NAME}")
                return nil
            }
        }
        var entry = ConfigurationNode.mapping([], at: object)
        entry.set("limit", ConfigurationNode(.integer(limit.value), position: limit.position, path: limit.path))
        entry.set("perSeconds", ConfigurationNode(.integer(1), position: object.position, path: object.path))
        entry.set("by", ConfigurationNode(.string(by), position: (extra ?? kind).position, path: (extra ?? kind).path))
        return .sequence([entry], at: object)
    }

    static func rateLimitObject(_ limits: ConfigurationNode) -> ConfigurationNode? {
        guard let elements = limits.elements, elements.count == 1, let by = elements[0]["by"]?.text, let limit = elements[0]["limit"] else { return nil }
        func text(_ text: String) -> ConfigurationNode { .string(text, at: limits) }
        var object = ConfigurationNode.mapping([], at: limits).setting("requestPerSec", limit)
        if by == "address" {
            object.set("keyType", text("IP"))
        } else if by.hasPrefix("header:") {
            object.set("keyType", text("HEADER"))
            object.set("extraKeyValue", text(String(by.dropFirst(7))))
        } else if by.hasPrefix("path:") {
            object.set("keyType", text("PATH_VARIABLE"))
            object.set("extraKeyValue", text("${request.path.\(by.dropFirst(5))}"))
        }
        let again = rateLimit(object, Problems(file: "", environment: [:]))
        return again?.hasSameContent(as: limits) == true ? object : nil
    }
}
