extension MappingReader {
    /// A list of anything. With `allowSingle`, another value is taken as a list of one.
    package func list(_ key: String, allowSingle: Bool = false) -> Located<[ConfigurationNode]>? {
        guard let node = node(key) else { return nil }
        if case .sequence(let elements) = node.content { return Located(elements, at: node) }
        if allowSingle && !node.isNull { return Located([node], at: node) }
        problems.add(at: node, found: node.foundForContainer, allowed: "a list")
        return nil
    }

    /// A list of texts; elements that are none are reported and left out. With `allowSingle`, a lone text is taken as a
    /// list of one.
    package func strings(_ key: String, allowSingle: Bool = false) -> Located<[Located<String>]>? {
        guard let node = node(key) else { return nil }
        switch node.content {
        case .sequence(let elements):
            return Located(elements.compactMap { string($0) }, at: node)
        case .string(let value) where allowSingle:
            return Located([Located(value, at: node)], at: node)
        case .mapping where allowSingle && node["env"] != nil:
            return Located([string(node)].compactMap { $0 }, at: node)
        default:
            wrong(node, allowed: allowSingle ? "text or a list of texts" : "a list of texts")
            return nil
        }
    }

    package func requiredStrings(_ key: String, allowSingle: Bool = false) -> Located<[Located<String>]>? {
        required(key, strings(key, allowSingle: allowSingle), "a list of texts")
    }

    /// A list of words out of `words`; others are reported and left out.
    package func enumerations(
        _ key: String, _ words: [String], allowSingle: Bool = false
    ) -> Located<[Located<String>]>? {
        list(key, allowSingle: allowSingle)?.map { $0.compactMap { enumeration($0, words) } }
    }

    /// A mapping.
    package func mapping(_ key: String) -> MappingReader? {
        node(key).flatMap { MappingReader($0, problems) }
    }

    /// A list of mappings, empty if the key is absent; elements that are none are reported and left out. With
    /// `allowSingle`, a lone mapping is taken as a list of one.
    package func mappings(_ key: String, allowSingle: Bool = false) -> [MappingReader] {
        guard let node = node(key) else { return [] }
        switch node.content {
        case .sequence(let elements):
            return elements.compactMap { MappingReader($0, problems) }
        case .mapping where allowSingle:
            return [MappingReader(node, problems)].compactMap { $0 }
        default:
            problems.add(
                at: node, found: node.foundForContainer, allowed: allowSingle ? "a mapping or a list of mappings" : "a list of mappings")
            return []
        }
    }

    /// A mapping from names to texts, in the order of the file; values that are no text are reported and left out.
    package func stringMap(_ key: String) -> [(name: Located<String>, value: Located<String>)]? {
        mapping(key)?.allEntries().compactMap { entry in
            string(entry.value).map { (entry.name, $0) }
        }
    }
}
