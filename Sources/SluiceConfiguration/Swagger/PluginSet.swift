/// The plugins of one vendor extension, in whichever form they are written, and what else stands in it.
struct PluginSet {
    /// By name; only known ones that may stand at this place.
    private(set) var objects: [String: ConfigurationNode] = [:]
    /// The extension without its plugins; nil if nothing but plugins was there.
    private(set) var rest: ConfigurationNode?

    /// Plugins stand under `plugins`, by name or as a list of `{type: NAME, ...}` or `{name: NAME, ...}`, or under their
    /// names in the extension itself. A plugin that has no effect here (`CACHE`, `MONITOR`) is noted, and kept for an export; one whose name is
    /// nearly that of another, or that may not stand here, is a problem: what it is there to refuse would pass.
    init(_ extension: ConfigurationNode?, _ form: PluginForm, allowed: [Plugin], _ problems: Problems) {
        self.form = form
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
            } else if entry.key != "plugins", Self.looksLikePlugin(entry.key) || PluginForm.hasPlugin(entry.key) {
                take(entry.key, entry.value, entry.name, names, problems)
            } else {
                others.append(entry)
            }
        }
        rest = others.isEmpty && !(objects.isEmpty && ignored.isEmpty) ? nil : .mapping(others, at: node)
        if !ignored.isEmpty { rest = (rest ?? .mapping([], at: node)).setting("plugins", .mapping(ignored, at: node)) }
        ignored = []
    }

    private let form: PluginForm

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
        if let statement = form.withoutPolicy[name] {
            return problems.add(at: place, found: statement, allowed: "the policy in a configuration: see `sluice import`")
        }
        if !isKnown, isWithoutEffect(name, beside: names) {
            guard !ignored.contains(where: { $0.key == name }) else {
                return problems.add(at: place, found: "the plugin \(shown) a second time", allowed: "each plugin once")
            }
            ignored.append(.init(key: name, keyPosition: place.position, value: object))
            problems.note(at: place, "the plugin \(shown) has no effect here; an export writes it again")
        } else if !isKnown {
            let level = form.plugins.first { $0.name == name }.map(\.level)
            let nearest = names.first { $0 == name.uppercased() } ?? Spelling.nearest(to: name, in: names)
            let hint = level.map(Self.hint) ?? nearest.map { " (did you mean \($0)?)" } ?? ""
            problems.add(at: place, found: "the plugin \(shown)\(hint)", allowed: Quoting.alternatives(names))
        } else if objects[name] == nil {
            objects[name] = form == .second ? settings(object, problems) : object
        } else {
            problems.add(at: place, found: "the plugin \(shown) a second time", allowed: "each plugin once")
        }
    }

    /// Whether a name is not a plugin of either version at any place, in capitals or not, nor one of them mistyped.
    private func isWithoutEffect(_ name: String, beside names: [String]) -> Bool {
        !PluginForm.hasPlugin(name) && Spelling.nearest(to: name, in: names) == nil
    }

    private static func looksLikePlugin(_ key: String) -> Bool {
        key.utf8.first.map { $0 >= 0x41 && $0 <= 0x5A } ?? false
            && key.utf8.allSatisfy { ($0 >= 0x41 && $0 <= 0x5A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5F }
    }

    /// Where a plugin may stand that stands at the wrong place.
    private static func hint(_ level: Plugin.Level) -> String {
        switch level {
        case .domain, .operation: ""
        case .method: ", which may stand on a method only"
        case .path: ", which may stand on a path only"
        case .rootOrMethod: ", which may stand on the path / or on a method"
        }
    }

    /// The settings of a plugin: an object, or text that holds one as JSON, as the model product writes it. Anything else as it is: who reads it
    /// tells of it.
    private func settings(_ object: ConfigurationNode, _ problems: Problems) -> ConfigurationNode? {
        guard let text = object.text else { return object }
        let faults = Problems(file: "", environment: [:])
        guard let node = YAMLTree.read(text, aliasedNodesMax: 0, problems: faults), node.entries != nil, faults.isEmpty else {
            problems.add(at: object, found: "text that is not a JSON object", allowed: "the plugin's settings as an object")
            return nil
        }
        return node.placed(at: object)
    }

    /// Writes an extension: `rest`, and the plugins by name. Of those that `rest` holds, the ones stay that are without effect.
    static func extensionNode(
        _ objects: [(name: String, object: ConfigurationNode)], _ form: PluginForm, rest: ConfigurationNode?, at place: ConfigurationNode
    ) -> ConfigurationNode? {
        let kept = (rest?["plugins"]?.entries ?? []).filter { !PluginForm.hasPlugin($0.key) }
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
