import SluiceHTTP
import SluicePattern

/// The arrays of a program while it is made, and what they point at.
struct SchemaStorage {
    var nodes: [SchemaNode] = []
    var subs: [Int32] = []
    var names: [SchemaName] = []
    var dependencies: [SchemaDependency] = []
    var patterned: [SchemaPatterned] = []
    private(set) var nameSlots: [Int32] = []
    private(set) var dependentNames: [SchemaName] = []
    private(set) var numbers: [SchemaNumber] = []
    private(set) var values: [SchemaValue] = []
    private(set) var patterns: [Regex] = []
    private var patternPlaces: [String: Int32] = [:]
    /// Names and digits.
    private(set) var texts: [UnsafeMutablePointer<UInt8>] = []
    private let hash = JSONHash()

    /// Whether every value fits that node.
    func trivial(_ sub: Int32) -> Bool { sub >= 0 && nodes[Int(sub)].isTrivial }

    private mutating func keep(_ bytes: some Collection<UInt8>) -> ByteView {
        guard !bytes.isEmpty else { return .empty }
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        _ = UnsafeMutableBufferPointer(start: memory, count: bytes.count).initialize(from: bytes)
        texts.append(memory)
        return ByteView(base: UnsafePointer(memory), count: bytes.count)
    }

    private static func append<Element>(_ elements: [Element], to all: inout [Element]) -> SchemaNode.Run {
        let run = SchemaNode.Run(start: UInt32(all.count), count: UInt32(elements.count))
        all += elements
        return run
    }

    mutating func append(subs: [Int32]) -> SchemaNode.Run { Self.append(subs, to: &self.subs) }
    mutating func append(_ patterned: [SchemaPatterned]) -> SchemaNode.Run { Self.append(patterned, to: &self.patterned) }
    mutating func append(_ dependencies: [SchemaDependency]) -> SchemaNode.Run { Self.append(dependencies, to: &self.dependencies) }
    mutating func appendValues(_ values: [SchemaValue]) -> SchemaNode.Run { Self.append(values, to: &self.values) }

    // MARK: Names

    private mutating func name(_ text: String) -> SchemaName {
        let bytes = keep(text.utf8)
        return SchemaName(
            name: bytes, shown: keep(SchemaFault.shown(text.utf8)), hash: UInt32(truncatingIfNeeded: hash.hash(bytes.base, bytes.count)),
            node: SchemaNode.Sub.anything, isProperty: false, isRequired: false)
    }

    /// The names, and the table in which they are looked up: at most half full.
    mutating func append(_ names: SchemaNames) -> (names: SchemaNode.Run, slots: SchemaNode.Run) {
        guard !names.all.isEmpty else { return (SchemaNode.Run(), SchemaNode.Run()) }
        var slotCount = 2
        while slotCount < 2 * names.all.count { slotCount *= 2 }
        var slots = [Int32](repeating: -1, count: slotCount)
        let first = self.names.count
        for (offset, entry) in names.all.enumerated() {
            var name = name(entry.name)
            name.node = entry.node
            name.isProperty = entry.isProperty
            name.isRequired = entry.isRequired
            self.names.append(name)
            var slot = Int(name.hash) & (slotCount - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slotCount - 1) }
            slots[slot] = Int32(first + offset)
        }
        return (SchemaNode.Run(start: UInt32(first), count: UInt32(names.all.count)), Self.append(slots, to: &nameSlots))
    }

    mutating func dependency(of text: String, on required: [String], node: Int32) -> SchemaDependency {
        let name = name(text)
        let others = required.map { self.name($0) }
        return SchemaDependency(name: name.name, hash: name.hash, required: Self.append(others, to: &dependentNames), node: node)
    }

    // MARK: Numbers and patterns

    mutating func appendNumber(_ text: ByteView, isDivisor: Bool, place: [String]) throws(SchemaError) -> Int32 {
        var room = JSONMemory.Room<UInt8>()
        defer { room.release() }
        var decimal = Decimal(text, into: &room)
        decimal.digits = keep(decimal.digits.buffer)
        var integer: Int64?
        if decimal.isZero {
            integer = 0
        } else if decimal.exponent >= decimal.digits.count, decimal.exponent <= 18 {
            var value: Int64 = 0
            for index in 0..<decimal.exponent {
                value = value * 10 + (index < decimal.digits.count ? Int64(decimal.digits[index] - UInt8(ascii: "0")) : 0)
            }
            integer = decimal.isNegative ? -value : value
        }
        var divisor: UInt64 = 1
        if isDivisor {
            guard !decimal.isNegative, !decimal.isZero, decimal.digits.count <= Decimal.divisorDigitsMax else {
                throw SchemaError(
                    place: place, found: "the number \(text.text.prefix(100))", allowed: "a number above 0 of at most \(Decimal.divisorDigitsMax) digits")
            }
            divisor = decimal.digits.buffer.reduce(0) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
        }
        numbers.append(SchemaNumber(decimal: decimal, integer: integer, divisor: divisor, divisorExponent: decimal.exponent - decimal.digits.count))
        return Int32(numbers.count - 1)
    }

    mutating func appendPattern(_ text: String, place: [String]) throws(SchemaError) -> Int32 {
        if let known = patternPlaces[text] { return known }
        do {
            patterns.append(try Regex(ecmaScript: text))
        } catch {
            throw SchemaError(place: place, found: "a pattern that is wrong: \(error)", allowed: "a regular expression of ECMA-262")
        }
        let number = Int32(patterns.count - 1)
        patternPlaces[text] = number
        return number
    }
}

/// The names that one schema tells of, each once.
struct SchemaNames {
    struct Entry {
        let name: String
        var node = SchemaNode.Sub.anything
        var isProperty = false
        var isRequired = false
    }

    private(set) var all: [Entry] = []
    private var places: [String: Int] = [:]

    var requiredCount: Int { all.count { $0.isRequired } }

    mutating func add(property name: String, _ node: Int32) {
        let place = place(of: name)
        all[place].node = node
        all[place].isProperty = true
    }

    mutating func add(required name: String) { all[place(of: name)].isRequired = true }

    /// Swift takes texts for equal that differ in their bytes (canonical equivalence); names of JSON do not.
    private mutating func place(of name: String) -> Int {
        let bytes = name.utf8.map { String($0) }.joined(separator: ",")
        if let place = places[bytes] { return place }
        all.append(Entry(name: name))
        places[bytes] = all.count - 1
        return all.count - 1
    }
}
