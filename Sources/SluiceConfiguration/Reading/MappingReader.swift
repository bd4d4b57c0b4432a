/// Typed reading of one mapping. Every method reports what is wrong and goes on, so that one run finds all problems.
///
/// A reader remembers the keys that it was asked for; `finish()` reports all others as unknown, and every reading of a
/// mapping ends with it:
///
/// ```swift
/// guard let reader = MappingReader(node, problems) else { return nil }
/// let permit = reader.requiredBool("permit")
/// let addresses = reader.strings("addresses")
/// reader.finish()
/// ```
///
/// A method answers nil where the key is absent and where its value is unusable; in the second case, and for a
/// required key in the first too, it has added a problem. For one thread.
package final class MappingReader: Placed {
    package let node: ConfigurationNode
    package let problems: Problems
    private let entries: [ConfigurationNode.Entry]
    private var isAsked: [Bool]
    /// Keys asked for, in the order of asking: the list of what is allowed.
    private var known: [String] = []

    /// Nil, and a problem, if `node` is not a mapping.
    package init?(_ node: ConfigurationNode, _ problems: Problems) {
        guard case .mapping(let entries) = node.content else {
            problems.add(at: node, found: node.foundForContainer, allowed: "a mapping")
            return nil
        }
        self.node = node
        self.problems = problems
        self.entries = entries
        isAsked = Array(repeating: false, count: entries.count)
    }

    package var position: SourcePosition { node.position }
    package var path: ConfigurationPath { node.path }
    package var keyPath: String { node.keyPath }

    /// The mapping as a value of its own, for problems that concern it as a whole.
    package func located<Value>(_ value: Value) -> Located<Value> { Located(value, at: node) }

    // MARK: - Keys

    /// Whatever stands under `key`.
    package func node(_ key: String) -> ConfigurationNode? {
        if !known.contains(key) { known.append(key) }
        guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
        isAsked[index] = true
        return entries[index].value
    }

    /// Whether the key is present, with whatever value. It counts as asked for.
    package func has(_ key: String) -> Bool { node(key) != nil }

    /// Accepts the key without looking at its value.
    package func ignore(_ key: String) { _ = node(key) }

    /// All entries, for mappings whose keys are names of the operator's; none is unknown then.
    package func allEntries() -> [(name: Located<String>, value: ConfigurationNode)] {
        for index in isAsked.indices { isAsked[index] = true }
        return entries.map { ($0.name, $0.value) }
    }

    /// Reports every key that nobody asked for.
    package func finish() {
        for (entry, isAsked) in zip(entries, isAsked) where !isAsked {
            let nearest = Spelling.nearest(to: entry.key, in: known)
            let hint = nearest.map { " (did you mean \($0)?)" } ?? problems.placeOfKey(entry.key).map { ", which belongs \($0)" } ?? ""
            problems.add(
                at: entry.name, found: "\(Problem.unknownKey) \(Quoting.quoted(entry.key))\(hint)",
                allowed: known.isEmpty ? "no keys" : Quoting.alternatives(known))
        }
    }

    /// Reports that `key` is absent.
    package func missing(_ key: String, allowed: String) {
        problems.add(
            at: position, keyPath: path.child(key).description, found: "nothing", allowed: "\(allowed) (required)")
    }

    func wrong(_ node: ConfigurationNode, allowed: String) {
        problems.add(at: node, found: node.found, allowed: allowed)
    }

    /// A scalar that may come from the environment, whose value is not shown: it may be another one than was meant.
    private func wrong(_ written: ConfigurationNode, _ node: ConfigurationNode, allowed: String) {
        guard let name = written["env"]?.text else { return wrong(node, allowed: allowed) }
        problems.add(at: written, found: "the environment variable \(Quoting.quoted(name)), which holds \(node.kind)", allowed: allowed)
    }

    func required<Value>(_ key: String, _ value: Value?, _ allowed: String) -> Value? {
        if value == nil && !has(key) { missing(key, allowed: allowed) }
        return value
    }

    // MARK: - Scalars

    /// Text; a number or a boolean without quotes is a wrong type, because other readers would not keep its form.
    package func string(_ key: String) -> Located<String>? { node(key).flatMap(string) }

    package func requiredString(_ key: String, allowed: String = "text") -> Located<String>? {
        required(key, string(key), allowed)
    }

    package func bool(_ key: String) -> Located<Bool>? {
        guard let written = node(key), let node = scalar(written) else { return nil }
        if case .bool(let value) = node.content { return Located(value, at: node) }
        wrong(written, node, allowed: "true or false")
        return nil
    }

    /// A Boolean, or one word in its place, which is nil.
    package func flag(_ key: String, or word: String) -> Located<Bool?>? {
        guard let written = node(key), let node = scalar(written) else { return nil }
        switch node.content {
        case .bool(let value): return Located(value, at: node)
        case .string(word): return Located(nil, at: node)
        default:
            wrong(written, node, allowed: "true, false or \(word)")
            return nil
        }
    }

    package func requiredBool(_ key: String) -> Located<Bool>? { required(key, bool(key), "true or false") }

    /// An integer in `range`, both ends included. `unit` (for example `seconds`) is named in the problem.
    package func integer(_ key: String, in range: ClosedRange<Int64>, unit: String? = nil) -> Located<Int64>? {
        guard let written = node(key), let node = scalar(written) else { return nil }
        if case .integer(let value) = node.content, range.contains(value) { return Located(value, at: node) }
        wrong(written, node, allowed: Self.allowed(range, unit))
        return nil
    }

    package func requiredInteger(
        _ key: String, in range: ClosedRange<Int64>, unit: String? = nil
    ) -> Located<Int64>? {
        required(key, integer(key, in: range, unit: unit), Self.allowed(range, unit))
    }

    /// One of the given words.
    package func enumeration(_ key: String, _ words: [String]) -> Located<String>? {
        node(key).flatMap { enumeration($0, words) }
    }

    /// One of the cases of an enumeration whose raw values are the words of the configuration.
    package func enumeration<Word>(_ key: String, of type: Word.Type) -> Located<Word>?
    where Word: RawRepresentable<String> & CaseIterable {
        guard let word = enumeration(key, type.allCases.map(\.rawValue)) else { return nil }
        return Word(rawValue: word.value).map { value in word.map { _ in value } }
    }

    private static func allowed(_ range: ClosedRange<Int64>, _ unit: String?) -> String {
        "an integer from \(range.lowerBound) to \(range.upperBound)" + (unit.map { " (\($0))" } ?? "")
    }

    /// `{env: NAME}` stands for any scalar: the value of the variable, read like a scalar without quotes, or as text where `isText`. Any other
    /// node as it is; nil, and a problem, for a variable that is not set.
    package func scalar(_ node: ConfigurationNode, isText: Bool) -> ConfigurationNode? {
        guard let entries = node.entries, entries.count == 1, entries[0].key == "env", case .string(let name) = entries[0].value.content else { return node }
        guard let value = variable(Located(name, at: entries[0].value)) else { return nil }
        let text = String(decoding: value, as: UTF8.self)
        var scalar = ConfigurationNode(isText ? .string(text) : YAMLScalar.content(ofPlain: text), position: node.position, path: node.path)
        scalar.variable = name
        return scalar
    }

    private func scalar(_ node: ConfigurationNode) -> ConfigurationNode? { scalar(node, isText: false) }

    // MARK: - Elements, also for lists that are read by hand

    /// The text of `node`, or nil and a problem.
    package func string(_ node: ConfigurationNode) -> Located<String>? {
        guard let node = scalar(node, isText: true) else { return nil }
        if case .string(let value) = node.content { return Located(value, at: node) }
        let isScalar = node.elements == nil && node.entries == nil && !node.isNull
        wrong(node, allowed: isScalar ? "text (in quotes)" : "text")
        return nil
    }

    /// The word in `node`, or nil and a problem.
    package func enumeration(_ written: ConfigurationNode, _ words: [String]) -> Located<String>? {
        guard let node = scalar(written, isText: true) else { return nil }
        if case .string(let value) = node.content, words.contains(value) { return Located(value, at: node) }
        wrong(written, node, allowed: Quoting.alternatives(words))
        return nil
    }
}
