import Foundation

/// `include: [domains/*.yaml]`: further files whose domains a configuration has too.
///
/// A name is relative to the folder of the configuration; `*`, `?` and `[...]` stand for what file names hold, and what they match is read in the
/// order of the names. An included file is a mapping with `domains`, or a document (Swagger or OpenAPI), and includes no others, so that there is no
/// cycle. All files are read, or the configuration is refused.
enum IncludedFiles {
    /// Files that one configuration may include.
    static let filesMax = 10_000
    /// Their bytes together.
    static let bytesMax = 256 << 20

    /// The tree with the domains of the included files behind its own, without `include`.
    ///
    /// - Parameters:
    ///   - filesMax: for tests.
    ///   - bytesMax: for tests.
    static func expand(
        _ tree: ConfigurationNode, _ problems: Problems, filesMax: Int = filesMax, bytesMax: Int = bytesMax
    ) -> ConfigurationNode {
        guard let list = tree["include"], !APIDocument.isDocument(tree) else { return tree }
        guard let reader = MappingReader(.mapping([.init(key: "include", keyPosition: list.position, value: list)], at: tree), problems) else { return tree }
        var domains = tree["domains"]?.elements ?? []
        var seen: Set<String> = []
        var bytes = 0
        for pattern in reader.strings("include", allowSingle: true)?.value ?? [] {
            let names = names(pattern, problems)
            for name in names where seen.insert(name).inserted {
                guard seen.count <= filesMax else {
                    problems.add(at: pattern, found: "more than \(filesMax) files", allowed: "at most \(filesMax)")
                    return expanded(tree, domains)
                }
                bytes += byteCount(name)
                guard bytes <= bytesMax else {
                    problems.add(at: pattern, found: "files of more than \(bytesMax) bytes together", allowed: "at most \(bytesMax)")
                    return expanded(tree, domains)
                }
                domains += read(name, problems)
            }
        }
        return expanded(tree, domains)
    }

    private static func expanded(_ tree: ConfigurationNode, _ domains: [ConfigurationNode]) -> ConfigurationNode {
        let place = tree["domains"] ?? tree["include"] ?? tree
        // A `domains` of another type stays, and is told of by who reads it.
        let isList = tree["domains"].map { $0.elements != nil } ?? true
        let whole = isList ? tree.setting("domains", ConfigurationNode(.sequence(domains), position: place.position, path: place.path)) : tree
        return whole.setting("include", nil)
    }

    /// The files that a pattern stands for; a name without wildcards is a file that must be there.
    private static func names(_ pattern: Located<String>, _ problems: Problems) -> [String] {
        guard pattern.value.contains(where: isWildcard) else { return [problems.resolve(pattern.value, at: pattern)] }
        // The configuration's own folder is not a pattern, whatever its name holds.
        let folder = pattern.value.hasPrefix("/") ? "" : problems.resolve("", at: pattern)
        let escaped = folder.map { isWildcard($0) || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
        var found = glob_t()
        defer { globfree(&found) }
        // Sorted by the bytes of the names, whatever the locale.
        errno = 0
        let status = glob(escaped + pattern.value, GLOB_NOSORT | GLOB_ERR, nil, &found)
        let reason = errno
        // A folder that cannot be read is not a folder without files: to go on would take its domains out of service.
        guard status == 0 || status == GLOB_NOMATCH || reason == ENOENT else {
            problems.add(
                at: pattern, found: "a folder that cannot be read (\(String(cString: strerror(reason)).lowercased()))", allowed: "folders that can be read")
            return []
        }
        guard status == 0 else {
            problems.note(at: pattern, "no file matches \(Quoting.quoted(pattern.value))")
            return []
        }
        let names = (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func isWildcard(_ character: Character) -> Bool { "*?[".contains(character) }

    /// Of the file that a link leads to: those of Kubernetes are all links. What cannot be asked cannot be read either.
    private static func byteCount(_ name: String) -> Int {
        var status = stat()
        return stat(name, &status) == 0 ? Int(status.st_size) : 0
    }

    private static func read(_ name: String, _ problems: Problems) -> [ConfigurationNode] {
        let file = problems.include(name)
        guard let tree = ConfigurationNode.load(name, file: file, problems) else { return [] }
        if APIDocument.isDocument(tree) { return APIDocument.convert(tree, problems)["domains"]?.elements ?? [] }
        guard let reader = MappingReader(tree, problems) else { return [] }
        let domains = reader.list("domains")
        if domains == nil, !reader.has("domains") { reader.missing("domains", allowed: "a list of domains") }
        reader.finish()
        return domains?.value ?? []
    }
}
