import SluiceConfiguration

/// One field line that an operator writes, with its place. The name is a token and the value a field value.
struct ConfiguredField: Equatable, Sendable {
    var name: Located<String>
    var value: Located<String>

    /// Bytes of the field lines that one policy adds to a message: what can be sent together with the largest body that is
    /// configured, and more than servers take in a head.
    static let linesBytesMax = 16 * 1024

    /// What else a set of fields may not name.
    enum Place {
        /// Sent to the upstream.
        case request
        /// Added to a response that has its own Date and framing.
        case response
        /// A whole response of the gateway's, to which it adds Date itself.
        case storedResponse

        func reserves(_ name: String) -> Bool {
            if HopByHopFields.isReserved(name, inRequest: self == .request) { return true }
            return self == .storedResponse && name.asciiLowercased == "date"
        }

        var allowed: String {
            switch self {
            case .request: "an end-to-end field that the gateway does not write itself (it writes Host and Content-Length)"
            case .response: "an end-to-end field that the gateway does not write itself (it writes Content-Length)"
            case .storedResponse: "an end-to-end field that the gateway does not write itself (it writes Date and Content-Length)"
            }
        }
    }

    /// Reads the mapping of names to values under `key`; empty if it is absent. Nil if any entry is unusable: every such
    /// entry has been reported.
    static func read(_ key: String, in reader: MappingReader, for place: Place) -> [ConfiguredField]? {
        let before = reader.problems.count
        let entries = reader.stringMap(key) ?? []
        var names: Set<String> = []
        for entry in entries {
            check(entry.name, for: place, reader.problems)
            if !names.insert(entry.name.value.asciiLowercased).inserted {
                reader.problems.add(
                    at: entry.name, found: "the field \(Quoting.quoted(entry.name.value)) a second time",
                    allowed: "each field once, whatever the case of its letters")
            }
            if !FieldSyntax.isFieldValue(entry.value.value) {
                let isSecret = ProblemExcerpts.isNearSecret(entry.name.value[...])
                reader.problems.add(
                    at: entry.value, found: isSecret ? "text that is not a field value" : Quoting.quoted(entry.value.value),
                    allowed: "a field value (no control characters, no blanks at its ends)")
            }
        }
        let byteCount = entries.reduce(0) { $0 + $1.name.value.utf8.count + $1.value.value.utf8.count + 4 }
        if byteCount > linesBytesMax, let mapping = reader.node(key) {
            reader.problems.add(at: mapping, found: "field lines of \(byteCount) bytes", allowed: "at most \(linesBytesMax) bytes")
        }
        guard reader.problems.count == before else { return nil }
        return entries.map { ConfiguredField(name: $0.name, value: $0.value) }
    }

    /// Reports a name that is not a token or is reserved.
    static func check(_ name: Located<String>, for place: Place, _ problems: Problems) {
        if !FieldSyntax.isToken(name.value) {
            problems.add(
                at: name, found: Quoting.quoted(name.value), allowed: "a field name (letters, digits and !#$%&'*+-.^_`|~)")
        } else if place.reserves(name.value) {
            problems.add(at: name, found: "the field \(Quoting.quoted(name.value))", allowed: place.allowed)
        }
    }
}
