extension ConfigurationNode {
    /// A mapping that stands where `place` stands.
    package static func mapping(_ entries: [Entry], at place: ConfigurationNode) -> ConfigurationNode {
        ConfigurationNode(.mapping(entries), position: place.position, path: place.path)
    }

    /// A list that stands where `place` stands.
    package static func sequence(_ elements: [ConfigurationNode], at place: ConfigurationNode) -> ConfigurationNode {
        ConfigurationNode(.sequence(elements), position: place.position, path: place.path)
    }

    /// Text that stands where `place` stands.
    package static func string(_ text: String, at place: ConfigurationNode) -> ConfigurationNode {
        ConfigurationNode(.string(text), position: place.position, path: place.path)
    }

    /// The mapping with `key` set; nil removes it. What is not a mapping becomes one.
    package func setting(_ key: String, _ value: ConfigurationNode?) -> ConfigurationNode {
        var copy = self
        copy.set(key, value)
        return copy
    }

    /// As `setting`, in place.
    package mutating func set(_ key: String, _ value: ConfigurationNode?) {
        var entries = entries ?? []
        let index = entries.firstIndex { $0.key == key }
        switch (index, value) {
        case (let index?, let value?): entries[index].value = value
        case (let index?, nil): entries.remove(at: index)
        case (nil, let value?): entries.append(Entry(key: key, keyPosition: value.position, value: value))
        case (nil, nil): return
        }
        content = .mapping(entries)
    }

    /// The value at the end of a way through mappings.
    package subscript(way: [String]) -> ConfigurationNode? {
        way.reduce(Optional(self)) { node, key in node?[key] }
    }

    /// Sets the value at the end of a way; mappings that are missing on it are made.
    package mutating func set(_ way: some Collection<String>, _ value: ConfigurationNode) {
        guard let key = way.first else {
            self = value
            return
        }
        var child = self[key] ?? .mapping([], at: value)
        child.set(way.dropFirst(), value)
        set(key, child)
    }

    /// The tree as if all of it stood where `place` stands, with key paths below its own.
    func placed(at place: ConfigurationNode) -> ConfigurationNode { placed(place.position, place.path) }

    private func placed(_ position: SourcePosition, _ path: ConfigurationPath) -> ConfigurationNode {
        let content: Content =
            switch content {
            case .mapping(let entries):
                .mapping(entries.map { .init(key: $0.key, keyPosition: position, value: $0.value.placed(position, path.child($0.key))) })
            case .sequence(let elements):
                .sequence(elements.enumerated().map { $0.element.placed(position, path.child($0.offset)) })
            case .null, .bool, .integer, .number, .string: content
            }
        return ConfigurationNode(content, position: position, path: path)
    }

    package var isEmptyMapping: Bool { entries?.isEmpty ?? false }

    /// An empty list or mapping.
    package var isEmpty: Bool { isEmptyMapping || (elements?.isEmpty ?? false) }
}
