// Builds a tree from the events of libyaml, the C parser that is part of Yams. Yams' own tree stops at the first
// duplicate key, recurses without a bound and stores no place for what an alias stands for; the events carry all of it.
import CYaml

/// Reads one document into a `ConfigurationNode`. Duplicate keys, unknown tags and keys that are not scalars are
/// reported and passed over; what breaks the syntax or a limit ends the reading.
struct YAMLTree {
    enum Limits {
        /// Nodes that aliases stand for, all together. What is written out is bounded by the length of the file.
        static let aliasedNodesMax = 1_000_000
        /// Mappings and lists inside each other, the root included. The builder recurses once per level.
        static let depthMax = 64
    }

    /// The reading cannot go on; the problem has been added.
    private struct Abandoned: Error {}

    private struct Anchored {
        let node: ConfigurationNode
        let nodes: Int
        let depth: Int
    }

    private let events: YAMLEvents
    private let problems: Problems
    private let aliasedNodesMax: Int
    private var anchors: [String: Anchored] = [:]
    /// Nodes so far, with every alias expanded.
    private var nodes = 0
    private var aliasedNodes = 0
    /// The deepest level reached below the container that is being built; for aliases.
    private var depthReached = 0

    /// Nil, and at least one problem, if there is no tree.
    ///
    /// - Parameters:
    ///   - file: which of the configuration's files it is: see `SourcePosition.file`.
    ///   - aliasedNodesMax: nodes that aliases may stand for together.
    static func read(
        _ text: String, file: Int = 0, aliasedNodesMax: Int = Limits.aliasedNodesMax, problems: Problems
    ) -> ConfigurationNode? {
        switch attempt(text, places: nil, file, aliasedNodesMax, problems: problems) {
        case .read(let node): return node
        case .surrogatePair:
            let joined = SurrogatePairs(joiningIn: text)
            if case .read(let node) = attempt(joined.text, places: joined, file, aliasedNodesMax, problems: problems) { return node }
            return nil
        }
    }

    private enum Outcome {
        case read(ConfigurationNode?)
        /// JSON's `\ud83d\ude00`, which YAML does not have.
        case surrogatePair
    }

    private static func attempt(_ text: String, places: SurrogatePairs?, _ file: Int, _ aliasedNodesMax: Int, problems: Problems) -> Outcome {
        var text = text
        return text.withUTF8 { bytes in
            let events = YAMLEvents(bytes, places: places, file: file)
            var tree = YAMLTree(events: events, aliasedNodesMax: aliasedNodesMax, problems: problems)
            do {
                return .read(try tree.document())
            } catch let fault as YAMLEvents.Fault {
                if fault.isSurrogatePair && places == nil { return .surrogatePair }
                problems.add(at: fault.position, keyPath: "", found: fault.found, allowed: "YAML or JSON")
                return .read(nil)
            } catch {
                return .read(nil)
            }
        }
    }

    private init(events: YAMLEvents, aliasedNodesMax: Int, problems: Problems) {
        self.events = events
        self.aliasedNodesMax = aliasedNodesMax
        self.problems = problems
    }

    // MARK: - Documents

    private mutating func document() throws -> ConfigurationNode? {
        try events.next()  // the stream's start
        try events.next()
        guard events.kind == YAML_DOCUMENT_START_EVENT else {
            problems.add(at: SourcePosition(line: 1, column: 1, file: events.file), keyPath: "", found: "an empty file", allowed: "a mapping")
            return nil
        }
        try events.next()
        let root = try node(at: .root, depth: 1)
        try events.next()  // the document's end
        try events.next()
        guard events.kind == YAML_STREAM_END_EVENT else {
            problems.add(
                at: events.position, keyPath: "", found: "a second document", allowed: "one document in a file")
            return nil
        }
        guard !root.isNull else {
            problems.add(at: SourcePosition(line: 1, column: 1, file: events.file), keyPath: "", found: "an empty file", allowed: "a mapping")
            return nil
        }
        return root
    }

    // MARK: - Nodes

    /// The node that the current event begins.
    private mutating func node(at path: ConfigurationPath, depth: Int) throws -> ConfigurationNode {
        let position = events.position
        switch events.kind {
        case YAML_ALIAS_EVENT:
            return try alias(at: path, position, depth)
        case YAML_SEQUENCE_START_EVENT:
            return try container(at: path, position, depth, YAMLTree.sequence)
        case YAML_MAPPING_START_EVENT:
            return try container(at: path, position, depth, YAMLTree.mapping)
        default:
            nodes += 1
            let node = ConfigurationNode(scalar(at: path, position), position: position, path: path)
            remember(events.anchor, node, nodes: 1, depth: 0)
            return node
        }
    }

    private mutating func container(
        at path: ConfigurationPath, _ position: SourcePosition, _ depth: Int,
        _ content: (inout YAMLTree, ConfigurationPath.Parent, Int) throws -> ConfigurationNode.Content
    ) throws -> ConfigurationNode {
        try checkDepth(depth, position)
        nodes += 1
        if let tag = events.tag, tag != YAMLScalar.tag("map"), tag != YAMLScalar.tag("seq"), tag != "!" {
            problems.add(at: position, keyPath: path.description, found: "an unknown tag", allowed: "no tag")
        }
        let anchor = events.anchor
        let (nodesBefore, deepestOutside) = (nodes - 1, depthReached)
        depthReached = depth
        let node = ConfigurationNode(
            try content(&self, ConfigurationPath.Parent(path), depth), position: position, path: path)
        remember(anchor, node, nodes: nodes - nodesBefore, depth: depthReached - depth + 1)
        depthReached = max(depthReached, deepestOutside)
        return node
    }

    private static func sequence(
        _ tree: inout YAMLTree, _ parent: ConfigurationPath.Parent, _ depth: Int
    ) throws -> ConfigurationNode.Content {
        var elements: [ConfigurationNode] = []
        try tree.events.next()
        while tree.events.kind != YAML_SEQUENCE_END_EVENT {
            let path = ConfigurationPath(parent: parent, last: .index(elements.count))
            elements.append(try tree.node(at: path, depth: depth + 1))
            try tree.events.next()
        }
        return .sequence(elements)
    }

    private static func mapping(
        _ tree: inout YAMLTree, _ parent: ConfigurationPath.Parent, _ depth: Int
    ) throws -> ConfigurationNode.Content {
        var entries: [ConfigurationNode.Entry] = []
        var lines = KeyLines()
        try tree.events.next()
        while tree.events.kind != YAML_MAPPING_END_EVENT {
            let position = tree.events.position
            let key = try tree.key(in: parent, depth)
            let path = ConfigurationPath(parent: parent, last: .key(key ?? "?"))
            try tree.events.next()
            let value = try tree.node(at: path, depth: depth + 1)
            try tree.events.next()
            guard let key else { continue }
            if let first = lines.first(of: key, in: entries, otherwise: position.line) {
                tree.problems.add(
                    at: position, keyPath: path.description, found: "the key \(Quoting.quoted(key)) a second time",
                    allowed: "each key once (first on line \(first))")
                continue
            }
            entries.append(.init(key: key, keyPosition: position, value: value))
        }
        return .mapping(entries)
    }

    /// The text of the key that the current event begins; nil, and a problem, if it is none.
    private mutating func key(in parent: ConfigurationPath.Parent, _ depth: Int) throws -> String? {
        let position = events.position
        let place = parent.path.description
        if events.kind == YAML_SCALAR_EVENT {
            let text = events.text
            if text == "<<" && events.isPlain {
                problems.add(
                    at: position, keyPath: place, found: "the merge key <<", allowed: "keys written out")
                return nil
            }
            nodes += 1
            remember(events.anchor, ConfigurationNode(.string(text), position: position), nodes: 1, depth: 0)
            return text
        }
        let node = try node(at: parent.path, depth: depth + 1)
        if let text = node.text { return text }
        problems.add(at: position, keyPath: place, found: "\(node.kind) as a key", allowed: "text as a key")
        return nil
    }

    private func scalar(at path: ConfigurationPath, _ position: SourcePosition) -> ConfigurationNode.Content {
        let text = events.text
        if let tag = events.tag {
            if let content = YAMLScalar.content(of: text, tagged: tag) { return content }
            problems.add(
                at: position, keyPath: path.description, found: "a tag that does not fit the value",
                allowed: "no tag (or quotes, if the value begins with !)")
            return .string(text)
        }
        return events.isPlain ? YAMLScalar.content(ofPlain: text) : .string(text)
    }

    // MARK: - Anchors and limits

    private mutating func remember(_ anchor: String?, _ node: ConfigurationNode, nodes: Int, depth: Int) {
        guard let anchor else { return }
        anchors[anchor] = Anchored(node: node, nodes: nodes, depth: depth)
    }

    /// The anchored node where the alias stands; what is inside it keeps the places where it is written.
    private mutating func alias(
        at path: ConfigurationPath, _ position: SourcePosition, _ depth: Int
    ) throws -> ConfigurationNode {
        let name = events.anchor ?? ""
        guard let anchored = anchors[name] else {
            // The name is not shown: it may be a secret that begins with an asterisk and lacks its quotes.
            try abandon(
                position, found: "an alias without an anchor above it",
                allowed: "an alias of an anchor (or quotes, if the value begins with *)")
        }
        nodes += anchored.nodes
        aliasedNodes += anchored.nodes
        if aliasedNodes > aliasedNodesMax {
            try abandon(
                position, found: "aliases that stand for more than \(aliasedNodesMax) values",
                allowed: "at most \(aliasedNodesMax)")
        }
        try checkDepth(depth + anchored.depth - 1, position)
        depthReached = max(depthReached, depth + anchored.depth - 1)
        return ConfigurationNode(anchored.node.content, position: position, path: path)
    }

    private func checkDepth(_ depth: Int, _ position: SourcePosition) throws {
        if depth > Limits.depthMax {
            try abandon(
                position, found: "mappings and lists nested \(Limits.depthMax + 1) deep",
                allowed: "at most \(Limits.depthMax) levels")
        }
    }

    private func abandon(_ position: SourcePosition, found: String, allowed: String) throws -> Never {
        problems.add(at: position, keyPath: "", found: found, allowed: allowed)
        throw Abandoned()
    }
}

/// The lines of the keys of one mapping. A table is made only for mappings with many keys.
private struct KeyLines {
    private var table: [String: Int] = [:]

    /// The line on which `key` stands already; nil for a new one, which is then on `line`.
    mutating func first(of key: String, in entries: [ConfigurationNode.Entry], otherwise line: Int) -> Int? {
        if table.isEmpty {
            if entries.count < 12 {
                return entries.first { $0.key == key }?.keyPosition.line
            }
            for entry in entries {
                table[entry.key] = entry.keyPosition.line
            }
        }
        if let first = table[key] { return first }
        table[key] = line
        return nil
    }
}
