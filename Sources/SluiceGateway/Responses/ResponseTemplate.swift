import SluiceConfiguration

/// A text with variables, read: `${NAME}`, which stays as it is written where it has no value, and `$!{NAME}`, which is empty then.
///
/// A dollar sign that no brace follows is a dollar sign.
struct ResponseTemplate: Equatable, Sendable {
    enum Piece: Equatable, Sendable {
        case text(String)
        /// - Parameter source: as it is written.
        case variable(TemplateVariable, name: String, source: String, isQuiet: Bool)
    }

    /// A fault and where it begins: line and column from 1, as people count.
    struct Fault: Error, Equatable {
        let line: Int
        let column: Int
        let found: String
        let allowed: String
    }

    /// Variables in one template: what each asks of a request is bounded.
    static let variablesMax = 32

    let pieces: [Piece]

    init(pieces: [Piece]) { self.pieces = pieces }

    init(_ text: String) throws(Fault) {
        var pieces: [Piece] = []
        var rest = text[...]
        var count = 0
        while let (start, opening, isQuiet) = Self.nextOpening(in: rest) {
            if start > rest.startIndex { pieces.append(.text(String(rest[..<start]))) }
            let name = rest[opening...].prefix { $0 != "}" && !$0.isNewline }
            guard name.endIndex < rest.endIndex, rest[name.endIndex] == "}" else {
                throw Self.fault(in: text, at: start, "a `\(rest[start..<opening])` without its `}`", "`${NAME}` or `$!{NAME}`")
            }
            guard let (variable, own) = TemplateVariable.named(name) else {
                throw Self.fault(in: text, at: start, "the unknown variable \(Quoting.quoted(String(name)))", TemplateVariable.allowed)
            }
            count += 1
            guard count <= Self.variablesMax else { throw Self.fault(in: text, at: start, "more than \(Self.variablesMax) variables", "at most \(Self.variablesMax)") }
            let end = rest.index(after: name.endIndex)
            pieces.append(.variable(variable, name: own, source: String(rest[start..<end]), isQuiet: isQuiet))
            rest = rest[end...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        self.pieces = pieces
    }

    /// Where the next variable begins, and where its name does.
    private static func nextOpening(in text: Substring) -> (start: String.Index, name: String.Index, isQuiet: Bool)? {
        var place = text.startIndex
        while let start = text[place...].firstIndex(of: "$") {
            let behind = text[start...]
            if behind.hasPrefix("${") { return (start, text.index(start, offsetBy: 2), false) }
            if behind.hasPrefix("$!{") { return (start, text.index(start, offsetBy: 3), true) }
            place = text.index(after: start)
        }
        return nil
    }

    static func fault(in text: String, at place: String.Index, _ found: String, _ allowed: String) -> Fault {
        let before = text[..<place]
        let line = before.count { $0.isNewline } + 1
        let column = before.reversed().prefix { !$0.isNewline }.count + 1
        return Fault(line: line, column: column, found: found, allowed: allowed)
    }

    /// Names of the path's variables that it has a use for.
    var pathVariables: [String] {
        pieces.compactMap { piece in
            if case .variable(.path, let name, _, _) = piece { return name }
            if case .variable(.pathRest, let name, _, _) = piece { return name }
            return nil
        }
    }

    /// Whether there is more than blanks, whatever the variables are.
    var hasText: Bool { pieces.contains { if case .text(let text) = $0 { text.contains { !$0.isWhitespace } } else { false } } }

    var hasVariables: Bool { pieces.contains { if case .variable = $0 { true } else { false } } }
}
