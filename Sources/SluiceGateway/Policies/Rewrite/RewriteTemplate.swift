import SluiceHTTP

/// A pattern of segments, each literal or with one variable: `/{version}/files/{name}.json`.
///
/// It matches paths of exactly as many segments. A variable takes one byte at least and no slash.
struct RewriteTemplate: Equatable {
    struct Segment: Equatable {
        var prefix: String
        /// Nil: the segment is `prefix` and nothing else.
        var variable: String?
        var suffix = ""
    }

    var segments: [Segment]

    /// In the order of the path; no name twice.
    var variables: [String] { segments.compactMap(\.variable) }

    /// Whether a pattern is a template and not a regular expression: it has a brace, every brace pair holds something else
    /// than a repetition (`{3}`, `{2,}`, `{2,5}`), and outside the braces stands none of `\ ^ $ | ? * + ( ) [ ]`.
    ///
    /// A full stop is not a sign of an expression: `/v1.0/{id}` is a template in which it means itself. A pattern without
    /// braces is an expression, whatever it holds.
    static func isTemplate(_ pattern: String) -> Bool {
        var rest = pattern.utf8[...]
        var hasBrace = false
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "{") {
                hasBrace = true
                guard let close = rest.firstIndex(of: UInt8(ascii: "}")) else { continue }
                if isRepetition(rest[..<close]) { return false }
                rest = rest[rest.index(after: close)...]
            } else if byte == UInt8(ascii: "}") {
                hasBrace = true
            } else if #"\^$|?*+()[]"#.utf8.contains(byte) {
                return false
            }
        }
        return hasBrace
    }

    private static func isRepetition(_ content: Substring.UTF8View) -> Bool {
        let parts = content.split(separator: UInt8(ascii: ","), maxSplits: 1, omittingEmptySubsequences: false)
        return content.contains { $0 != UInt8(ascii: ",") }
            && parts.allSatisfy { $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }
    }

    static func parse(_ pattern: String) throws(RewriteFault) -> RewriteTemplate {
        guard pattern.utf8.first == UInt8(ascii: "/") else { throw RewriteFault(allowed: "a template that begins with a slash") }
        var template = RewriteTemplate(segments: [])
        for text in pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            template.segments.append(try segment(text))
        }
        let variables = template.variables
        guard Set(variables).count == variables.count else { throw RewriteFault(allowed: "each variable once") }
        guard variables.count <= RewriteCaptures.countMax else {
            throw RewriteFault(allowed: "at most \(RewriteCaptures.countMax) variables")
        }
        let sample = template.segments.map { "/\($0.prefix)\($0.variable == nil ? "" : "x")\($0.suffix)" }.joined()
        guard PathText.normality(of: sample) == .unchanged else {
            throw RewriteFault(allowed: "a path in normal form (RFC 3986, 6.2.2): anything else would never match")
        }
        return template
    }

    private static func segment(_ text: Substring) throws(RewriteFault) -> Segment {
        guard let open = text.firstIndex(of: "{") else {
            guard !text.contains("}") else { throw RewriteFault(allowed: "as many opening as closing braces in each segment") }
            return Segment(prefix: try normalised(text))
        }
        guard let close = text[open...].firstIndex(of: "}"), !text[..<open].contains("}") else {
            throw RewriteFault(allowed: "as many opening as closing braces in each segment")
        }
        let suffix = text[text.index(after: close)...]
        guard !suffix.contains("{"), !suffix.contains("}") else { throw RewriteFault(allowed: "one variable in each segment") }
        let name = String(text[text.index(after: open)..<close])
        guard isIdentifier(name) else {
            throw RewriteFault(allowed: "variables named with letters, digits, _ and -, beginning with a letter or _")
        }
        return Segment(prefix: try normalised(text[..<open]), variable: name, suffix: try normalised(suffix))
    }

    /// Letters of a segment as they stand in a normalised path.
    private static func normalised(_ text: Substring) throws(RewriteFault) -> String {
        do throws(PathText.Unmatchable) {
            return String(decoding: try PathText.normalised(text.utf8), as: UTF8.self)
        } catch {
            throw RewriteFault(allowed: error.allowed)
        }
    }

    static func isIdentifier(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLetter(first) else { return false }
        return text.utf8.allSatisfy {
            isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte == UInt8(ascii: "_")
    }
}

// MARK: - Compiled

extension RewriteTemplate {
    struct Compiled: BitwiseCopyable {
        struct Segment: BitwiseCopyable {
            let prefix: ByteView
            let suffix: ByteView
            let hasVariable: Bool
        }

        let segments: ArenaSlice<Segment>

        /// Whether the path, which begins with a slash, matches; `captures` gets the variables in their order.
        func match(_ path: ByteView, into captures: inout RewriteCaptures) -> Bool {
            var start = 0
            var variable = 0
            var index = 0
            while index < segments.count {
                guard start < path.count, path[start] == UInt8(ascii: "/") else { return false }
                start += 1
                let end = path.index(of: UInt8(ascii: "/"), from: start)
                let segment = segments[index]
                guard let value = segment.value(in: path, from: start, to: end) else { return false }
                if segment.hasVariable {
                    captures[variable] = value
                    variable += 1
                }
                start = end
                index += 1
            }
            return start == path.count
        }
    }

    func compiled(into arena: Arena) -> Compiled {
        Compiled(
            segments: arena.store(
                segments.map {
                    Compiled.Segment(
                        prefix: arena.bytes($0.prefix), suffix: arena.bytes($0.suffix), hasVariable: $0.variable != nil)
                }))
    }
}

extension RewriteTemplate.Compiled.Segment {
    /// What stands between prefix and suffix; nil if the segment of the path is another one.
    fileprivate func value(in path: ByteView, from start: Int, to end: Int) -> Range<Int>? {
        let from = start + prefix.count
        let to = end - suffix.count
        guard hasVariable ? from < to : from == to else { return nil }
        guard path[start..<from].equals(prefix), path[to..<end].equals(suffix) else { return nil }
        return from..<to
    }
}
