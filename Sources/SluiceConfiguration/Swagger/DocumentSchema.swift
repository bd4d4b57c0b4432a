/// A schema of a Swagger or OpenAPI document as one of JSON Schema, draft 4. References are followed within the document; what they lead to comes along, under
/// `definitions`. Nodes keep their places.
package struct DocumentSchema {
    package let node: ConfigurationNode
    private let written: ConfigurationNode
    /// What references lead to: `definitions/r0` and so on.
    private let targets: [ConfigurationNode]

    package init(
        _ written: ConfigurationNode, _ references: DocumentReferences, _ dialect: DocumentOperation.Dialect
    ) throws(DocumentReferences.Fault) {
        var conversion = SchemaConversion(references: references, dialect: dialect)
        var root = try conversion.schema(written)
        var definitions: [ConfigurationNode.Entry] = []
        while definitions.count < conversion.targets.count {
            let target = conversion.targets[definitions.count]
            definitions.append(.init(key: "r\(definitions.count)", keyPosition: target.position, value: try conversion.schema(target)))
        }
        if !definitions.isEmpty { root.set("definitions", .mapping(definitions, at: written)) }
        node = root
        self.written = written
        targets = conversion.targets
    }

    /// Where in the document something of `node` stands, as far as it stands there, and what is left of the way.
    package func origin(of place: [String]) -> (node: ConfigurationNode, rest: [String]) {
        guard place.count >= 2, place[0] == "definitions", let number = Int(place[1].dropFirst()), targets.indices.contains(number) else {
            return written.descendant(place)
        }
        return targets[number].descendant(Array(place.dropFirst(2)))
    }
}

/// Makes schemas of draft 4, one after the other, and notes what they refer to.
private struct SchemaConversion {
    let references: DocumentReferences
    let dialect: DocumentOperation.Dialect
    /// What references lead to, by number.
    private(set) var targets: [ConfigurationNode] = []
    private var numbers: [String: Int] = [:]

    init(references: DocumentReferences, dialect: DocumentOperation.Dialect) {
        self.references = references
        self.dialect = dialect
    }

    /// What no value is judged by.
    private static let unread: Set<String> = [
        "title", "description", "default", "example", "examples", "xml", "externalDocs", "discriminator", "readOnly", "writeOnly", "deprecated", "format",
        "definitions", "$defs", "$schema", "$comment", "contentEncoding", "contentMediaType", "contentSchema",
    ]
    private static let schemas: Set<String> = ["items", "additionalProperties", "additionalItems", "not"]
    private static let lists: Set<String> = ["allOf", "anyOf", "oneOf"]
    private static let maps: Set<String> = ["properties", "patternProperties"]

    mutating func schema(_ node: ConfigurationNode) throws(DocumentReferences.Fault) -> ConfigurationNode {
        if dialect == .openAPI31, case .bool(let isAnything) = node.content {
            let anything = ConfigurationNode.mapping([], at: node)
            return isAnything ? anything : anything.setting("not", anything)
        }
        guard let entries = node.entries else { return node }
        var converted = ConfigurationNode.mapping([], at: node)
        if let reference = node["$ref"] {
            converted.set("$ref", .string("#/definitions/r\(try number(of: reference, in: node))", at: reference))
            var rest = node
            rest.set("$ref", nil)
            // Only the later dialect reads what stands beside a reference.
            let saysMore = rest.entries?.contains { !Self.unread.contains($0.key) && $0.key != "summary" } ?? false
            guard dialect == .openAPI31, saysMore else { return converted }
            return .mapping([], at: node).setting("allOf", .sequence([converted, try schema(rest)], at: node))
        }
        for entry in entries where !Self.unread.contains(entry.key) && !entry.key.hasPrefix("x-") {
            let key = entry.key
            if Self.schemas.contains(key) {
                let isFlag = if case .bool = entry.value.content { key.hasPrefix("additional") } else { false }
                converted.set(key, isFlag ? entry.value : try schema(entry.value))
            } else if Self.lists.contains(key), let elements = entry.value.elements {
                converted.set(key, .sequence(try all(elements), at: entry.value))
            } else if Self.maps.contains(key), let members = entry.value.entries {
                var properties: [ConfigurationNode.Entry] = []
                for member in members { properties.append(.init(key: member.key, keyPosition: member.keyPosition, value: try schema(member.value))) }
                converted.set(key, .mapping(properties, at: entry.value))
            } else {
                converted.set(key, entry.value)
            }
        }
        try adapt(&converted, node)
        return converted
    }

    private mutating func all(_ nodes: [ConfigurationNode]) throws(DocumentReferences.Fault) -> [ConfigurationNode] {
        var converted: [ConfigurationNode] = []
        for node in nodes { converted.append(try schema(node)) }
        return converted
    }

    private mutating func number(of reference: ConfigurationNode, in node: ConfigurationNode) throws(DocumentReferences.Fault) -> Int {
        if let text = reference.text, let known = numbers[text] { return known }
        let target = try references.resolve(node)
        targets.append(target)
        if let text = reference.text { numbers[text] = targets.count - 1 }
        return targets.count - 1
    }

    /// What the document's dialect says in other words.
    private mutating func adapt(_ converted: inout ConfigurationNode, _ node: ConfigurationNode) throws(DocumentReferences.Fault) {
        // What only responses have, requests need not have.
        if let required = node["required"]?.elements, let properties = node["properties"] {
            let left = required.filter { name in
                guard let text = name.text, let property = properties[text], let target = try? references.resolve(property) else { return true }
                if case .bool(true)? = (property["readOnly"] ?? target["readOnly"])?.content { return false }
                return true
            }
            converted.set("required", left.isEmpty ? nil : .sequence(left, at: node))
        } else if node["required"]?.elements?.isEmpty == true {
            converted.set("required", nil)
        }
        try adaptNull(&converted, node)
        adaptWidth(&converted, node)
        guard dialect == .openAPI31 else { return }
        if let value = node["const"] {
            converted.set("const", nil)
            converted.set("enum", .sequence([value], at: value))
        }
        for (key, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
            guard let value = node[key], value.isNumber else { continue }
            converted.set(key, nil)
            let isExclusive = ConfigurationNode(.bool(true), position: value.position, path: value.path)
            let own = ConfigurationNode.mapping([], at: value).setting(bound, value).setting(key, isExclusive)
            converted.set("allOf", .sequence((converted["allOf"]?.elements ?? []) + [own], at: node))
        }
        if let items = node["prefixItems"]?.elements {
            converted.set("prefixItems", nil)
            let rest = converted["items"]
            converted.set("items", .sequence(try all(items), at: node))
            if let rest { converted.set("additionalItems", rest) }
        }
        if let dependent = node["dependentRequired"] {
            converted.set("dependentRequired", nil)
            converted.set("dependencies", dependent)
        }
    }
    /// `nullable` of OpenAPI 3.0, `x-nullable` of Swagger.
    private func adaptNull(_ converted: inout ConfigurationNode, _ node: ConfigurationNode) throws(DocumentReferences.Fault) {
        guard dialect != .openAPI31 else { return }
        converted.set("nullable", nil)
        guard let nullable = node["nullable"] ?? (dialect == .swagger ? node["x-nullable"] : nil) else { return }
        guard case .bool(let isNullable) = nullable.content else {
            throw DocumentReferences.Fault(place: nullable, found: nullable.found, allowed: "true or false")
        }
        guard isNullable, let type = node["type"] else { return }
        let types = type.elements ?? [type]
        if !types.contains(where: { $0.text == "null" }) { converted.set("type", .sequence(types + [.string("null", at: nullable)], at: type)) }
    }

    /// Integers of 32 or 64 bits: services read others as something else.
    private func adaptWidth(_ converted: inout ConfigurationNode, _ node: ConfigurationNode) {
        guard let type = node["type"], (type.elements ?? [type]).contains(where: { $0.text == "integer" }), let format = node["format"] else { return }
        let range: ClosedRange<Int64>
        switch format.text {
        case "int32": range = Int64(Int32.min)...Int64(Int32.max)
        case "int64": range = Int64.min...Int64.max
        default: return
        }
        let bounds = ConfigurationNode.mapping([], at: format)
            .setting("minimum", ConfigurationNode(.integer(range.lowerBound), position: format.position, path: format.path))
            .setting("maximum", ConfigurationNode(.integer(range.upperBound), position: format.position, path: format.path))
        converted.set("allOf", .sequence((converted["allOf"]?.elements ?? []) + [bounds], at: format))
    }
}

extension ConfigurationNode {
    fileprivate var isNumber: Bool {
        switch content {
        case .integer, .number: true
        default: false
        }
    }

    /// The node to which these names and numbers lead, or the last on the way, and those that are left.
    package func descendant(_ place: [String]) -> (node: ConfigurationNode, rest: [String]) {
        var node = self
        for (index, token) in place.enumerated() {
            let next = node[token] ?? Int(token).flatMap { number in node.elements.flatMap { $0.indices.contains(number) ? $0[number] : nil } }
            guard let next else { return (node, Array(place[index...])) }
            node = next
        }
        return (node, [])
    }
}
