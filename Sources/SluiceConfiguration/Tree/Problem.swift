/// One fault of a configuration: where it is, what was found there and what would be allowed.
package struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Scope: Hashable, Sendable {
        /// The whole configuration is refused.
        case configuration
        /// The fault of one endpoint: `check` reports it, `run` starts all the same and that endpoint answers an error.
        case endpoint
        /// Served as it is: `check` reports it, `run` says so and starts.
        case notice
        /// No fault: something that an operator may not have meant. `check` prints it and exits 0 all the same.
        case note
    }

    package var file: String
    package var position: SourcePosition
    /// Empty for the file as a whole.
    package var keyPath: String
    /// Never a secret's text. Of a note: the whole statement.
    package var found: String
    /// Empty for a note.
    package var allowed: String
    package var scope: Scope

    package init(
        file: String, position: SourcePosition, keyPath: String, found: String, allowed: String,
        scope: Scope = .configuration
    ) {
        self.file = file
        self.position = position
        self.keyPath = keyPath
        self.found = found
        self.allowed = allowed
        self.scope = scope
    }

    /// How `found` begins for a key that nobody asked for.
    static let unknownKey = "the unknown key"

    package var isNote: Bool { scope == .note }

    /// `file:line:column: keyPath: found X, allowed Y`, or `file:line:column: keyPath: note: X`: the form that editors jump to.
    package var description: String {
        let place = "\(file):\(position.line):\(position.column): "
        return place + (keyPath.isEmpty ? "" : "\(keyPath): ") + (isNote ? "note: \(found)" : "found \(found), allowed \(allowed)")
    }
}
