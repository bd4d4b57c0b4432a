extension Plugin {
    /// The policy that the plugin's object stands for, at the object's place; nil, and problems, if it is unusable. With problems
    /// it may be given all the same, so that the readers of policies can tell of theirs.
    func policy(from object: ConfigurationNode, _ problems: Problems) -> ConfigurationNode? {
        guard let reader = MappingReader(object, problems) else { return nil }
        var policy = ConfigurationNode.mapping([], at: object)
        var isComplete = true
        for field in fields {
            let value = reader.node(field.name)
            if let converted = value.flatMap({ field.form.imported($0, reader) }) {
                policy.set(field.way, converted)
            } else if field.isRequired {
                if value == nil { reader.missing(field.name, allowed: field.form.description) }
                guard let standIn = field.standIn else {
                    isComplete = false
                    continue
                }
                policy.set(field.way, ConfigurationNode(standIn, position: (value ?? object).position, path: (value ?? object).path))
            }
        }
        reader.finish()
        return isComplete ? completed(policy) : nil
    }

    /// Adds what a document implies.
    private func completed(_ policy: ConfigurationNode) -> ConfigurationNode {
        var policy = policy
        switch name {
        case "HMAC":
            // The documents' clients sign with HmacSHA1.
            policy.set("algorithms", .sequence(["HmacSHA1", "HmacSHA256"].map { .string($0, at: policy) }, at: policy))
        case "JWT":
            let secret = policy["secret"]
            let isPublicKey = secret?.text.map(Self.isPublicKey) ?? false
            if isPublicKey {
                policy.set("secret", nil)
                policy.set("publicKey", secret)
            }
            policy.set("algorithm", .string(isPublicKey ? "RS256" : "HS256", at: policy))
        default: break
        }
        return policy
    }

    /// A public key or a certificate in PEM (RFC 7468): a JWT policy with one verifies RS256.
    static func isPublicKey(_ text: String) -> Bool {
        let start = text.drop(while: \.isWhitespace)
        return ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"].contains { start.hasPrefix("-----BEGIN \($0)-----") }
    }
}

extension Plugin.Form {
    /// For problems.
    var description: String {
        switch self {
        case .text: "text"
        case .integer: "an integer"
        case .boolean: "true or false"
        case .texts: "text or a list of texts"
        case .headers, .literalHeaders: "a mapping from names to texts, or a list of {name, value}"
        case .textList: "a list of texts"
        case .status, .age: "an integer"
        case .secret: "text, {env: NAME} or {file: PATH}"
        case .addresses: "a list of {ip}"
        case .quotas: "a list of {maxUsageQuota, resetTimeSeconds}"
        }
    }

    /// The value on our side; nil, and a problem, for a wrong type. `reader` reads the plugin's object.
    func imported(_ value: ConfigurationNode, _ reader: MappingReader) -> ConfigurationNode? {
        switch (self, value.content) {
        case (.text, .string), (.integer, .integer), (.status, .integer), (.boolean, .bool), (.secret, .string), (.texts, .string):
            return value
        case (.status, .string(let text)) where Int64(text) != nil:
            return ConfigurationNode(.integer(Int64(text) ?? 0), position: value.position, path: value.path)
        case (.age, .integer(let seconds)):
            return ConfigurationNode(.integer(seconds == -1 ? 0 : seconds), position: value.position, path: value.path)
        case (.secret, .mapping(let entries)) where entries.count == 1 && ["env", "file"].contains(entries[0].key):
            return value
        case (.texts, .sequence(let elements)), (.textList, .sequence(let elements)):
            return .sequence(elements.filter { reader.string($0) != nil }, at: value)
        case (.headers, .mapping(let entries)):
            return .mapping(entries.filter { reader.string($0.value) != nil }, at: value)
        case (.headers, .sequence(let elements)):
            return headers(elements, at: value, reader)
        case (.literalHeaders, .mapping), (.literalHeaders, .sequence):
            guard let headers = Self.headers.imported(value, reader) else { return nil }
            return .mapping((headers.entries ?? []).filter { Self.isLiteral($0.value, reader.problems) }, at: value)
        case (.addresses, .sequence(let elements)):
            return .sequence(
                elements.compactMap { element in
                    record(element, ["ip"], .text, reader).flatMap { $0.first }
                }, at: value)
        case (.quotas, .sequence(let elements)):
            return .sequence(
                elements.compactMap { element in
                    record(element, ["maxUsageQuota", "resetTimeSeconds"], .integer, reader).map { values in
                        var quota = ConfigurationNode.mapping([], at: element)
                        quota.set("limit", values[0])
                        quota.set("perSeconds", values[1])
                        return quota
                    }
                }, at: value)
        default:
            let isSecret = if case .secret = self { true } else { false }
            reader.problems.add(at: value, found: isSecret ? value.kind : value.found, allowed: description)
            return nil
        }
    }

    /// Whether a text has no variables; a problem if it has.
    private static func isLiteral(_ value: ConfigurationNode, _ problems: Problems) -> Bool {
        guard let text = value.text, Self.hasVariable(text) else { return true }
        problems.add(at: value, found: "a variable in \(Quoting.quoted(text))", allowed: "text without ${ and $!{")
        return false
    }

    static func hasVariable(_ text: String) -> Bool { text.contains("${") || text.contains("$!{") }

    private func headers(
        _ elements: [ConfigurationNode], at place: ConfigurationNode, _ reader: MappingReader
    ) -> ConfigurationNode {
        var mapping = ConfigurationNode.mapping([], at: place)
        for element in elements {
            guard let values = record(element, ["name", "value"], .text, reader), let name = values[0].text else {
                continue
            }
            if mapping[name] != nil {
                reader.problems.add(
                    at: values[0], found: "the name \(Quoting.quoted(name)) a second time", allowed: "each name once")
            }
            mapping.set(name, values[1])
        }
        return mapping
    }

    /// The values of all `names`, or nil and problems.
    private func record(
        _ node: ConfigurationNode, _ names: [String], _ form: Plugin.Form, _ reader: MappingReader
    ) -> [ConfigurationNode]? {
        guard let record = MappingReader(node, reader.problems) else { return nil }
        let values = names.compactMap { name in
            guard let value = record.node(name) else {
                record.missing(name, allowed: form.description)
                return ConfigurationNode?.none
            }
            return form.imported(value, record)
        }
        record.finish()
        return values.count == names.count ? values : nil
    }
}
