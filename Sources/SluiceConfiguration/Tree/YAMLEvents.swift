import CYaml

/// The events of one YAML stream, one at a time: `next()`, then the properties of the current event.
final class YAMLEvents {
    /// The text is not YAML.
    struct Fault: Error {
        let position: SourcePosition
        let found: String
        /// The parser stumbled over half of a pair of UTF-16 escapes.
        let isSurrogatePair: Bool
    }

    /// libyaml keeps pointers to its own state, which therefore must not move.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var event = yaml_event_t()
    private let bytes: UnsafeBufferPointer<UInt8>
    private let places: SurrogatePairs?
    let file: Int

    /// `bytes` must outlive this object. `file`: see `SourcePosition.file`.
    init(_ bytes: UnsafeBufferPointer<UInt8>, places: SurrogatePairs?, file: Int = 0) {
        self.file = file
        self.bytes = bytes
        self.places = places
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_event_delete(&event)
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    func next() throws(Fault) {
        yaml_event_delete(&event)
        guard yaml_parser_parse(parser, &event) == 1 else { throw fault }
    }

    // MARK: - The current event

    var kind: yaml_event_type_t { event.type }

    var position: SourcePosition { position(of: event.start_mark) }

    /// The name of the anchor that the event defines, or of the one that an alias names.
    var anchor: String? {
        switch event.type {
        case YAML_ALIAS_EVENT: Self.text(event.data.alias.anchor)
        case YAML_SCALAR_EVENT: Self.text(event.data.scalar.anchor)
        case YAML_SEQUENCE_START_EVENT: Self.text(event.data.sequence_start.anchor)
        case YAML_MAPPING_START_EVENT: Self.text(event.data.mapping_start.anchor)
        default: nil
        }
    }

    /// The tag if one is written.
    var tag: String? {
        switch event.type {
        case YAML_SCALAR_EVENT: Self.text(event.data.scalar.tag)
        case YAML_SEQUENCE_START_EVENT: Self.text(event.data.sequence_start.tag)
        case YAML_MAPPING_START_EVENT: Self.text(event.data.mapping_start.tag)
        default: nil
        }
    }

    /// Whether a scalar stands without quotes, so that its text decides on its type.
    var isPlain: Bool { event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE }

    /// The text of a scalar.
    var text: String {
        String(
            decoding: UnsafeBufferPointer(start: event.data.scalar.value, count: event.data.scalar.length),
            as: UTF8.self)
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    // MARK: - Places and faults

    private func position(of mark: yaml_mark_t) -> SourcePosition {
        var position = SourcePosition(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
        position = places?.original(position) ?? position
        position.file = file
        return position
    }

    private var fault: Fault {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "text that is not YAML"
        switch state.error {
        case YAML_READER_ERROR:
            return Fault(position: position(ofByte: state.problem_offset), found: problem, isSurrogatePair: false)
        case YAML_MEMORY_ERROR:
            return Fault(position: SourcePosition(line: 1, column: 1, file: file), found: "a file that needs too much memory", isSurrogatePair: false)
        default:
            let context = state.context.map { String(cString: $0) }
            let begun = position(of: state.context_mark)
            let place = context.map { " (\($0) that begins at \(begun.line):\(begun.column))" } ?? ""
            return Fault(
                position: position(of: state.problem_mark), found: Self.description(problem) + place,
                isSurrogatePair: problem == "found invalid Unicode character escape code")
        }
    }

    /// The parser's words so that they can stand behind "found".
    private static func description(_ problem: String) -> String {
        switch problem {
        case "found character that cannot start any token":
            // Nearly always a tab: the others (`@`, a back quote, `%`) are rarely the first of a value.
            "a character that cannot begin anything here, such as a tab (YAML is indented with spaces) or an @ without quotes"
        case "mapping values are not allowed in this context": "a colon and a blank in a value, which needs quotes"
        case _ where problem.hasPrefix("found "): String(problem.dropFirst("found ".count))
        case _ where problem.hasPrefix("did not find expected "):
            "something else than the expected \(problem.dropFirst("did not find expected ".count))"
        case _ where problem.hasPrefix("could not find expected "):
            "no expected \(problem.dropFirst("could not find expected ".count))"
        default: problem
        }
    }

    private func position(ofByte offset: Int) -> SourcePosition {
        var position = SourcePosition(line: 1, column: 1, file: file)
        for byte in bytes.prefix(max(0, offset)) {
            if byte == UInt8(ascii: "\n") {
                position = SourcePosition(line: position.line + 1, column: 1, file: file)
            } else if byte & 0xC0 != 0x80 {
                position.column += 1
            }
        }
        return position
    }
}
