import SluiceHTTP

/// A document of schemas, read once and kept: the text, its index, and where each of its schemas with an `id` stands.
final class SchemaDocument {
    let index: JSONIndex
    let uri: String
    private let text: UnsafeMutablePointer<UInt8>
    private let memory = JSONMemory()

    /// - Throws: what is wrong with the text.
    init(_ bytes: some Collection<UInt8>, uri: String) throws(SchemaError) {
        text = .allocate(capacity: max(1, bytes.count))
        _ = UnsafeMutableBufferPointer(start: text, count: bytes.count).initialize(from: bytes)
        self.uri = uri
        switch JSONReader.read(ByteView(base: UnsafePointer(text), count: bytes.count), into: memory.handle) {
        case .success(let index): self.index = index
        case .failure(let refused):
            text.deallocate()
            throw SchemaError(place: [], found: "\(refused.fault.text)", allowed: "a document of JSON")
        }
    }

    deinit { text.deallocate() }

    /// The text of a string or a name.
    func string(_ entry: Int) -> String {
        var room = JSONMemory.Room<UInt8>()
        defer { room.release() }
        return String(decoding: index.string(index[entry], &room).buffer, as: UTF8.self)
    }

    /// Members of an object, in their order; none of anything else.
    func members(_ entry: Int) -> [(name: String, nameEntry: Int, value: Int)] {
        guard index[entry].kind == .object else { return [] }
        var members: [(name: String, nameEntry: Int, value: Int)] = []
        var name = entry + 1
        for _ in 0..<index[entry].count {
            members.append((string(name), name, name + 1))
            name = Int(index[name + 1].next)
        }
        return members
    }

    /// Items of an array, in their order; none of anything else.
    func items(_ entry: Int) -> [Int] {
        guard index[entry].kind == .array else { return [] }
        var items: [Int] = []
        var item = entry + 1
        for _ in 0..<index[entry].count {
            items.append(item)
            item = Int(index[item].next)
        }
        return items
    }

    /// The member of an object; nil if there is none.
    func member(_ entry: Int, _ name: String) -> Int? { members(entry).first { $0.name == name }?.value }

    /// The text of a member that is a string.
    func text(_ entry: Int, _ name: String) -> String? {
        guard let value = member(entry, name), index[value].kind == .string else { return nil }
        return string(value)
    }
}
