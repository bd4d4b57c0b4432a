import SluiceConfiguration
import SluiceHTTP

/// A variable of an endpoint's path that stands for a whole segment, with no `**` before it.
struct PathVariable: BitwiseCopyable {
    let name: ByteView
    /// The number of the segment, from 0.
    let segment: Int

    /// Those of a path pattern as it is written; what is wrong with it is reported where it is compiled.
    static func all(in path: String, into arena: Arena) -> ArenaSlice<PathVariable> {
        arena.store(segments(in: path).map { PathVariable(name: arena.bytes($0.name), segment: $0.segment) })
    }

    static func segments(in path: String) -> [(name: String, segment: Int)] {
        guard let pattern = PathPattern(Located(value: path), problems: Problems(file: "")) else { return [] }
        let first = pattern.segments.firstIndex { $0.kind == .doubleStar } ?? pattern.segments.count
        return zip(pattern.variables, pattern.variableSegments).filter { $0.1 < first && pattern.segments[$0.1].kind != .mix }.map { ($0, $1) }
    }
}

/// What templates say of one error, besides its request.
struct ResponseFacts: BitwiseCopyable {
    let exchange: UnsafePointer<Exchange>
    /// The endpoint's path as configured; empty without an endpoint.
    let pattern: ByteView
    let variables: ArenaSlice<PathVariable>
    let status: UInt16
    let code: Int
    /// The message up to its detail, the detail, and what is behind it.
    let message: Message
    let refusal: StaticString

    struct Message: BitwiseCopyable {
        let start: ByteView
        let detail: ByteView
        let end: ByteView
    }
}

/// A template as the workers write it.
struct CompiledTemplate: BitwiseCopyable {
    struct Piece: BitwiseCopyable {
        /// Text, or the variable as it is written: what stands where it has no value.
        let text: ByteView
        /// Nil for text.
        let variable: TemplateVariable?
        /// Of a header in lower case.
        let name: ByteView
        /// Whether nothing stands where it has no value.
        let isQuiet: Bool
    }

    /// Of one value of the request: parameters of the query that are looked at, and bytes of it.
    static let parametersMax = 128
    static let queryBytesMax = 8 * 1024

    let pieces: ArenaSlice<Piece>
    let escaping: TemplateEscaping

    init(_ template: ResponseTemplate, _ escaping: TemplateEscaping, into arena: Arena) {
        self.escaping = escaping
        pieces = arena.store(template.pieces.map { piece in
            switch piece {
            case .text(let text): Piece(text: arena.bytes(text), variable: nil, name: .empty, isQuiet: false)
            case .variable(let variable, let name, let source, let isQuiet):
                Piece(text: arena.bytes(source), variable: variable, name: arena.bytes(name), isQuiet: isQuiet)
            }
        })
    }

    /// Writes the text with the values of its variables.
    func write(_ writer: inout TemplateWriter, _ facts: ResponseFacts) {
        for index in 0..<pieces.count {
            let piece = pieces.pointer(at: index)
            guard let variable = piece.pointee.variable else {
                writer.write(text: piece.pointee.text)
                continue
            }
            if !Self.write(variable, piece.pointee.name, &writer, facts), !piece.pointee.isQuiet { writer.write(text: piece.pointee.text) }
        }
    }

    /// False if it has no value.
    private static func write(_ variable: TemplateVariable, _ name: ByteView, _ writer: inout TemplateWriter, _ facts: ResponseFacts) -> Bool {
        let exchange = facts.exchange
        switch variable {
        case .clientIp: writer.writeOwn { $0.write(exchange.pointee.client) }
        case .path: return writePath(name, isRest: false, &writer, facts)
        case .pathRest: return writePath(name, isRest: true, &writer, facts)
        case .host:
            let host = exchange.pointee.headBytes[exchange.pointee.head.hostName.range]
            guard !host.isEmpty else { return false }
            writer.write(value: host)
        case .uri: writer.write(value: exchange.pointee.target)
        case .uriPath: writer.write(value: exchange.pointee.head.path(in: exchange.pointee.headBytes))
        case .uriPattern:
            guard !facts.pattern.isEmpty else { return false }
            writer.write(value: facts.pattern)
        case .scheme: writer.write(value: exchange.pointee.isSecure ? "https" : "http")
        case .httpMethod: writer.write(value: exchange.pointee.method)
        case .timestamp:
            let seconds = exchange.pointee.context.pointee.wallSeconds
            writer.writeOwn { $0.writeTime(seconds) }
        case .queryString: return writeParameter(name, &writer, exchange.pointee.query ?? .empty)
        case .header: return writeHeader(name, &writer, exchange)
        case .httpStatus: writer.writeOwn { $0.write(decimal: UInt64(facts.status)) }
        case .resultCode: writer.writeOwn { $0.write(decimal: UInt64(facts.code)) }
        case .resultMessage:
            writer.write(value: facts.message.start)
            writer.write(value: facts.message.detail)
            writer.write(value: facts.message.end)
        case .refusal: writer.write(value: facts.refusal)
        }
        return true
    }

    private static func writePath(_ name: ByteView, isRest: Bool, _ writer: inout TemplateWriter, _ facts: ResponseFacts) -> Bool {
        for index in 0..<facts.variables.count {
            let variable = facts.variables.pointer(at: index)
            guard variable.pointee.name.equals(name) else { continue }
            let path = facts.exchange.pointee.path
            var start = 0
            for _ in 0..<variable.pointee.segment {
                guard start < path.count else { return false }
                start = path.index(of: UInt8(ascii: "/"), from: start + 1)
            }
            guard start < path.count else { return false }
            let end = isRest ? path.count : path.index(of: UInt8(ascii: "/"), from: start + 1)
            writer.write(value: path[(start + 1)..<end])
            return true
        }
        return false
    }

    /// All values of the parameter, with commas between them. Its name compares byte for byte after percent-decoding; values stay as they were sent.
    private static func writeParameter(_ name: ByteView, _ writer: inout TemplateWriter, _ query: ByteView) -> Bool {
        var hasValue = false
        var start = 0
        var left = parametersMax
        let length = min(query.count, queryBytesMax)
        while start < length, left > 0 {
            let end = query.index(of: UInt8(ascii: "&"), from: start)
            let pair = query[start..<end]
            start = end + 1
            left -= 1
            guard let value = ParameterText.value(of: pair, named: name) else { continue }
            if hasValue { writer.write(value: ",") }
            writer.write(value: value)
            hasValue = true
        }
        return hasValue
    }

    private static func writeHeader(_ name: ByteView, _ writer: inout TemplateWriter, _ exchange: UnsafePointer<Exchange>) -> Bool {
        let fields = exchange.pointee.head.fields
        let bytes = exchange.pointee.headBytes
        var hasValue = false
        for index in 0..<fields.count where bytes[fields[index].name].equalsIgnoringCase(name) {
            if hasValue { writer.write(value: ",") }
            writer.write(value: bytes[fields[index].value])
            hasValue = true
        }
        return hasValue
    }
}
