import Glibc

@testable import SluiceConfiguration
@testable import SluiceGateway
@testable import SluiceHTTP

/// YAML to tree to typed configuration to snapshot, which is what `sluice check` does. A tree that has no problem is the same once
/// written and read again, as YAML and as JSON; problems come out the same the second time.
enum ConfigurationFuzz: FuzzTarget {
    static let name = "configuration"
    /// Made once: its defaults look at the machine.
    private static let settings = ProcessSettings()

    static func run(_ input: ByteView) {
        // References to files and the environment would make an input mean something else on each machine.
        let text = String(decoding: input.buffer, as: UTF8.self)
        let problems = Problems(file: "fuzz.yaml", environment: [:])
        guard let tree = ConfigurationNode.load(text: text, problems: problems) else {
            return require(!problems.isEmpty, "no tree and no problem")
        }
        if problems.isEmpty { checkWritten(tree) }
        guard !text.contains("file") && !text.contains("/proc") && !text.contains("/dev") else { return }
        require(complaints(text) == complaints(text), "problems differ from one run to the next")
    }

    static func checkWritten(_ tree: ConfigurationNode) {
        // A reader of YAML takes longer keys only in a form that JSON does not have (YAML 1.2, 7.4.3).
        let isJSON = longestKey(tree) < 1000
        for text in [ConfigurationWriter.yaml(tree)] + (isJSON ? [ConfigurationWriter.json(tree)] : []) {
            let problems = Problems(file: "written.yaml", environment: [:])
            let again = ConfigurationNode.load(text: text, problems: problems)
            require(problems.isEmpty, "what was written has problems: \(problems.all.map(\.description)) in \(text)")
            require(again?.hasSameContent(as: tree) == true, "what was written reads differently: \(text)")
        }
    }

    /// Characters of the longest key, with quotes and escapes.
    private static func longestKey(_ tree: ConfigurationNode) -> Int {
        switch tree.content {
        case .mapping(let entries):
            entries.map { max(ConfigurationWriter.quoted($0.key).unicodeScalars.count, longestKey($0.value)) }.max() ?? 0
        case .sequence(let elements): elements.map(longestKey).max() ?? 0
        default: 0
        }
    }

    private static func complaints(_ text: String) -> [String] {
        let problems = Problems(file: "fuzz.yaml", environment: [:])
        Gateway.check(settings: settings, problems: problems) { ConfigurationNode.load(text: text, problems: $0) }
        return problems.all.map(\.description)
    }
}
