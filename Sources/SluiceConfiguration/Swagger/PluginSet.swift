/// The plugins of one vendor extension, in whichever form they are written, and what else stands in it.
struct PluginSet {
    static let key = "x-toastcloud-apigw"

    /// By name; only known ones that may stand at this place.
    private(set) var objects: [String: ConfigurationNode] = [:]
    /// The extension without its plugins; nil if nothing but plugins was there.
    private(set) var rest: ConfigurationNode?

    /// Plugins stand under `plugins`, by name or as a list of `{type: NAME, ...}` or `{name: NAME, ...}`, or under their
    /// names in the extension itself. A plugin that the gateway does not know is a problem: what it is there to refuse
    /// would pass.
    init(_ extension: ConfigurationNode?, allowed: [Plugin], _ problems: Problems) {
        guard let node = `extension` else { return }
        guard let entries = node.entries else {
            problems.add(at: node, found: node.found, allowed: "a mapping with plugins")
            return
        }
        let names = allowed.map(\.name)
        var others: [ConfigurationNode.Entry] = []
        for entry in entries {
            if entry.key == "plugins", !entry.value.isEmpty {
                take(entry.value, names, problems)
            } else if entry.key != "plugins", Self.looksLikePlugin(entry.key) {
                take(entry.key, entry.value, entry.name, names, problems)
            } else {
                others.append(entry)
            }
        }
        rest = others.isEmpty && !objects.isEmpty ? nil : .mapping(others, at: node)
    }

    private mutating func take(_ plugins: ConfigurationNode, _ names: [String], _ problems: Problems) {
        switch plugins.content {
        case .mapping(let entries):
            for entry in entries { take(entry.key, entry.value, entry.name, names, problems) }
        case .sequence(let elements):
            for element in elements {
                guard let key = ["type", "name"].first(where: { element[$0]?.text != nil }), let name = element[key],
                    let text = name.text
                else {
                    problems.add(at: element, found: element.kind, allowed: "a mapping with the plugin's type")
                    continue
                }
                take(text, element.setting(key, nil), name, names, problems)
            }
        default:
            problems.add(at: plugins, found: plugins.found, allowed: "a mapping from plugin names to their settings")
        }
    }

    private mutating func take(
        _ name: String, _ object: ConfigurationNode, _ place: some Placed, _ names: [String], _ problems: Problems
    ) {
        let shown = Quoting.quoted(name)
        if !names.contains(name) {
            let hint = Spelling.nearest(to: name, in: names).map { " (did you mean \($0)?)" } ?? ""
            problems.add(at: place, found: "the plugin \(shown)\(hint)", allowed: Quoting.alternatives(names))
        } else if objects.updateValue(object, forKey: name) != nil {
            problems.add(at: place, found: "the plugin \(shown) a second time", allowed: "each plugin once")
        }
    }

    private static func looksLikePlugin(_ key: String) -> Bool {
        key.utf8.first.map { $0 >= 0x41 && $0 <= 0x5A } ?? false
            && key.utf8.allSatisfy { ($0 >= 0x41 && $0 <= 0x5A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5F }
    }

    /// Writes an extension: `rest`, and the plugins by name instead of those that `rest` holds.
    static func extensionNode(
        _ objects: [(name: String, object: ConfigurationNode)], rest: ConfigurationNode?, at place: ConfigurationNode
    ) -> ConfigurationNode? {
        if objects.isEmpty {
            guard let noted = rest?["plugins"], !noted.isEmpty else { return rest }
            let others = rest?.setting("plugins", nil)
            return others?.isEmptyMapping == true ? nil : others
        }
        var plugins = ConfigurationNode.mapping([], at: place)
        for (name, object) in objects { plugins.set(name, object) }
        return (rest ?? .mapping([], at: place)).setting("plugins", plugins)
    }
}
