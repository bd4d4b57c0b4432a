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

    /// The tree of the file at `path`, or of `problems.file`, with what it includes, if it is nil.
    package static func load(path: String? = nil, problems: Problems) -> ConfigurationNode? {
        if let path { return load(path, file: 0, problems) }
        guard let tree = load(problems.file, file: 0, problems) else { return nil }
        return IncludedFiles.expand(tree, problems)
    }

    /// - Parameter file: its number in `problems.files`.
    static func load(_ path: String, file: Int, _ problems: Problems) -> ConfigurationNode? {
        do {
            // What an operator names on the command line may be a pipe; what a file includes is read again at every reload.
            let bytes = try BoundedFile.read(path, bytesMax: fileBytesMax, kind: file == 0 ? .argument : .file)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                var valid = validPrefix(of: bytes)
                valid.file = file
                problems.add(at: valid, keyPath: "", found: "bytes that are not UTF-8", allowed: "text in UTF-8")
                return nil
            }
            return YAMLTree.read(text, file: file, problems: problems)
        } catch {
            problems.add(
                at: SourcePosition(line: 1, column: 1, file: file), keyPath: "", found: "a file that cannot be read (\(error.found))",
                allowed: "a readable file of at most \(fileBytesMax) bytes")
            return nil
        }
    }

    /// Where the first sequence of bytes stands that is not UTF-8.
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
