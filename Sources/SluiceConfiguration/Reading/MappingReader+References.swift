extension MappingReader {
    /// Literal text, `{env: NAME}` or `{file: PATH}`. Neither the text nor a value of a wrong type is shown in a
    /// problem.
    package func secret(_ key: String) -> Located<Secret>? {
        node(key).flatMap(secret)
    }

    package func requiredSecret(_ key: String) -> Located<Secret>? {
        required(key, secret(key), Self.secretForms)
    }

    /// The secret in `node`, or nil and a problem.
    package func secret(_ node: ConfigurationNode) -> Located<Secret>? {
        guard let (bytes, source) = reference(node, literal: "a secret", bytesMax: Secret.bytesMax) else { return nil }
        return Located(Secret(bytes: bytes, source: source), at: node)
    }

    /// Literal text, `{env: NAME}` or `{file: PATH}`, for what is not a secret.
    package func textOrFile(_ key: String) -> Located<TextOrFile>? {
        guard let node = node(key),
            let (bytes, source) = reference(node, literal: "text", bytesMax: TextOrFile.bytesMax)
        else { return nil }
        return Located(TextOrFile(bytes: bytes, source: source), at: node)
    }

    /// A path, made absolute or relative to the process like the configuration's own; the file is not looked at.
    package func path(_ key: String) -> Located<String>? {
        string(key).map { text in text.map { problems.resolve($0, at: text) } }
    }

    private static let secretForms = "text, {env: NAME} or {file: PATH}"

    private func reference(
        _ node: ConfigurationNode, literal: String, bytesMax: Int
    ) -> (bytes: [UInt8], source: Secret.Source)? {
        switch node.content {
        case .string(let text):
            guard !text.isEmpty else {
                problems.add(at: node, found: "empty text", allowed: Self.secretForms)
                return nil
            }
            return (Array(text.utf8), .literal)
        case .mapping(let entries):
            guard entries.count == 1, let entry = entries.first, ["env", "file"].contains(entry.key) else {
                problems.add(at: node, found: "a mapping with other keys", allowed: Self.secretForms)
                return nil
            }
            guard let name = string(entry.value) else { return nil }
            if entry.key == "file" {
                return contents(name.value, at: entry.value, bytesMax: bytesMax).map { ($0, .file(name.value)) }
            }
            return variable(name).map { ($0, .environment(name.value)) }
        default:
            // A secret of digits written without quotes is still a secret: its value is not shown.
            problems.add(at: node, found: node.kind + " for \(literal)", allowed: Self.secretForms)
            return nil
        }
    }

    func variable(_ name: Located<String>) -> [UInt8]? {
        let value = problems.references.variable(name.value).map { Self.withoutLineBreak(Array($0.utf8)) }
        guard let value, !value.isEmpty else {
            let fault = value == nil ? "is not set" : "is empty"
            problems.add(
                at: name, found: "the environment variable \(Quoting.quoted(name.value)), which \(fault)",
                allowed: "a variable that is set")
            return nil
        }
        return value
    }

    /// One line break at the end of a file or a variable is not part of the content: editors and `echo` put it there, and what
    /// stores secrets passes it on.
    private static func withoutLineBreak(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.last == UInt8(ascii: "\n") else { return bytes }
        let line = bytes.dropLast()
        return Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
    }

    private func contents(_ path: String, at node: ConfigurationNode, bytesMax: Int) -> [UInt8]? {
        do {
            let bytes = Self.withoutLineBreak(try BoundedFile.read(problems.resolve(path, at: node), bytesMax: bytesMax))
            if !bytes.isEmpty { return bytes }
            problems.add(at: node, found: "the empty file \(Quoting.quoted(path))", allowed: "a file with content")
        } catch {
            problems.add(
                at: node, found: "the file \(Quoting.quoted(path)), which cannot be read (\(error.found))",
                allowed: "a readable file of at most \(bytesMax) bytes")
        }
        return nil
    }
}
