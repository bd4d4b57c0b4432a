/// Follows the references of a document (`$ref`, RFC 6901 in a fragment) within it, and nowhere else.
package struct DocumentReferences: Sendable {
    package struct Fault: Error {
        /// The reference that cannot be followed.
        package let place: ConfigurationNode
        package let found: String
        package let allowed: String

        package func report(_ problems: Problems) { problems.add(at: place, found: found, allowed: allowed) }
    }

    /// References that lead to references.
    static let hopsMax = 32

    private let root: ConfigurationNode

    /// - Parameter root: the document, or what a domain keeps of it.
    package init(_ root: ConfigurationNode) { self.root = root }

    /// The node itself if it is no reference; otherwise the one at the reference's end, which is none.
    package func resolve(_ node: ConfigurationNode) throws(Fault) -> ConfigurationNode {
        var current = node
        for _ in 0..<Self.hopsMax {
            guard let reference = current["$ref"] else { return current }
            current = try target(of: reference)
        }
        throw Fault(place: node["$ref"] ?? node, found: "references that lead to each other", allowed: "at most \(Self.hopsMax) one after another")
    }

    private func target(of reference: ConfigurationNode) throws(Fault) -> ConfigurationNode {
        guard let text = reference.text else {
            throw Fault(place: reference, found: reference.found, allowed: "a reference such as #/components/parameters/Name")
        }
        guard text == "#" || text.hasPrefix("#/") else {
            throw Fault(
                place: reference, found: "the reference \(Quoting.quoted(text)) to another document", allowed: "references within the document, which begin with #/")
        }
        var node = root
        for part in text.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false) where text != "#" {
            guard let next = Self.child(of: node, Self.unescaped(part)) else {
                throw Fault(place: reference, found: "the reference \(Quoting.quoted(text)) to nothing", allowed: "the place of something in the document")
            }
            node = next
        }
        return node
    }

    private static func child(of node: ConfigurationNode, _ name: String) -> ConfigurationNode? {
        if let elements = node.elements {
            guard let index = Int(name), elements.indices.contains(index) else { return nil }
            return elements[index]
        }
        return node[name]
    }

    /// Percent signs of the fragment first, then the pointer's own escapes.
    private static func unescaped(_ part: Substring) -> String {
        let text = part.contains("%") ? decoded(part) : String(part)
        return text.replacing("~1", with: "/").replacing("~0", with: "~")
    }

    /// Without percent escapes.
    static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        let source = Array(text.utf8)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let value = UInt8(String(decoding: source[(index + 1)...(index + 2)], as: UTF8.self), radix: 16) {
                bytes.append(value)
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
