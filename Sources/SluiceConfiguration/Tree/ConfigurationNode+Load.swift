extension ConfigurationNode {
    /// The longest configuration file, in bytes.
    package static let fileBytesMax = 64 << 20

    /// The tree of a YAML or JSON text.
    ///
    /// Nil if the text is empty, has a syntax error, more than one document or more nodes or levels than the limits
    /// allow. Duplicate keys, merge keys and unknown tags are problems too, but the tree is returned without them, so
    /// that its other problems can be found in the same run.
    package static func load(text: String, problems: Problems) -> ConfigurationNode? {
        YAMLTree.read(text, problems: problems)
    }

    /// The tree of the file at `path`, or of `problems.file` if it is nil.
    package static func load(path: String? = nil, problems: Problems) -> ConfigurationNode? {
        do {
            let bytes = try BoundedFile.read(path ?? problems.file, bytesMax: fileBytesMax, kind: .argument)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                let valid = validPrefix(of: bytes)
                problems.add(at: valid, keyPath: "", found: "bytes that are no UTF-8", allowed: "text in UTF-8")
                return nil
            }
            return load(text: text, problems: problems)
        } catch {
            problems.add(
                at: .start, keyPath: "", found: "a file that cannot be read (\(error.found))",
                allowed: "a readable file of at most \(fileBytesMax) bytes")
            return nil
        }
    }

    /// Where the first sequence of bytes stands that is no UTF-8.
    private static func validPrefix(of bytes: [UInt8]) -> SourcePosition {
        var position = SourcePosition.start
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            if scalar == "\n" {
                position = SourcePosition(line: position.line + 1, column: 1)
            } else {
                position.column += 1
            }
        }
        return position
    }
}
