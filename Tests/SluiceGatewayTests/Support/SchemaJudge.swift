@testable import SluiceConfiguration

/// A judge of documents by a JSON Schema: the keywords that our own schema uses, and a fault for any other.
struct SchemaJudge {
    private let root: ConfigurationNode

    init(_ schema: ConfigurationNode) { root = schema }

    /// What is wrong with a document; empty if it is valid.
    func faults(_ document: ConfigurationNode) -> [String] { faults(document, root, "$") }

    private func faults(_ node: ConfigurationNode, _ schema: ConfigurationNode, _ place: String) -> [String] {
        (schema.entries ?? []).flatMap { entry in faults(node, entry.key, entry.value, in: schema, place) }
    }

    private func faults(_ node: ConfigurationNode, _ keyword: String, _ value: ConfigurationNode, in schema: ConfigurationNode, _ place: String) -> [String] {
        switch keyword {
        case "$schema", "$defs", "title", "description": return []
        case "$ref":
            let name = value.text.map { $0.replacing("#/$defs/", with: "") } ?? ""
            guard let definition = root["$defs"]?[name] else { return ["\(place): no definition \(name)"] }
            return faults(node, definition, place)
        case "type":
            let types = value.elements?.compactMap(\.text) ?? [value.text ?? ""]
            return types.contains(where: { Self.isOf($0, node) }) ? [] : ["\(place): not \(types)"]
        case "enum": return value.elements?.contains { $0.text == node.text } == true ? [] : ["\(place): not one of the words"]
        case "minimum": return Self.integer(node).map { $0 >= Self.integer(value)! } ?? true ? [] : ["\(place): too small"]
        case "maximum": return Self.integer(node).map { $0 <= Self.integer(value)! } ?? true ? [] : ["\(place): too large"]
        case "minLength": return node.text.map { $0.count >= Self.integer(value)! } ?? true ? [] : ["\(place): too short"]
        case "minItems": return node.elements.map { $0.count >= Self.integer(value)! } ?? true ? [] : ["\(place): too few"]
        case "items": return (node.elements ?? []).enumerated().flatMap { faults($0.element, value, "\(place)[\($0.offset)]") }
        case "properties":
            return (node.entries ?? []).flatMap { entry in value[entry.key].map { faults(entry.value, $0, "\(place).\(entry.key)") } ?? [] }
        case "required":
            return (value.elements ?? []).compactMap(\.text).filter { node.entries != nil && node[$0] == nil }.map { "\(place): no \($0)" }
        case "additionalProperties":
            let others = (node.entries ?? []).filter { schema["properties"]?[$0.key] == nil }
            if case .bool(false) = value.content { return others.map { "\(place).\($0.key): unknown" } }
            return others.flatMap { faults($0.value, value, "\(place).\($0.key)") }
        case "allOf": return (value.elements ?? []).flatMap { faults(node, $0, place) }
        case "anyOf":
            let all = (value.elements ?? []).map { faults(node, $0, place) }
            return all.contains(where: \.isEmpty) ? [] : ["\(place): none of the forms: \(all)"]
        case "oneOf": return (value.elements ?? []).count { faults(node, $0, place).isEmpty } == 1 ? [] : ["\(place): not exactly one of the forms"]
        case "not": return faults(node, value, place).isEmpty ? ["\(place): excluded"] : []
        default: return ["\(place): the unknown keyword \(keyword)"]
        }
    }

    private static func integer(_ node: ConfigurationNode) -> Int64? {
        if case .integer(let value) = node.content { value } else { nil }
    }

    private static func isOf(_ type: String, _ node: ConfigurationNode) -> Bool {
        switch (type, node.content) {
        case ("object", .mapping), ("array", .sequence), ("string", .string), ("boolean", .bool), ("null", .null), ("integer", .integer),
            ("number", .integer), ("number", .number): true
        default: false
        }
    }
}
