import SluicePattern

/// Reads the text of a path pattern from left to right.
struct PathPatternReader {
    struct Fault: Error {
        /// To be followed by the pattern.
        var found: String
        var allowed: String
    }

    private enum Piece {
        case letters([UInt8])
        case anyCharacter
        case anyRun
        case anySegments
        case variable
        case expression(String)
    }

    private let bytes: [UInt8]
    private var at = 0
    private(set) var variables: [String] = []
    /// The number of the segment of each.
    private(set) var variableSegments: [Int] = []
    private var segmentNumber = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func segments() throws(Fault) -> [PathPattern.Segment] {
        guard bytes.first == UInt8(ascii: "/") else {
            throw Fault(found: bytes.isEmpty ? "nothing" : "no slash at the beginning", allowed: "a path that begins with /")
        }
        var segments: [PathPattern.Segment] = []
        while at < bytes.count {
            at += 1
            segmentNumber = segments.count
            segments.append(try Self.segment(of: try pieces()))
        }
        guard segments.count <= PathPattern.segmentsMax else {
            throw Fault(found: "\(segments.count) segments", allowed: "at most \(PathPattern.segmentsMax)")
        }
        return segments
    }

    // MARK: One segment

    private static func segment(of pieces: [Piece]) throws(Fault) -> PathPattern.Segment {
        if pieces.count == 1 {
            switch pieces[0] {
            case .variable: return PathPattern.Segment(kind: .name, text: [])
            case .anyRun: return PathPattern.Segment(kind: .star, text: [])
            case .anySegments: return PathPattern.Segment(kind: .doubleStar, text: [])
            case .expression(let source): return try expressionSegment(source)
            case .letters, .anyCharacter: break
            }
        }
        var text: [UInt8] = []
        var literalCount = 0
        var characters = 0
        var hasRun = false
        // A row of wildcards is written `?`s first and one `*` last, so that equal mixes have equal texts.
        func flushWildcards() {
            text += [UInt8](repeating: UInt8(ascii: "?"), count: characters)
            if hasRun { text.append(UInt8(ascii: "*")) }
            characters = 0
            hasRun = false
        }
        var isLiteral = true
        for piece in pieces {
            switch piece {
            case .letters(let letters):
                flushWildcards()
                let normalised = try normalise(letters)
                text += normalised
                literalCount += normalised.count
                continue
            case .anyCharacter: characters += 1
            case .anyRun: hasRun = true
            case .variable:
                characters += 1
                hasRun = true
            case .anySegments:
                throw Fault(found: "** beside other characters of a segment", allowed: "** as a whole segment, or *")
            case .expression:
                throw Fault(
                    found: "a {name:regex} beside other characters of a segment",
                    allowed: "a {name:regex} as a whole segment: the regex can hold the other characters")
            }
            isLiteral = false
        }
        flushWildcards()
        if isLiteral {
            let dots: [[UInt8]] = [Array(".".utf8), Array("..".utf8)]
            if dots.contains(text) {
                throw Fault(found: "a dot segment", allowed: "no . or .. as a segment: paths are matched without them")
            }
            return PathPattern.Segment(kind: .literal, text: text, literalCount: literalCount)
        }
        return PathPattern.Segment(kind: .mix, text: text, literalCount: literalCount)
    }

    private static func normalise(_ letters: [UInt8]) throws(Fault) -> [UInt8] {
        do throws(PathText.Unmatchable) {
            return try PathText.normalised(letters)
        } catch {
            throw Fault(found: error.found, allowed: error.allowed)
        }
    }

    private static func expressionSegment(_ source: String) throws(Fault) -> PathPattern.Segment {
        do throws(PatternError) {
            let (source, isUnicode) = PatternText.normalised(source)
            let regex = try Regex(source, matching: .whole, isUnicode: isUnicode)
            return PathPattern.Segment(kind: .regex, text: Array(source.utf8), regex: regex)
        } catch {
            throw Fault(
                found: "a regex that does not compile (\(error.description) of it)", allowed: "a regular expression")
        }
    }

    // MARK: Pieces of a segment

    /// From `at` to the next slash outside braces, or the end.
    private mutating func pieces() throws(Fault) -> [Piece] {
        var pieces: [Piece] = []
        var letters: [UInt8] = []
        func flushLetters() {
            if !letters.isEmpty { pieces.append(.letters(letters)) }
            letters = []
        }
        while at < bytes.count, bytes[at] != UInt8(ascii: "/") {
            switch bytes[at] {
            case UInt8(ascii: "?"):
                flushLetters()
                pieces.append(.anyCharacter)
                at += 1
            case UInt8(ascii: "*"):
                flushLetters()
                pieces.append(try stars())
            case UInt8(ascii: "{"):
                flushLetters()
                pieces.append(try variable())
            case UInt8(ascii: "}"):
                throw Fault(found: "a } without its { at character \(character(at))", allowed: "braces in pairs")
            default:
                letters.append(bytes[at])
                at += 1
            }
        }
        flushLetters()
        return pieces
    }

    private mutating func stars() throws(Fault) -> Piece {
        let start = at
        while at < bytes.count, bytes[at] == UInt8(ascii: "*") { at += 1 }
        switch at - start {
        case 1: return .anyRun
        case 2: return .anySegments
        default: throw Fault(found: "\(at - start) stars in a row at character \(character(start))", allowed: "* or **")
        }
    }

    /// `{name}` or `{name:regex}`, from its opening brace.
    private mutating func variable() throws(Fault) -> Piece {
        let opening = at
        at += 1
        let nameStart = at
        while at < bytes.count, !Self.endsName(bytes[at]) { at += 1 }
        let name = String(decoding: bytes[nameStart..<at], as: UTF8.self)
        guard at < bytes.count, bytes[at] == UInt8(ascii: "}") || bytes[at] == UInt8(ascii: ":") else {
            throw Fault(
                found: "a { without its } at character \(character(opening))", allowed: "{name} or {name:regex}")
        }
        guard !name.isEmpty, name.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7F }) else {
            throw Fault(
                found: "a variable without a proper name at character \(character(opening))",
                allowed: "a name without blanks, braces, slashes and wildcards")
        }
        guard !variables.contains(name) else {
            throw Fault(found: "the variable {\(name)} twice", allowed: "each variable once")
        }
        variables.append(name)
        variableSegments.append(segmentNumber)
        let hasExpression = bytes[at] == UInt8(ascii: ":")
        at += 1
        return hasExpression ? .expression(try expression(opening: opening)) : .variable
    }

    private static func endsName(_ byte: UInt8) -> Bool { "{}/:*?".utf8.contains(byte) }

    /// The regex up to the brace that closes the variable: braces pair up, but for those that are escaped or stand in a
    /// character class.
    private mutating func expression(opening: Int) throws(Fault) -> String {
        let start = at
        var depth = 1
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\\"): at += 1
            case UInt8(ascii: "["): skipClass()
            case UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "}"): depth -= 1
            default: break
            }
            if depth == 0 {
                let source = String(decoding: bytes[start..<at], as: UTF8.self)
                at += 1
                guard !source.isEmpty else {
                    throw Fault(found: "an empty regex at character \(character(start))", allowed: "{name} or {name:regex}")
                }
                return source
            }
            at += 1
        }
        at = bytes.count
        throw Fault(found: "a { without its } at character \(character(opening))", allowed: "{name} or {name:regex}")
    }

    /// From the opening bracket to the closing one. A `]` that comes first is a member, and `[:alpha:]` a name.
    private mutating func skipClass() {
        at += 1
        if at < bytes.count, bytes[at] == UInt8(ascii: "^") { at += 1 }
        let first = at
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\\"): at += 1
            case UInt8(ascii: "]") where at > first: return
            case UInt8(ascii: "[") where at + 1 < bytes.count && bytes[at + 1] == UInt8(ascii: ":"):
                if let end = endOfClassName(from: at + 2) { at = end }
            default: break
            }
            at += 1
        }
    }

    /// Where the `]` of a `:]` stands, if only letters and `^` come before it.
    private func endOfClassName(from start: Int) -> Int? {
        var index = start
        while index + 1 < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "^"): index += 1
            case UInt8(ascii: ":") where bytes[index + 1] == UInt8(ascii: "]"): return index + 1
            default: return nil
            }
        }
        return nil
    }

    /// The number from 1 of the character that begins at a byte, as people count.
    private func character(_ byte: Int) -> Int {
        String(decoding: bytes[..<byte], as: UTF8.self).unicodeScalars.count + 1
    }
}
