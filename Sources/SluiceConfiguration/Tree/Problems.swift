/// What one reading of one configuration file found wrong, and where that reading takes `{env: NAME}` and
/// `{file: PATH}` from.
///
/// Reading never stops at the first problem: a reader adds it, goes on with what it can, and the caller looks at the
/// end. For one thread.
package final class Problems {
    /// As named by the operator; the beginning of each problem's description.
    package let file: String
    /// `file`, and those that it includes, by `SourcePosition.file`.
    package private(set) var files: [String]
    /// What `{env: NAME}` and `{file: PATH}` refer to.
    package let references: References

    /// Where a key belongs that stands at the wrong place, for example "into a domain"; nil for a key that is unknown everywhere.
    package var placeOfKey: (String) -> String? = { _ in nil }

    private var found: [Problem] = []

    /// - Parameters:
    ///   - file: the path of the file that is read; relative paths in the file are relative to its folder.
    ///   - environment: nil for the process's own.
    package init(file: String, environment: [String: String]? = nil) {
        self.file = file
        files = [file]
        references = References(environment: environment)
    }

    /// Makes a further file known, and answers its number.
    func include(_ file: String) -> Int {
        files.append(file)
        return files.count - 1
    }

    /// The path of a file that is named at `place`: a relative one is relative to the folder of the file in which it is written.
    package func resolve(_ path: String, at place: some Placed) -> String {
        References.resolve(path, beside: fileName(at: place.position))
    }

    private func fileName(at position: SourcePosition) -> String { files.indices.contains(position.file) ? files[position.file] : file }

    package func add(
        at position: SourcePosition, keyPath: String, found: String, allowed: String,
        scope: Problem.Scope = .configuration
    ) {
        self.found.append(
            Problem(file: fileName(at: position), position: position, keyPath: keyPath, found: found, allowed: allowed, scope: scope))
    }

    /// Where the value is a variable's of the environment, that is named in place of `found`, which may show the value.
    package func add(at place: some Placed, found: String, allowed: String, scope: Problem.Scope = .configuration) {
        let found = place.variable.map { "the environment variable \(Quoting.quoted($0)), whose value is not shown" } ?? found
        add(at: place.position, keyPath: place.keyPath, found: found, allowed: allowed, scope: scope)
    }

    /// Notes something that is not a fault, but that an operator may not have meant: a statement in words, for example
    /// `the key is shadowed by the host of another domain`.
    package func note(at place: some Placed, _ statement: String) {
        add(at: place.position, keyPath: place.keyPath, found: statement, allowed: "", scope: .note)
    }

    /// Without notes. For readings that come to nothing when a part of them failed.
    package var count: Int { found.count { !$0.isNote } }

    /// No problem of any scope; there may be notes.
    package var isEmpty: Bool { found.allSatisfy(\.isNote) }

    /// Whether the configuration as a whole must be refused: some problem is more than one endpoint's fault.
    package var refuseConfiguration: Bool { found.contains { $0.scope == .configuration } }

    /// Notes too. In the order of the file; problems at one place in the order in which they were found.
    package var all: [Problem] {
        found.enumerated()
            .sorted { ($0.element.position, $0.offset) < ($1.element.position, $1.offset) }
            .map(\.element)
    }
}
