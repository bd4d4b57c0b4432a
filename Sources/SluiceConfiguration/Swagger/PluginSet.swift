/// The plugins of one vendor extension, in whichever form they are written, and what else stands in it.
struct PluginSet {
    static let key = "x-toastcloud-apigw"

    /// By name; only known ones that may stand at this place.
    private(set) var objects: [String: ConfigurationNode] = [:]
    /// The extension without its plugins; nil if nothing but plugins was there.
    private(set) var rest: ConfigurationNode?

    /// Plugins stand under `plugins`, by name or as a list of `{type: NAME, ...}` or `{name: NAME, ...}`, or under their
    /// names in the extension itself. A plugin that has no effect here (`CACHE`, `MONITOR`) is noted, and kept for an export; one whose name is
    /// nearly that of another, or that may not stand here, is a problem: what it is there to refuse would pass.
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
        rest = others.isEmpty && !(objects.isEmpty && ignored.isEmpty) ? nil : .mapping(others, at: node)
        if !ignored.isEmpty { rest = (rest ?? .mapping([], at: node)).setting("plugins", .mapping(ignored, at: node)) }
        ignored = []
    }

    /// Plugins without effect, while the extension is read; they end in `rest`.
    private var ignored: [ConfigurationNode.Entry] = []

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
        let isKnown = names.contains(name)
        if !isKnown, Self.isWithoutEffect(name, beside: names) {
            guard !ignored.contains(where: { $0.key == name }) else {
                return problems.add(at: place, found: "the plugin \(shown) a second time", allowed: "each plugin once")
            }
            ignored.append(.init(key: name, keyPosition: place.position, value: object))
            problems.note(at: place, "the plugin \(shown) has no effect here; an export writes it again")
        } else if !isKnown {
            let hint = Spelling.nearest(to: name, in: names).map { " (did you mean \($0)?)" } ?? ""
            problems.add(at: place, found: "the plugin \(shown)\(hint)", allowed: Quoting.alternatives(names))
        } else if objects.updateValue(object, forKey: name) != nil {
            problems.add(at: place, found: "the plugin \(shown) a second time", allowed: "each plugin once")
        }
    }

    /// Whether a name is not a plugin of the gateway's at any place, nor one of them mistyped.
    private static func isWithoutEffect(_ name: String, beside names: [String]) -> Bool {
        !Plugin.all.contains { $0.name == name } && Spelling.nearest(to: name, in: names) == nil
    }

    private static func looksLikePlugin(_ key: String) -> Bool {
        key.utf8.first.map { $0 >= 0x41 && $0 <= 0x5A } ?? false
            && key.utf8.allSatisfy { ($0 >= 0x41 && $0 <= 0x5A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5F }
    }

    /// Writes an extension: `rest`, and the plugins by name. Of those that `rest` holds, the ones without effect stay.
    static func extensionNode(
        _ objects: [(name: String, object: ConfigurationNode)], rest: ConfigurationNode?, at place: ConfigurationNode
    ) -> ConfigurationNode? {
        let kept = (rest?["plugins"]?.entries ?? []).filter { entry in !Plugin.all.contains { $0.name == entry.key } }
        if objects.isEmpty, kept.isEmpty {
            guard let noted = rest?["plugins"], !noted.isEmpty else { return rest }
            let others = rest?.setting("plugins", nil)
            return others?.isEmptyMapping == true ? nil : others
        }
        var plugins = ConfigurationNode.mapping([], at: place)
        for (name, object) in objects { plugins.set(name, object) }
        for entry in kept { plugins.set(entry.key, entry.value) }
        return (rest ?? .mapping([], at: place)).setting("plugins", plugins)
    }
}
