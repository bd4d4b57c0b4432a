/// The two versions of the gateway extension, each with a key, plugins and rules of its own.
package enum PluginForm: Sendable {
    /// `x-toastcloud-apigw`: plugins of the whole document, and of single operations.
    case first
    /// `x-nhncloud-apigateway`: plugins of paths, which hold for everything below, and of single operations, which replace these.
    case second

    /// The extension's key in a document.
    package var key: String {
        switch self {
        case .first: "x-toastcloud-apigw"
        case .second: "x-nhncloud-apigateway"
        }
    }

    /// Another spelling that is read.
    private var alias: String? {
        switch self {
        case .first: nil
        case .second: "x-api-nhn-apigateway"
        }
    }

    package static let all: [PluginForm] = [.first, .second]

    /// The form with this key.
    package init?(key: String) {
        guard let form = Self.all.first(where: { $0.key == key }) else { return nil }
        self = form
    }

    var plugins: [Plugin] {
        switch self {
        case .first: Plugin.first
        case .second: Plugin.second
        }
    }

    func plugins(_ levels: Plugin.Level...) -> [Plugin] { plugins.filter { levels.contains($0.level) } }

    /// Plugins that are no policies of their own, by name, with what is said of them.
    var withoutPolicy: [String: String] {
        switch self {
        case .first: [:]
        case .second:
            Dictionary(["IP_ACL", "HMAC", "JWT"].map { ($0, "the plugin \"\($0)\", which belongs to a stage and not to a document") }) { first, _ in first }
        }
    }

    /// The form of a document: the second if any of its keys stands in the document. A document has one form.
    init(of document: ConfigurationNode, _ format: DocumentFormat, _ problems: Problems) {
        var firsts: Located<String>?
        var seconds: Located<String>?
        func look(_ owner: ConfigurationNode) {
            for entry in owner.entries ?? [] {
                if entry.key == Self.first.key, firsts == nil { firsts = entry.name }
                if entry.key == Self.second.key || entry.key == Self.second.alias, seconds == nil { seconds = entry.name }
            }
        }
        look(document)
        let references = DocumentReferences(document)
        // What a reference leads to, wherever that stands, and what stands beside it. Faults are told of where operations are read.
        func lookThrough(_ node: ConfigurationNode) -> ConfigurationNode? {
            look(node)
            guard node["$ref"] != nil, let target = try? references.resolve(node) else { return nil }
            look(target)
            return target
        }
        let items = (document["paths"]?.entries ?? []) + (document["components"]?["pathItems"]?.entries ?? [])
        for item in items {
            let target = lookThrough(item.value)
            for entry in (item.value.entries ?? []) + (target?.entries ?? []) where format.methods.contains(entry.key) { _ = lookThrough(entry.value) }
        }
        self = seconds == nil ? .first : .second
        if let firsts, let seconds {
            let later = max(firsts.position, seconds.position) == firsts.position ? firsts : seconds
            problems.add(at: later, found: "a second version of the extension", allowed: "either \(Self.first.key) or \(Self.second.key)")
        }
    }

    /// Whether a plugin of any form has this name, however it is spelt.
    static func hasPlugin(_ name: String) -> Bool { known.contains(name.uppercased()) }

    private static let known = Set(all.flatMap { $0.plugins.map(\.name) + Array($0.withoutPolicy.keys) })

    /// The owner of an extension, with the extension under its key.
    func canonical(_ owner: ConfigurationNode, _ problems: Problems) -> ConfigurationNode {
        guard let alias, let value = owner[alias] else { return owner }
        guard owner[key] == nil else {
            problems.add(at: value, found: "the extension a second time", allowed: "\(key) alone")
            return owner.setting(alias, nil)
        }
        var owner = owner
        owner.content = .mapping((owner.entries ?? []).map { $0.key == alias ? .init(key: key, keyPosition: $0.keyPosition, value: value) : $0 })
        return owner
    }

    /// The owner without the other forms' extensions.
    func alone(_ owner: ConfigurationNode) -> ConfigurationNode {
        Self.all.filter { $0 != self }.reduce(owner) { $0[$1.key] == nil ? $0 : $0.setting($1.key, nil) }
    }
}
