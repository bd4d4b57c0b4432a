extension Plugin {
    /// The plugin's object for what stands in a domain or an endpoint: as much as the plugin can say. Nil if there is no
    /// such policy, or a required field cannot be said.
    func object(from owner: ConfigurationNode) -> ConfigurationNode? {
        guard var policy = owner[way] else { return nil }
        var object = ConfigurationNode.mapping([], at: policy)
        if name == "HTTP_PROXY", let first = policy.elements?.first { policy = first }
        if name == "JWT" {
            guard let key = signingKey(of: policy) else { return nil }
            policy.set("secret", key)
        }
        for field in fields {
            if let value = policy[field.way].flatMap(field.form.exported) {
                object.set(field.name, value)
            } else if field.isRequired {
                return nil
            }
        }
        return object
    }

    /// What the one field for both algorithms can hold. A reference to a public key is not among it: a reader of the
    /// document would take the key, which everybody knows, for a shared secret.
    private func signingKey(of jwt: ConfigurationNode) -> ConfigurationNode? {
        if jwt["algorithm"]?.text == "RS256" {
            guard let key = jwt["publicKey"], let text = key.text, Self.isPublicKey(text) else { return nil }
            return key
        }
        // The document knows one algorithm for secrets.
        guard jwt["algorithms"] == nil, jwt["algorithm"]?.text.map({ $0 == "HS256" }) ?? true, let secret = jwt["secret"], secret.text.map(Self.isPublicKey) != true else { return nil }
        return secret
    }
}

extension Plugin.Form {
    /// The value in a document; nil if it cannot be said there.
    func exported(_ value: ConfigurationNode) -> ConfigurationNode? {
        switch (self, value.content) {
        case (.text, .string), (.integer, .integer), (.status, .integer), (.age, .integer), (.boolean, .bool), (.secret, .string), (.texts, .string):
            return value
        case (.secret, .mapping(let entries)):
            return entries.count == 1 && ["env", "file"].contains(entries[0].key) ? value : nil
        case (.texts, .sequence(let elements)), (.textList, .sequence(let elements)):
            return elements.allSatisfy { $0.text != nil } ? value : nil
        case (.literalHeaders, .mapping(let entries)):
            return entries.allSatisfy { $0.value.text.map { !Self.hasVariable($0) } ?? false } ? value : nil
        case (.headers, .mapping(let entries)):
            return entries.allSatisfy { $0.value.text != nil } ? value : nil
        case (.addresses, .sequence(let elements)):
            guard elements.allSatisfy({ $0.text != nil }) else { return nil }
            return .sequence(elements.map { ConfigurationNode.mapping([], at: $0).setting("ip", $0) }, at: value)
        case (.quotas, .sequence(let elements)):
            let quotas = elements.compactMap(quota)
            return quotas.count == elements.count ? .sequence(quotas, at: value) : nil
        default:
            return nil
        }
    }

    private func quota(_ node: ConfigurationNode) -> ConfigurationNode? {
        guard let limit = node["limit"], case .integer = limit.content,
            let seconds = node["perSeconds"], case .integer = seconds.content
        else { return nil }
        return ConfigurationNode.mapping([], at: node)
            .setting("maxUsageQuota", limit).setting("resetTimeSeconds", seconds)
    }
}
