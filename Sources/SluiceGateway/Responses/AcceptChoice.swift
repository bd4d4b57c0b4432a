import SluiceHTTP

/// A media type as the workers compare it with what a client accepts.
struct CompiledMediaType: BitwiseCopyable {
    struct Parameter: BitwiseCopyable {
        let name: ByteView
        let value: ByteView
    }

    let type: ByteView
    let subtype: ByteView
    let parameters: ArenaSlice<Parameter>

    init(_ type: MediaType, into arena: Arena) {
        self.type = arena.bytes(type.type)
        subtype = arena.bytes(type.subtype)
        parameters = arena.store(type.parameters.map { .init(name: arena.bytes($0.name), value: arena.bytes($0.value)) })
    }
}

/// Chooses among representations by the request's Accept (RFC 9110, 12.5.1): of those with the highest quality the first. Where none is
/// accepted, and without the field, it is the first of all: an error is told in any case.
///
/// Of the ranges that match a representation the most specific one gives its quality. A range that is malformed says nothing.
struct AcceptChoice {
    /// Representations among which a choice is made.
    static let choicesMax = 8
    /// Ranges that are read, over all lines.
    static let rangesMax = 64

    private struct Quality: BitwiseCopyable {
        /// 1: `*/*`; 2: `type/*`; 3 and above: the type, and one for each parameter. 0: no range has matched.
        var specificity: UInt8 = 0
        /// In thousandths.
        var value: UInt16 = 0
    }

    private let types: ArenaSlice<CompiledMediaType>
    private var qualities = InlineArray<8, Quality>(repeating: Quality())
    private var rangesLeft = AcceptChoice.rangesMax

    private init(_ types: ArenaSlice<CompiledMediaType>) { self.types = types }

    /// The number of the representation; 0 for none.
    ///
    /// - Parameter types: at most `choicesMax`.
    static func choose(among types: ArenaSlice<CompiledMediaType>, _ fields: FieldTable, _ bytes: ByteView) -> Int {
        guard types.count > 1 else { return 0 }
        var choice = AcceptChoice(types)
        for index in 0..<fields.count where bytes[fields[index].name].equalsIgnoringCase("accept") { choice.read(bytes[fields[index].value]) }
        var best = 0
        for index in 1..<min(types.count, choicesMax) where choice.qualities[index].value > choice.qualities[best].value { best = index }
        return best
    }

    /// One line, in one walk: a comma or a semicolon in quotation marks is text.
    private mutating func read(_ line: ByteView) {
        var start = 0
        while start < line.count, rangesLeft > 0 {
            let end = Self.end(of: line, from: start, UInt8(ascii: ","))
            let range = line[start..<end].trimmed
            if !range.isEmpty {
                rangesLeft -= 1
                note(range)
            }
            start = end + 1
        }
    }

    /// Where the next such byte stands outside quotation marks, or the end.
    private static func end(of text: ByteView, from start: Int, _ byte: UInt8) -> Int {
        var isQuoted = false
        var index = start
        while index < text.count {
            switch text[index] {
            case byte where !isQuoted: return index
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\") where isQuoted: index += 1
            default: break
            }
            index += 1
        }
        return text.count
    }

    private mutating func note(_ range: ByteView) {
        let nameEnd = Self.end(of: range, from: 0, UInt8(ascii: ";"))
        let name = range[..<nameEnd].trimmed
        let slash = name.index(of: UInt8(ascii: "/"), from: 0)
        guard slash > 0, slash + 1 < name.count else { return }
        let type = name[..<slash]
        let subtype = name[(slash + 1)...]
        guard let (quality, parametersEnd) = Self.quality(of: range, from: nameEnd) else { return }
        let parameters = range[nameEnd..<parametersEnd]
        var index = 0
        while index < min(types.count, Self.choicesMax) {
            let specificity = Self.specificity(of: type, subtype, parameters, for: types.pointer(at: index))
            if specificity > qualities[index].specificity { qualities[index] = Quality(specificity: specificity, value: quality) }
            index += 1
        }
    }

    /// The weight of a range, and where it stands: what is before it are parameters of the type. Nil for one that is malformed.
    private static func quality(of range: ByteView, from start: Int) -> (thousandths: UInt16, parametersEnd: Int)? {
        var start = start
        while start < range.count {
            let end = end(of: range, from: start + 1, UInt8(ascii: ";"))
            let parameter = range[(start + 1)..<end].trimmed
            if parameter.count >= 2, parameter[0].asciiLowercased == UInt8(ascii: "q"), parameter[1] == UInt8(ascii: "=") {
                return thousandths(parameter[2...]).map { ($0, start) }
            }
            start = end
        }
        return (1000, range.count)
    }

    /// `qvalue` (RFC 9110, 12.4.2).
    private static func thousandths(_ text: ByteView) -> UInt16? {
        guard text.count >= 1, text.count <= 5, text[0] == UInt8(ascii: "0") || text[0] == UInt8(ascii: "1") else { return nil }
        var value: UInt16 = text[0] == UInt8(ascii: "1") ? 1000 : 0
        guard text.count > 1 else { return value }
        guard text[1] == UInt8(ascii: ".") else { return nil }
        var unit: UInt16 = 100
        for index in 2..<text.count {
            let digit = text[index] &- 0x30
            guard digit < 10 else { return nil }
            value += UInt16(digit) * unit
            unit /= 10
        }
        return value <= 1000 ? value : nil
    }

    private static func specificity(
        of type: ByteView, _ subtype: ByteView, _ parameters: ByteView, for choice: UnsafePointer<CompiledMediaType>
    ) -> UInt8 {
        let isAnySubtype = subtype.count == 1 && subtype[0] == UInt8(ascii: "*")
        if type.count == 1, type[0] == UInt8(ascii: "*") { return isAnySubtype ? 1 : 0 }
        guard type.equalsIgnoringCase(choice.pointee.type) else { return 0 }
        if isAnySubtype { return 2 }
        guard subtype.equalsIgnoringCase(choice.pointee.subtype) else { return 0 }
        var count: UInt8 = 3
        var start = 0
        while start < parameters.count {
            let end = end(of: parameters, from: start + 1, UInt8(ascii: ";"))
            let parameter = parameters[(start + 1)..<end].trimmed
            start = end
            if parameter.isEmpty { continue }
            guard has(parameter, choice.pointee.parameters) else { return 0 }
            count = min(count + 1, 250)
        }
        return count
    }

    private static func has(_ parameter: ByteView, _ own: ArenaSlice<CompiledMediaType.Parameter>) -> Bool {
        let equals = parameter.index(of: UInt8(ascii: "="), from: 0)
        guard equals < parameter.count else { return false }
        var value = parameter[(equals + 1)...]
        if value.count >= 2, value[0] == UInt8(ascii: "\""), value[value.count - 1] == UInt8(ascii: "\"") { value = value[1..<(value.count - 1)] }
        for index in 0..<own.count {
            let known = own.pointer(at: index)
            if parameter[..<equals].equalsIgnoringCase(known.pointee.name), value.equalsIgnoringCase(known.pointee.value) { return true }
        }
        return false
    }
}
