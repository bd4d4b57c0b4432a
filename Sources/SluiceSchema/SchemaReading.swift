import SluiceHTTP

/// Reads the words of one schema, each with the type that draft 4 gives it. What it was not asked for is looked at in the end.
struct SchemaReading {
    typealias Location = SchemaReferences.Location

    enum SchemaOrFlag {
        case flag(Bool)
        case schema(Location)
    }

    private let document: SchemaDocument
    private let location: Location
    private let base: String
    private let all: [(name: String, nameEntry: Int, value: Int)]
    private var asked: Set<String> = ["definitions", "id", "$schema", "title", "description", "default", "format", "$ref"]

    init(_ location: Location, _ references: SchemaReferences) {
        self.location = location
        document = references.documents[location.document]
        base = references.base(in: location)
        all = document.members(location.entry)
    }

    /// The value of a word, its kind and where it stands.
    mutating func value(_ word: String) -> (kind: JSONEntry.Kinds, location: Location)? {
        asked.insert(word)
        guard let member = all.first(where: { $0.name == word }) else { return nil }
        return (document.index[member.value].kind, inner(member.value, word))
    }

    private func inner(_ entry: Int, _ tokens: String...) -> Location {
        Location(document: location.document, entry: entry, base: base, place: location.place + tokens)
    }

    private func wrong(_ location: Location, _ allowed: String) -> SchemaError {
        SchemaError(place: location.place, found: document.found(location.entry), allowed: allowed)
    }

    // MARK: Types of values

    mutating func number(_ word: String) throws(SchemaError) -> (text: ByteView, place: [String])? {
        guard let value = value(word) else { return nil }
        guard !value.kind.isDisjoint(with: .number) else { throw wrong(value.location, "a number") }
        return (document.index.raw(document.index[value.location.entry]), value.location.place)
    }

    mutating func count(_ word: String) throws(SchemaError) -> Int64? {
        guard let number = try number(word) else { return nil }
        var room = JSONMemory.Room<UInt8>()
        defer { room.release() }
        let decimal = Decimal(number.text, into: &room)
        let isCount = !decimal.isNegative && (decimal.isZero || decimal.exponent >= decimal.digits.count && decimal.exponent <= 18)
        guard isCount else { throw SchemaError(place: number.place, found: "the number \(number.text.text)", allowed: "an integer of 0 to 10^18") }
        var value: Int64 = 0
        for index in 0..<decimal.exponent {
            value = value * 10 + (index < decimal.digits.count ? Int64(decimal.digits[index] - UInt8(ascii: "0")) : 0)
        }
        return value
    }

    mutating func flag(_ word: String) throws(SchemaError) -> Bool {
        guard let value = value(word) else { return false }
        guard value.kind == .boolean else { throw wrong(value.location, "true or false") }
        return document.index[value.location.entry].traits.contains(.isTrue)
    }

    mutating func string(_ word: String) throws(SchemaError) -> (text: String, place: [String])? {
        guard let value = value(word) else { return nil }
        guard value.kind == .string else { throw wrong(value.location, "text") }
        return (document.string(value.location.entry), value.location.place)
    }

    mutating func schemaOrFlag(_ word: String) throws(SchemaError) -> SchemaOrFlag {
        guard let value = value(word) else { return .flag(true) }
        guard value.kind == .boolean else { return .schema(value.location) }
        return .flag(document.index[value.location.entry].traits.contains(.isTrue))
    }

    mutating func items(_ word: String, countMin: Int) throws(SchemaError) -> [Location]? {
        guard let value = value(word) else { return nil }
        let items = document.items(value.location.entry)
        guard value.kind == .array, items.count >= countMin else { throw wrong(value.location, countMin > 0 ? "a list that is not empty" : "a list") }
        return items.enumerated().map { inner($0.element, word, "\($0.offset)") }
    }

    mutating func members(_ word: String) throws(SchemaError) -> [(name: String, location: Location)] {
        guard let value = value(word) else { return [] }
        guard value.kind == .object else { throw wrong(value.location, "a mapping") }
        return document.members(value.location.entry).map { ($0.name, inner($0.value, word, $0.name)) }
    }

    mutating func names(_ word: String) throws(SchemaError) -> [String]? {
        guard let value = value(word) else { return nil }
        guard value.kind == .array else { throw wrong(value.location, "a list of names") }
        return try names(value.location)
    }

    /// The names of a dependency; nil if it is none of that kind.
    func names(_ dependency: (name: String, location: Location)) throws(SchemaError) -> [String]? {
        document.index[dependency.location.entry].kind == .array ? try names(dependency.location) : nil
    }

    private func names(_ location: Location) throws(SchemaError) -> [String] {
        var names: [String] = []
        for item in document.items(location.entry) {
            guard document.index[item].kind == .string else {
                throw SchemaError(place: location.place, found: document.found(item), allowed: "names, as text")
            }
            let name = document.string(item)
            guard !names.contains(name) else { throw SchemaError(place: location.place, found: "a name a second time", allowed: "each name once") }
            names.append(name)
        }
        return names
    }

    // MARK: Types

    private static let types: [String: JSONEntry.Kinds] = [
        "null": .null, "boolean": .boolean, "integer": .integer, "number": .number, "string": .string, "array": .array, "object": .object,
    ]

    mutating func types() throws(SchemaError) -> JSONEntry.Kinds {
        guard let value = value("type") else { return .all }
        let entries = value.kind == .array ? document.items(value.location.entry) : [value.location.entry]
        var types: JSONEntry.Kinds = []
        for entry in entries {
            guard document.index[entry].kind == .string, let type = Self.types[document.string(entry)] else {
                throw SchemaError(
                    place: value.location.place, found: document.found(entry), allowed: "null, boolean, integer, number, string, array or object")
            }
            types.formUnion(type)
        }
        guard !entries.isEmpty else { throw wrong(value.location, "at least one type") }
        return types
    }

    // MARK: What else there is

    /// Words that other drafts give a meaning: a schema that has them asks for more than would be checked.
    private static let foreign: Set<String> = [
        "const", "contains", "propertyNames", "if", "then", "else", "$defs", "$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef",
        "dependentRequired", "dependentSchemas", "prefixItems", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties", "contentEncoding",
        "contentMediaType", "contentSchema", "divisibleBy", "disallow", "extends",
    ]

    func finish(_ options: JSONSchema.Options) throws(SchemaError) {
        guard options.refusesOtherDrafts else { return }
        for member in all where !asked.contains(member.name) && Self.foreign.contains(member.name) {
            throw SchemaError(
                place: location.place + [member.name], found: "\(member.name), which is of another draft and would not be checked",
                allowed: "what JSON Schema draft 4 knows")
        }
        if let schema = document.text(location.entry, "$schema"), SchemaURI(schema, relativeTo: "").base != MetaSchema.uri {
            throw SchemaError(place: location.place + ["$schema"], found: "another draft", allowed: "\(MetaSchema.uri)#")
        }
    }
}

extension SchemaDocument {
    /// What stands there, as errors say it.
    func found(_ entry: Int) -> String {
        switch index[entry].kind {
        case .null: "nothing"
        case .boolean: "the boolean \(index[entry].traits.contains(.isTrue))"
        case .string: "the text \"\(string(entry).prefix(100))\""
        case .array: "a list"
        case .object: "a mapping"
        default: "the number \(index.raw(index[entry]).text.prefix(100))"
        }
    }
}

extension ByteView {
    /// As text. Allocates.
    var text: String { String(decoding: buffer, as: UTF8.self) }
}
