/// One node of a configuration, from YAML or JSON, with the place where it stands in its file.
package struct ConfigurationNode: Sendable, Placed {
    package enum Content: Sendable {
        case null
        case bool(Bool)
        case integer(Int64)
        case number(Double)
        case string(String)
        case sequence([ConfigurationNode])
        /// In the order of the file; no key stands twice.
        case mapping([Entry])
    }

    package struct Entry: Sendable {
        package var key: String
        package var keyPosition: SourcePosition
        package var value: ConfigurationNode

        package init(key: String, keyPosition: SourcePosition, value: ConfigurationNode) {
            self.key = key
            self.keyPosition = keyPosition
            self.value = value
        }

        /// The key with its place.
        package var name: Located<String> { Located(key, position: keyPosition, path: value.path) }
    }

    package var content: Content
    package var position: SourcePosition
    package var path: ConfigurationPath
    package var variable: String?

    package init(_ content: Content, position: SourcePosition = .start, path: ConfigurationPath = .root) {
        self.content = content
        self.position = position
        self.path = path
    }

    /// For example `domains[0].policies.hmac.secret`; rendered on every call.
    package var keyPath: String { path.description }
}

// MARK: - Looking into a node

extension ConfigurationNode {
    /// The value of `key`; nil also where this is not a mapping.
    package subscript(_ key: String) -> ConfigurationNode? {
        entries?.first { $0.key == key }?.value
    }

    /// Nil where this is not a mapping.
    package var entries: [Entry]? {
        if case .mapping(let entries) = content { entries } else { nil }
    }

    /// Nil where this is not a list.
    package var elements: [ConfigurationNode]? {
        if case .sequence(let elements) = content { elements } else { nil }
    }

    /// Nil where this is not a string.
    package var text: String? {
        if case .string(let text) = content { text } else { nil }
    }

    package var isNull: Bool {
        if case .null = content { true } else { false }
    }

    /// The kind of the node, for example `a list`: what may be said of a secret.
    package var kind: String {
        switch content {
        case .null: "nothing"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .number: "a number"
        case .string: "text"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// As `found`, where something else than a scalar was expected: only the kind where the value may be a secret in the wrong place, as in
    /// `hmac: s3cret`.
    package var foundForContainer: String {
        switch path.last {
        // A whole file of text may be a secret's own.
        case .root: kind
        case .key(let key): Self.keysNearSecrets.contains(key.lowercased()) ? kind : found
        case .index: found
        }
    }

    private static let keysNearSecrets: Set<String> = ["hmac", "jwt", "tls", "secret", "secretkey", "key", "apikey", "credentials", "upstreamtls"]

    /// The kind and, for a scalar, the value, for example `the text "ten"`.
    package var found: String {
        switch content {
        case .null: "nothing"
        case .bool(let value): "the boolean \(value)"
        case .integer(let value): "the integer \(value)"
        case .number(let value): "the number \(value)"
        case .string(let value): "the text \(Quoting.quoted(value))"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

// MARK: - Comparing

extension ConfigurationNode {
    /// Whether both say the same; places and the order of keys do not matter.
    package func hasSameContent(as other: ConfigurationNode) -> Bool {
        switch (content, other.content) {
        case (.null, .null): return true
        case (.bool(let left), .bool(let right)): return left == right
        case (.integer(let left), .integer(let right)): return left == right
        case (.number(let left), .number(let right)): return left == right
        case (.string(let left), .string(let right)): return left == right
        case (.sequence(let left), .sequence(let right)):
            return left.count == right.count && zip(left, right).allSatisfy { $0.hasSameContent(as: $1) }
        case (.mapping(let left), .mapping(let right)):
            guard left.count == right.count else { return false }
            let values = Dictionary(right.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
            return left.allSatisfy { entry in values[entry.key].map { entry.value.hasSameContent(as: $0) } ?? false }
        case (.null, _), (.bool, _), (.integer, _), (.number, _), (.string, _), (.sequence, _), (.mapping, _):
            return false
        }
    }
}
