/// The way from the root of a tree to one of its nodes, kept as a link to the parent's way.
///
/// A tree of a million nodes holds one small object per mapping or list and no text; text is made when a problem is
/// reported.
package struct ConfigurationPath: Sendable, CustomStringConvertible {
    package enum Component: Hashable, Sendable {
        /// The beginning; empty but for paths that were given as text.
        case root(String)
        case key(String)
        case index(Int)
    }

    /// Shared by the children of one mapping or list.
    package final class Parent: Sendable {
        let path: ConfigurationPath
        init(_ path: ConfigurationPath) { self.path = path }
    }

    let parent: Parent?
    package let last: Component

    init(parent: Parent?, last: Component) {
        self.parent = parent
        self.last = last
    }

    /// The root of a tree.
    package static let root = ConfigurationPath(parent: nil, last: .root(""))

    /// A path that is known as text only.
    package init(text: String) { self.init(parent: nil, last: .root(text)) }

    package func child(_ key: String) -> ConfigurationPath {
        ConfigurationPath(parent: Parent(self), last: .key(key))
    }

    package func child(_ index: Int) -> ConfigurationPath {
        ConfigurationPath(parent: Parent(self), last: .index(index))
    }

    /// `domains[0].policies.hmac`; a key with other characters than letters, digits, `_`, `-` and `$` is quoted:
    /// `paths["/orders"].get`.
    package var description: String {
        var components: [Component] = []
        var link: ConfigurationPath? = self
        while let path = link {
            components.append(path.last)
            link = path.parent?.path
        }
        var text = ""
        for component in components.reversed() {
            switch component {
            case .root(let beginning): text += beginning
            case .index(let index): text += "[\(index)]"
            case .key(let key) where Quoting.isPlain(key): text += text.isEmpty ? key : ".\(key)"
            case .key(let key): text += "[\(Quoting.quoted(key))]"
            }
        }
        return text
    }
}
