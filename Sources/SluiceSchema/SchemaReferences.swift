/// Where schemas stand, and which one a reference means.
struct SchemaReferences {
    /// A schema: the document, its entry there, the base URI of references in it, and how it is reached.
    struct Location {
        let document: Int
        let entry: Int
        let base: String
        let place: [String]
    }

    struct Key: Hashable {
        let document: Int
        let entry: Int
    }

    private(set) var documents: [SchemaDocument]
    /// Schemas by their `id`.
    private var identified: [SchemaURI: Location] = [:]

    /// Words whose values are schemas, lists of them, or objects of them.
    private static let subschemas: Set<String> = ["not", "items", "additionalItems", "additionalProperties"]
    private static let lists: Set<String> = ["allOf", "anyOf", "oneOf", "items"]
    private static let maps: Set<String> = ["definitions", "properties", "patternProperties", "dependencies"]

    init(_ documents: [SchemaDocument]) {
        self.documents = documents
        for (number, document) in documents.enumerated() {
            identified[SchemaURI(base: document.uri)] = Location(document: number, entry: 0, base: document.uri, place: [])
            collect(number, 0, base: document.uri, place: [])
        }
    }

    /// Notes the schemas that have an `id`, from this one on. Not those that stand where no schema is, as in `enum`.
    private mutating func collect(_ number: Int, _ entry: Int, base: String, place: [String]) {
        let document = documents[number]
        let members = document.members(entry)
        guard !members.isEmpty, document.text(entry, "$ref") == nil else { return }
        var base = base
        if let id = document.text(entry, "id") {
            let uri = SchemaURI(id, relativeTo: base)
            if uri.fragment.isEmpty { base = uri.base }
            identified[uri] = Location(document: number, entry: entry, base: base, place: place)
        }
        for member in members {
            if Self.subschemas.contains(member.name) { collect(number, member.value, base: base, place: place + [member.name]) }
            if Self.lists.contains(member.name) {
                for (index, item) in document.items(member.value).enumerated() {
                    collect(number, item, base: base, place: place + [member.name, "\(index)"])
                }
            }
            if Self.maps.contains(member.name) {
                for inner in document.members(member.value) { collect(number, inner.value, base: base, place: place + [member.name, inner.name]) }
            }
        }
    }

    /// The schema itself in this place: if it is a reference, what that leads to.
    func resolved(_ location: Location) throws(SchemaError) -> Location {
        var location = location
        var seen: Set<Key> = []
        while let reference = documents[location.document].text(location.entry, "$ref") {
            guard seen.insert(Key(document: location.document, entry: location.entry)).inserted else {
                throw SchemaError(place: location.place, found: "a $ref that leads back to itself", allowed: "one that leads to a schema")
            }
            location = try target(of: reference, from: location)
        }
        return location
    }

    /// The base URI for what stands in a schema.
    func base(in location: Location) -> String {
        let document = documents[location.document]
        guard document.text(location.entry, "$ref") == nil, let id = document.text(location.entry, "id") else { return location.base }
        let uri = SchemaURI(id, relativeTo: location.base)
        return uri.fragment.isEmpty ? uri.base : location.base
    }

    private func target(of reference: String, from location: Location) throws(SchemaError) -> Location {
        let uri = SchemaURI(reference, relativeTo: location.base)
        if let found = identified[uri] { return found }
        guard let root = identified[SchemaURI(base: uri.base)] else {
            throw SchemaError(
                place: location.place + ["$ref"], found: "a reference to another document",
                allowed: "one to a schema of the same document, or to http://json-schema.org/draft-04/schema#")
        }
        guard let pointer = uri.pointer, let found = follow(pointer, from: root) else {
            throw SchemaError(place: location.place + ["$ref"], found: "a reference to a schema that is not there", allowed: "one that leads to a schema")
        }
        return found
    }

    private func follow(_ pointer: [String], from root: Location) -> Location? {
        let document = documents[root.document]
        var location = root
        for token in pointer {
            let next: Int?
            if document.index[location.entry].kind == .array {
                let items = document.items(location.entry)
                next = Int(token).flatMap { items.indices.contains($0) ? items[$0] : nil }
            } else {
                next = document.member(location.entry, token)
            }
            guard let next else { return nil }
            location = Location(document: root.document, entry: next, base: base(in: location), place: location.place + [token])
        }
        return location
    }
}
