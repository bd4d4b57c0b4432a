import SluiceHTTP
import SluicePattern

/// Makes a program of a document of schemas. On the thread that compiles the configuration, once.
///
/// Each schema that is reached becomes one node, however many references lead to it; so a schema that contains itself ends. One that would ask itself about the
/// same value again and again does not, and is an error.
struct SchemaCompiler {
    typealias Location = SchemaReferences.Location

    let references: SchemaReferences
    let options: JSONSchema.Options
    var storage = SchemaStorage()
    private var known: [SchemaReferences.Key: Int32] = [:]
    private var waiting: [(node: Int, location: Location)] = []
    /// Where each node stands, for what is found out at the end.
    private var places: [[String]] = []

    /// Schemas in one program, at most.
    private static let nodesMax = 100_000

    init(_ references: SchemaReferences, _ options: JSONSchema.Options) {
        self.references = references
        self.options = options
    }

    mutating func compile() throws(SchemaError) -> Int32 {
        let document = references.documents[0]
        let root = try node(Location(document: 0, entry: 0, base: document.uri, place: []))
        while let next = waiting.popLast() { storage.nodes[next.node] = try compiled(next.location) }
        try checkThatAllEnd()
        skipTrivial()
        return storage.trivial(root) ? SchemaNode.Sub.anything : root
    }

    // MARK: Schemas

    /// The node of the schema in this place.
    mutating func node(_ location: Location) throws(SchemaError) -> Int32 {
        let document = references.documents[location.document]
        guard document.index[location.entry].kind == .object else {
            throw SchemaError(place: location.place, found: document.found(location.entry), allowed: "a schema, which is a mapping")
        }
        let target = try references.resolved(location)
        guard references.documents[target.document].index[target.entry].kind == .object else {
            throw SchemaError(place: location.place, found: "a $ref to something else than a schema", allowed: "one that leads to a schema")
        }
        let key = SchemaReferences.Key(document: target.document, entry: target.entry)
        if let node = known[key] { return node }
        guard storage.nodes.count < Self.nodesMax else {
            throw SchemaError(place: location.place, found: "more than \(Self.nodesMax) schemas", allowed: "fewer")
        }
        let node = Int32(storage.nodes.count)
        known[key] = node
        storage.nodes.append(SchemaNode())
        places.append(target.place)
        waiting.append((Int(node), target))
        return node
    }

    private mutating func compiled(_ location: Location) throws(SchemaError) -> SchemaNode {
        var reading = SchemaReading(location, references)
        var node = SchemaNode()
        node.types = try reading.types()
        try readNumber(&reading, &node)
        try readString(&reading, &node)
        try readArray(&reading, &node)
        try readObject(&reading, &node)
        try readCombinations(&reading, &node)
        if let values = try reading.items("enum", countMin: 1) {
            node.enumeration = storage.appendValues(values.map {
                SchemaValue(index: references.documents[location.document].index, entry: Int32($0.entry))
            })
            node.parts.insert(.enumeration)
        }
        try reading.finish(options)
        return node
    }

    private mutating func readNumber(_ reading: inout SchemaReading, _ node: inout SchemaNode) throws(SchemaError) {
        if let minimum = try reading.number("minimum") { node.minimum = try storage.appendNumber(minimum.text, isDivisor: false, place: minimum.place) }
        if let maximum = try reading.number("maximum") { node.maximum = try storage.appendNumber(maximum.text, isDivisor: false, place: maximum.place) }
        if let divisor = try reading.number("multipleOf") { node.divisor = try storage.appendNumber(divisor.text, isDivisor: true, place: divisor.place) }
        if try reading.flag("exclusiveMinimum") { node.traits.insert(.excludesMinimum) }
        if try reading.flag("exclusiveMaximum") { node.traits.insert(.excludesMaximum) }
        if node.minimum >= 0 || node.maximum >= 0 || node.divisor >= 0 { node.parts.insert(.number) }
    }

    private mutating func readString(_ reading: inout SchemaReading, _ node: inout SchemaNode) throws(SchemaError) {
        node.minLength = try reading.count("minLength") ?? -1
        node.maxLength = try reading.count("maxLength") ?? -1
        if let pattern = try reading.string("pattern") { node.pattern = try storage.appendPattern(pattern.text, place: pattern.place) }
        if node.minLength > 0 || node.maxLength >= 0 || node.pattern >= 0 { node.parts.insert(.string) }
    }

    private mutating func readArray(_ reading: inout SchemaReading, _ node: inout SchemaNode) throws(SchemaError) {
        node.minItems = try reading.count("minItems") ?? -1
        node.maxItems = try reading.count("maxItems") ?? -1
        if try reading.flag("uniqueItems") { node.traits.insert(.hasUniqueItems) }
        let rest = try reading.schemaOrFlag("additionalItems")
        if let items = reading.value("items") {
            if items.kind == .array {
                node.tuple = try appendSubs(try reading.items("items", countMin: 0) ?? [])
                // Without a tuple it says nothing.
                node.items = try sub(rest)
            } else {
                node.items = try self.node(items.location)
            }
        }
        if node.minItems > 0 || node.maxItems >= 0 || node.traits.contains(.hasUniqueItems) || !node.tuple.isEmpty || node.items != SchemaNode.Sub.anything {
            node.parts.insert(.array)
        }
    }

    private mutating func readObject(_ reading: inout SchemaReading, _ node: inout SchemaNode) throws(SchemaError) {
        node.minMembers = try reading.count("minProperties") ?? -1
        node.maxMembers = try reading.count("maxProperties") ?? -1
        var names = SchemaNames()
        for property in try reading.members("properties") { names.add(property: property.name, try self.node(property.location)) }
        for name in try reading.names("required") ?? [] { names.add(required: name) }
        node.requiredCount = UInt32(names.requiredCount)
        (node.names, node.nameSlots) = storage.append(names)
        var patterned: [SchemaPatterned] = []
        for property in try reading.members("patternProperties") {
            patterned.append(SchemaPatterned(
                pattern: try storage.appendPattern(property.name, place: property.location.place), node: try self.node(property.location)))
        }
        node.patterned = storage.append(patterned)
        node.otherMembers = try sub(try reading.schemaOrFlag("additionalProperties"))
        var dependencies: [SchemaDependency] = []
        for dependency in try reading.members("dependencies") {
            if let required = try reading.names(dependency) {
                dependencies.append(storage.dependency(of: dependency.name, on: required, node: SchemaNode.Sub.anything))
            } else {
                dependencies.append(storage.dependency(of: dependency.name, on: [], node: try self.node(dependency.location)))
            }
        }
        node.dependencies = storage.append(dependencies)
        if !node.names.isEmpty || !node.patterned.isEmpty || node.otherMembers != SchemaNode.Sub.anything { node.traits.insert(.looksAtMembers) }
        if node.minMembers > 0 || node.maxMembers >= 0 || node.traits.contains(.looksAtMembers) || !node.dependencies.isEmpty { node.parts.insert(.object) }
    }

    private mutating func readCombinations(_ reading: inout SchemaReading, _ node: inout SchemaNode) throws(SchemaError) {
        node.allOf = try appendSubs(try reading.items("allOf", countMin: 1) ?? [])
        node.anyOf = try appendSubs(try reading.items("anyOf", countMin: 1) ?? [])
        node.oneOf = try appendSubs(try reading.items("oneOf", countMin: 1) ?? [])
        if let not = reading.value("not") {
            node.not = try self.node(not.location)
            node.parts.insert(.combined)
        }
        if !node.allOf.isEmpty || !node.anyOf.isEmpty || !node.oneOf.isEmpty { node.parts.insert(.combined) }
    }

    private mutating func appendSubs(_ locations: [Location]) throws(SchemaError) -> SchemaNode.Run {
        var subs: [Int32] = []
        for location in locations { subs.append(try node(location)) }
        return storage.append(subs: subs)
    }

    private mutating func sub(_ rest: SchemaReading.SchemaOrFlag) throws(SchemaError) -> Int32 {
        switch rest {
        case .flag(true): SchemaNode.Sub.anything
        case .flag(false): SchemaNode.Sub.nothing
        case .schema(let location): try node(location)
        }
    }

    // MARK: The whole

    /// No schema may come back to itself without going into the value: it would never end.
    private func checkThatAllEnd() throws(SchemaError) {
        enum State { case new, open, done }
        var states = [State](repeating: .new, count: storage.nodes.count)
        for start in storage.nodes.indices where states[start] == .new {
            var path = [(node: start, next: sameValue(start)[...])]
            states[start] = .open
            while var last = path.popLast() {
                guard let next = last.next.popFirst() else {
                    states[last.node] = .done
                    continue
                }
                path.append(last)
                switch states[next] {
                case .done: break
                case .open:
                    throw SchemaError(
                        place: places[next], found: "a schema that leads back to itself for the same value", allowed: "one that ends")
                case .new:
                    states[next] = .open
                    path.append((next, sameValue(next)[...]))
                }
            }
        }
    }

    /// The nodes that a node asks about the value that it is asked about itself.
    private func sameValue(_ place: Int) -> [Int] {
        let node = storage.nodes[place]
        var subs: [Int32] = [node.not]
        for run in [node.allOf, node.anyOf, node.oneOf] { subs += storage.subs[run.range] }
        subs += storage.dependencies[node.dependencies.range].map(\.node)
        return subs.filter { $0 >= 0 }.map(Int.init)
    }

    /// What every value fits is not asked.
    private mutating func skipTrivial() {
        func skipped(_ sub: Int32) -> Int32 { storage.trivial(sub) ? SchemaNode.Sub.anything : sub }
        for index in storage.nodes.indices {
            storage.nodes[index].items = skipped(storage.nodes[index].items)
            storage.nodes[index].otherMembers = skipped(storage.nodes[index].otherMembers)
            // What nothing may fit stays to be told apart from nothing at all.
            if storage.nodes[index].not >= 0, storage.trivial(storage.nodes[index].not) { storage.nodes[index].not = SchemaNode.Sub.nothing }
        }
        for index in storage.subs.indices { storage.subs[index] = skipped(storage.subs[index]) }
        for index in storage.names.indices { storage.names[index].node = skipped(storage.names[index].node) }
        for index in storage.patterned.indices { storage.patterned[index].node = skipped(storage.patterned[index].node) }
        for index in storage.dependencies.indices { storage.dependencies[index].node = skipped(storage.dependencies[index].node) }
    }
}
