/// A place in a configuration file.
package struct SourcePosition: Hashable, Comparable, Sendable {
    /// From 1.
    package var line: Int
    /// From 1, counted in Unicode scalars, as editors do.
    package var column: Int
    /// Which of the files of a configuration, by its number in `Problems.files`; 0 is the configuration itself.
    package var file: Int

    package init(line: Int, column: Int, file: Int = 0) {
        self.line = line
        self.column = column
        self.file = file
    }

    /// Where a file begins.
    package static let start = SourcePosition(line: 1, column: 1)

    package static func < (left: SourcePosition, right: SourcePosition) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

/// What stands at one place of a configuration file, and can therefore be pointed at in a `Problem`.
package protocol Placed {
    var position: SourcePosition { get }
    /// For example `domains[0].policies.hmac.secret`; empty for the root.
    var keyPath: String { get }
    /// The variable of the environment that the value is from; its value may be another one than was meant, and is never shown.
    var variable: String? { get }
}

extension Placed {
    package var variable: String? { nil }
}

/// A value together with the place that it was read from.
package struct Located<Value>: Placed {
    package var value: Value
    package var position: SourcePosition
    package var path: ConfigurationPath
    package var variable: String?

    package init(_ value: Value, position: SourcePosition, path: ConfigurationPath, variable: String? = nil) {
        self.value = value
        self.position = position
        self.path = path
        self.variable = variable
    }

    package init(_ value: Value, at node: ConfigurationNode) {
        self.init(value, position: node.position, path: node.path, variable: node.variable)
    }

    /// For values that no file holds (tests, defaults).
    package init(value: Value, position: SourcePosition = .start, keyPath: String = "") {
        self.init(value, position: position, path: ConfigurationPath(text: keyPath))
    }

    /// Rendered on every call: for problems, not for keys of a table.
    package var keyPath: String { path.description }

    /// The same place with another value.
    package func map<Other>(_ transform: (Value) throws -> Other) rethrows -> Located<Other> {
        Located<Other>(try transform(value), position: position, path: path, variable: variable)
    }
}

extension Located: Sendable where Value: Sendable {}

extension Located: Equatable where Value: Equatable {
    package static func == (left: Located, right: Located) -> Bool {
        left.value == right.value && left.position == right.position && left.keyPath == right.keyPath
    }
}
