import SluiceConfiguration
import SluiceSchema

/// A parameter whose value has to fit a schema, as an operator or a document describes it.
///
/// It is written as OpenAPI does: with `type` and the words of JSON Schema beside it, as Swagger 2.0, or with `schema`, `style` and `explode`, as OpenAPI 3.
struct ParameterConfiguration: Sendable {
    enum Place: String, Sendable {
        case query, header, path, form

        var label: String {
            switch self {
            case .query: "query parameter"
            case .header: "header"
            case .path: "path parameter"
            case .form: "form parameter"
            }
        }
    }

    let name: Located<String>
    let place: Place
    let isRequired: Bool
    let allowsEmpty: Bool
    let form: TypedParameters.Form
    let schema: JSONSchema
    /// Whether the schema says nothing but that it is a text.
    let isAnyText: Bool

    /// Makes a schema of what stands there; nil, and a problem, if it is none.
    typealias SchemaMaker = (ConfigurationNode) -> JSONSchema?

    /// What may stand beside the words of a schema.
    private static let ownKeys = ["name", "in", "required", "description", "allowEmptyValue", "collectionFormat"]

    static func read(_ name: Located<String>, _ node: ConfigurationNode, _ place: Place, _ problems: Problems, _ schema: SchemaMaker) -> ParameterConfiguration? {
        guard let reader = MappingReader(node, problems) else { return nil }
        let before = problems.count
        let isRequired = reader.bool("required")?.value ?? false
        let allowsEmpty = reader.bool("allowEmptyValue")?.value ?? false
        var form: TypedParameters.Form?
        var compiled: JSONSchema?
        if let content = reader.node("content") {
            guard let entry = content.entries?.first, content.entries?.count == 1, entry.key.asciiLowercased.hasPrefix("application/json") else {
                problems.add(at: content, found: content.found, allowed: "one media type, application/json")
                return nil
            }
            form = .json
            compiled = schema(entry.value["schema"] ?? .mapping([], at: entry.value))
        } else if let inner = reader.node("schema") {
            compiled = schema(inner)
            if let made = compiled { form = Self.form(reader, made, place) }
        } else {
            var words = node
            for key in ownKeys { words.set(key, nil) }
            compiled = schema(words)
            if let made = compiled { form = collectionForm(reader, made, place) }
        }
        guard problems.count == before, let compiled, let form else { return nil }
        return ParameterConfiguration(
            name: name, place: place, isRequired: isRequired, allowsEmpty: allowsEmpty, form: form, schema: compiled,
            isAnyText: isAnyText(node["schema"] ?? node))
    }

    /// Whether nothing is said but the type, and that is a text.
    private static func isAnyText(_ node: ConfigurationNode) -> Bool {
        let silent = ownKeys + ["title", "example", "examples", "deprecated", "default", "format", "style", "explode"]
        let words = (node.entries ?? []).filter { !silent.contains($0.key) && !$0.key.hasPrefix("x-") }
        return words.count == 1 && words[0].key == "type" && words[0].value.text == "string"
    }

    /// Of Swagger 2.0: `collectionFormat`.
    private static func collectionForm(_ reader: MappingReader, _ schema: JSONSchema, _ place: Place) -> TypedParameters.Form? {
        let words = place == .header || place == .path ? ["csv", "ssv", "tsv", "pipes"] : ["csv", "ssv", "tsv", "pipes", "multi"]
        let format = reader.enumeration("collectionFormat", words)
        if format == nil, reader.has("collectionFormat") { return nil }
        guard isList(schema, reader) else { return single(schema, reader) }
        switch format?.value ?? "csv" {
        case "ssv": return .separated(UInt8(ascii: " "))
        case "tsv": return .separated(UInt8(ascii: "\t"))
        case "pipes": return .separated(UInt8(ascii: "|"))
        case "multi": return .repeated
        default: return .separated(UInt8(ascii: ","))
        }
    }

    /// Of OpenAPI 3: `style` and `explode`.
    private static func form(_ reader: MappingReader, _ schema: JSONSchema, _ place: Place) -> TypedParameters.Form? {
        let style = reader.enumeration("style", place == .header || place == .path ? ["simple"] : ["form", "spaceDelimited", "pipeDelimited"])
        if style == nil, reader.has("style") { return nil }
        let explodes = reader.bool("explode")?.value
        guard isList(schema, reader) else { return single(schema, reader) }
        switch style?.value {
        case "spaceDelimited": return explodes == true ? .repeated : .separated(UInt8(ascii: " "))
        case "pipeDelimited": return explodes == true ? .repeated : .separated(UInt8(ascii: "|"))
        case "simple": return .separated(UInt8(ascii: ","))
        default: return place == .header || place == .path || explodes == false ? .separated(UInt8(ascii: ",")) : .repeated
        }
    }

    private static func isList(_ schema: JSONSchema, _ reader: MappingReader) -> Bool { schema.handle.kinds.subtracting(.null) == .array }

    /// A text is no object, and either a list or none.
    private static func single(_ schema: JSONSchema, _ reader: MappingReader) -> TypedParameters.Form? {
        let kinds = schema.handle.kinds
        guard kinds.isDisjoint(with: [.array, .object]) || !kinds.isDisjoint(with: [.string, .number, .boolean]) else {
            reader.problems.add(
                at: reader.node, found: "a parameter that is an object, or that may be a list and an object",
                allowed: "a text, a number, a boolean or a list of them; an object as JSON, by `content: {application/json: ...}`")
            return nil
        }
        return .single
    }
}

extension ParameterConfiguration {
    /// The number of the segment of the endpoint's path that a variable stands for; nil, and a problem, where there is none.
    fileprivate func segment(of path: String?, _ problems: Problems) -> Int? {
        let shown = "`\(name.value)` of the path"
        guard let path else {
            problems.add(at: name, found: "\(shown) in a domain", allowed: "an endpoint, whose path has the variable")
            return nil
        }
        // What is wrong with the pattern is reported where it is compiled.
        guard let pattern = PathPattern(Located(value: path), problems: Problems(file: "")) else { return nil }
        guard let index = pattern.variables.firstIndex(of: name.value) else {
            problems.add(at: name, found: "\(shown) \(Quoting.quoted(path)), which has no such variable", allowed: "a variable of the endpoint's path")
            return nil
        }
        let segment = pattern.variableSegments[index]
        let kinds = pattern.segments[...segment].map(\.kind)
        guard kinds.last != .mix, !kinds.contains(.doubleStar) else {
            problems.add(
                at: name, found: "\(shown), which is part of a segment or stands behind `**`",
                allowed: "a variable that is a whole segment, with no `**` before it")
            return nil
        }
        return segment
    }
}

extension SnapshotBuilder {
    /// Stores parameters, whose schemas then last as long as the snapshot.
    ///
    /// - Parameter path: of the endpoint, which the parameters of paths are variables of.
    func store(_ parameters: [ParameterConfiguration], path: String? = nil) -> TypedParameters {
        TypedParameters(
            all: arena.store(parameters.compactMap { parameter in
                let segment = parameter.place == .path ? parameter.segment(of: path, problems) : 0
                guard let segment else { return nil }
                arena.own(parameter.schema)
                let handle = parameter.schema.handle
                let isList = parameter.form == .repeated || parameter.form != .single && parameter.form != .json
                let name = parameter.name.value
                return TypedParameters.Parameter(
                    name: arena.bytes(parameter.place == .header ? name.asciiLowercased : name), isHeader: parameter.place == .header, segment: segment,
                    label: arena.bytes("\(parameter.place.label) \(name)"),
                    isRequired: parameter.isRequired, allowsEmpty: parameter.allowsEmpty, form: parameter.form, schema: handle,
                    kinds: isList ? handle.itemKinds : handle.kinds)
            }),
            slot: parameters.isEmpty ? -1 : validationMemorySlot)
    }
}
