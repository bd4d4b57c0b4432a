/// What REQUEST_VALIDATOR asks of a request, as the `validate` policy has it: parameters that must be there, whatever they hold, and the schema of JSON.
enum RequiredParameters {
    /// Nil if nothing is asked for.
    static func validate(_ site: SecondForm.Site, at place: ConfigurationNode, _ problems: Problems) -> ConfigurationNode? {
        var policy = ConfigurationNode.mapping([], at: place)
        for (kind, key) in [("query", "query"), ("header", "headers")] {
            let names = site.parameters.filter { isRequired($0) && $0["in"]?.text == kind }.compactMap { $0["name"] }.filter { $0.text != nil }
            if !names.isEmpty { policy.set([key, "required"], .sequence(names, at: place)) }
        }
        let body = site.dialect == .swagger
            ? DocumentBody(site.parameters, consumes: site.consumes, problems)
            : site.requestBody.flatMap { DocumentBody($0, site.references, problems) }
        if let body {
            if !body.form.isEmpty {
                setForm(body, &policy, at: place, problems)
            } else if let described = described(body, site, at: place, problems) {
                policy.set("body", described)
            }
        }
        return policy.isEmptyMapping ? nil : policy
    }

    private static func setForm(_ body: DocumentBody, _ policy: inout ConfigurationNode, at place: ConfigurationNode, _ problems: Problems) {
        guard body.contentTypes == [DocumentBody.formType] else {
            return problems.add(
                at: body.form[0].name, found: "a form beside other types of the body", allowed: "\(DocumentBody.formType) alone, beside REQUEST_VALIDATOR")
        }
        let names = body.form.filter(\.isRequired).map { ConfigurationNode(.string($0.name.value), position: $0.name.position, path: $0.name.path) }
        guard names.isEmpty else { return policy.set(["form", "required"], .sequence(names, at: place)) }
        policy.set("body", types(body, at: place))
    }

    private static func types(_ body: DocumentBody, at place: ConfigurationNode) -> ConfigurationNode {
        var policy = ConfigurationNode.mapping([], at: place)
        policy.set("contentTypes", .sequence(body.contentTypes.map { .string($0, at: place) }, at: place))
        if !body.isRequired { policy.set("required", ConfigurationNode(.bool(false), position: place.position, path: place.path)) }
        return policy
    }

    private static func described(
        _ body: DocumentBody, _ site: SecondForm.Site, at place: ConfigurationNode, _ problems: Problems
    ) -> ConfigurationNode? {
        var policy = types(body, at: place)
        guard let written = body.schema else { return policy }
        do throws(DocumentReferences.Fault) {
            policy.set("schema", try DocumentSchema(written, site.references, site.dialect).node)
            return policy
        } catch {
            error.report(problems)
            return nil
        }
    }

    /// Whether the plugin is on, given an endpoint's policy. Where the policy says more or less than the plugin does, others read at least what stood there.
    ///
    /// - Parameter wasOn: whether the operation had the plugin, its own or inherited.
    static func isOn(for policy: ConfigurationNode?, _ site: SecondForm.Site, wasOn: Bool) -> Bool {
        let problems = Problems(file: "", environment: [:])
        let own = validate(site, at: policy ?? ConfigurationNode(.null), problems)
        // With the plugin, the document would be refused.
        guard problems.isEmpty else { return false }
        guard let policy else { return own == nil && wasOn }
        if case .bool(let isOn) = policy.content { return isOn }
        return wasOn || own.map { $0.hasSameContent(as: policy) } ?? false
    }

    private static func isRequired(_ parameter: ConfigurationNode) -> Bool {
        if case .bool(true)? = parameter["required"]?.content { true } else { false }
    }
}
