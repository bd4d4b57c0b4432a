/// The lines at which problems stand, each with a caret under the place.
///
/// None for a line that may hold a secret, or a part of one, and none where the file is a pipe or cannot be read any more: the problem's text
/// says all that is needed. Of a key that is unknown nothing behind it is shown: it may be `secret`, mistyped.
package struct ProblemExcerpts {
    /// Columns of a line that are shown.
    private static let columnsMax = 100
    /// Lines above that are looked at for what a line belongs to.
    private static let linesAboveMax = 200

    private var files: [String: [Substring]] = [:]

    package init() {}

    /// Two lines, or none.
    package mutating func excerpt(of problem: Problem) -> [String] {
        let lines = lines(of: problem.file)
        let index = problem.position.line - 1
        guard lines.indices.contains(index), !lines[index].allSatisfy({ $0 == " " || $0 == "\t" }), !Self.maySecret(problem, lines, index) else { return [] }
        let scalars = Self.shown(lines[index], of: problem)
        let column = min(max(0, problem.position.column - 1), scalars.count)
        let start = column < Self.columnsMax ? 0 : column - Self.columnsMax / 2
        let shown = scalars[start..<min(scalars.count, start + Self.columnsMax)]
        let number = "\(problem.position.line)"
        let margin = String(repeating: " ", count: number.count)
        let beforeCaret = scalars[start..<column].reduce(start > 0 ? 3 : 0) { $0 + Self.width($1) }
        let text = (start > 0 ? "..." : "") + shown.map(Self.harmless).joined() + (start + Self.columnsMax < scalars.count ? "..." : "")
        return ["  \(number) | \(text)", "  \(margin) | " + String(repeating: " ", count: beforeCaret) + "^"]
    }

    private mutating func lines(of file: String) -> [Substring] {
        if let lines = files[file] { return lines }
        let bytes = (try? BoundedFile.read(file, bytesMax: ConfigurationNode.fileBytesMax)) ?? []
        let lines = String(decoding: bytes, as: UTF8.self).split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        files[file] = lines
        return lines
    }

    // MARK: Secrets

    private static func shown(_ line: Substring, of problem: Problem) -> [Unicode.Scalar] {
        let scalars = Array(line.unicodeScalars)
        guard problem.found.hasPrefix(Problem.unknownKey), problem.position.column <= scalars.count,
            let colon = scalars[(problem.position.column - 1)...].firstIndex(of: ":")
        else { return scalars }
        return Array(scalars[...colon])
    }

    /// Whether the line, the one above it, or one that it belongs to by its indentation names something that may be secret.
    private static func maySecret(_ problem: Problem, _ lines: [Substring], _ index: Int) -> Bool {
        // What is allowed names a secret where one may stand under the right key.
        let texts = [problem.keyPath[...], problem.found[...], lines[index]]
        if texts.contains(where: isNearSecret) || problem.allowed.contains("secret") { return true }
        var indentation = self.indentation(of: lines[index])
        var isNeighbour = true
        for above in stride(from: index - 1, through: max(0, index - linesAboveMax), by: -1) {
            let line = lines[above]
            guard line.contains(where: { $0 != " " }) else { continue }
            let own = self.indentation(of: line)
            guard isNeighbour || own < indentation else { continue }
            isNeighbour = false
            if isNearSecret(line) { return true }
            indentation = min(indentation, own)
            if indentation == 0 { break }
        }
        return false
    }

    private static let words = [
        "secret", "passw", "passphrase", "token", "auth", "credential", "cookie", "api-key", "api_key", "apikey", "private", "-----", "tls", "hmac", "jwt", "callers", "@", "key: |", "key: >",
    ]

    /// Whether a name, or a text with names in it, says that what it stands for may be secret.
    package static func isNearSecret(_ text: Substring) -> Bool {
        let lower = text.lowercased()
        return words.contains { lower.contains($0) }
    }

    private static func indentation(of line: Substring) -> Int { line.prefix { $0 == " " || $0 == "-" }.count }

    // MARK: Characters

    private static func harmless(_ scalar: Unicode.Scalar) -> String {
        if scalar == "\t" { return " " }
        return ConfigurationWriter.isPrintable(scalar) ? String(scalar) : "?"
    }

    /// Columns of a terminal: two for the scripts of East Asia.
    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0x1F300...0x1F64F, 0x20000...0x3FFFD: 2
        default: 1
        }
    }
}
