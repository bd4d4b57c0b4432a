import SluiceHTTP
import SluiceSchema

/// Parameters of a query, a form or a path, or headers, whose values have to fit a schema. Texts come in and are read as what the schema allows.
///
/// What a service may read in another way than it is read here is refused: a parameter that is no list and is given twice, a name that some take for this one
/// (`ParameterNames`), percent signs that begin no escape.
struct TypedParameters: BitwiseCopyable {
    /// How a value is written.
    enum Form: BitwiseCopyable, Sendable, Equatable {
        case single
        /// A list: the parameter is there once for each item.
        case repeated
        /// A list with this byte between its items, percent-encoded or not.
        case separated(UInt8)
        /// JSON.
        case json
    }

    struct Parameter: BitwiseCopyable {
        /// In small letters, if it is a header's.
        let name: ByteView
        let isHeader: Bool
        /// Of the path, from 0; 0 if it is none of the path.
        let segment: Int
        /// For errors, such as `query parameter page`.
        let label: ByteView
        let isRequired: Bool
        /// Whether an empty value is right, whatever the schema says.
        let allowsEmpty: Bool
        let form: Form
        let schema: JSONSchema.Handle
        /// What a value, or an item of a list, may be.
        let kinds: SchemaKinds
    }

    /// At most `countMax`.
    let all: ArenaSlice<Parameter>
    /// Of `ValidationMemory`.
    let slot: Int

    static let countMax = 64

    private static var noMemory: ByteView { ByteView(": no memory") }

    // MARK: Queries and forms

    /// What is wrong with the parameters of a query or a form; nil for nothing.
    func fault(in text: ByteView, _ exchange: inout Exchange) -> ByteView? {
        guard !all.isEmpty else { return nil }
        guard ParameterText.isOrdinary(text) else { return ByteView("more than 1000 parameters") }
        var seen: UInt64 = 0
        var start = 0
        while start < text.count {
            let end = text.index(of: UInt8(ascii: "&"), from: start)
            let pair = text[start..<end]
            if !pair.isEmpty {
                if let index = index(of: pair) {
                    let parameter = all[index]
                    let isFirst = seen & 1 << UInt64(index) == 0
                    seen |= 1 << UInt64(index)
                    if isFirst {
                        let values = parameter.form == .repeated ? text[start...] : pair
                        guard var reading = ParameterReading(parameter, values.count, memory(exchange)) else { return told(Self.noMemory, parameter, &exchange) }
                        reading.addPairs(values)
                        if let fault = reading.fault(exchange) { return told(fault, parameter, &exchange) }
                    } else if parameter.form != .repeated {
                        return told(ByteView(": given twice"), parameter, &exchange)
                    }
                } else if let index = indexOfAlike(pair) {
                    return told(ByteView(": under another spelling"), all[index], &exchange)
                }
                if let index = indexBehindSemicolon(pair) { return told(ByteView(": behind a semicolon"), all[index], &exchange) }
            }
            start = end + 1
        }
        return missing(seen, &exchange)
    }

    /// What is wrong if a text has one of these parameters, or one that may be read as such; nil for nothing. Of a query beside a form, and of a form beside
    /// a query: many services put both together, and differ in which of the two they take.
    ///
    /// - Parameter own: the parameters of that text, which are not meant.
    func faultIfNamed(in text: ByteView, besides own: TypedParameters, _ told: StaticString, _ exchange: inout Exchange) -> ByteView? {
        guard !all.isEmpty else { return nil }
        guard ParameterText.isOrdinary(text) else { return ByteView("more than 1000 parameters") }
        var start = 0
        while start < text.count {
            let end = text.index(of: UInt8(ascii: "&"), from: start)
            let pair = text[start..<end]
            if !pair.isEmpty, own.index(of: pair) == nil, let index = index(of: pair) ?? indexOfAlike(pair) ?? indexBehindSemicolon(pair) {
                return self.told(ByteView(told), all[index], &exchange)
            }
            start = end + 1
        }
        return nil
    }

    private func index(of pair: ByteView) -> Int? {
        for index in 0..<all.count where ParameterText.value(of: pair, named: all[index].name) != nil { return index }
        return nil
    }

    private func indexOfAlike(_ pair: ByteView) -> Int? {
        for index in 0..<all.count where ParameterNames.likeness(of: pair, to: all[index].name) == .alike { return index }
        return nil
    }

    private func indexBehindSemicolon(_ pair: ByteView) -> Int? {
        guard pair.index(of: UInt8(ascii: ";"), from: 0) < pair.count else { return nil }
        for index in 0..<all.count where ParameterNames.isBehindSemicolon(pair, all[index].name) { return index }
        return nil
    }

    private func missing(_ seen: UInt64, _ exchange: inout Exchange) -> ByteView? {
        for index in 0..<all.count where all[index].isRequired && seen & 1 << UInt64(index) == 0 {
            return told(ByteView(" missing"), all[index], &exchange)
        }
        return nil
    }

    // MARK: Headers

    /// What is wrong with the headers; nil for nothing.
    /// - Parameter withheld: known fields that do not go on.
    func faultOfHeaders(withheld: UInt64, _ exchange: inout Exchange) -> ByteView? {
        for index in 0..<all.count {
            let parameter = all[index]
            let fields = exchange.head.fields
            var lines = 0
            var bytes = 0
            for number in 0..<fields.count where isHeader(fields[number], parameter, withheld, exchange) {
                lines += 1
                bytes += fields[number].value.count + 1
            }
            guard lines > 0 else {
                if parameter.isRequired { return told(ByteView(" missing"), parameter, &exchange) }
                continue
            }
            if lines > 1, parameter.form == .single || parameter.form == .json { return told(ByteView(": given twice"), parameter, &exchange) }
            guard var reading = ParameterReading(parameter, bytes, memory(exchange)) else { return told(Self.noMemory, parameter, &exchange) }
            for number in 0..<fields.count where isHeader(fields[number], parameter, withheld, exchange) {
                reading.add(line: exchange.headBytes[fields[number].value])
            }
            if let fault = reading.fault(exchange) { return told(fault, parameter, &exchange) }
        }
        return nil
    }

    private func isHeader(_ line: FieldSlot, _ parameter: Parameter, _ withheld: UInt64, _ exchange: borrowing Exchange) -> Bool {
        guard withheld & line.known.bit == 0 else { return false }
        return exchange.headBytes[line.name].equalsIgnoringCase(parameter.name)
    }

    // MARK: Paths

    /// What is wrong with the variables of the endpoint's path; nil for nothing.
    func faultOfPath(_ exchange: inout Exchange) -> ByteView? {
        for index in 0..<all.count {
            let parameter = all[index]
            guard let segment = PathSegment.number(parameter.segment, of: exchange.path) else { return told(ByteView(" missing"), parameter, &exchange) }
            // Some services read no further.
            guard PathSegment.endOfName(segment) == segment.count else { return told(ByteView(": a semicolon"), parameter, &exchange) }
            guard var reading = ParameterReading(parameter, segment.count, memory(exchange)) else { return told(Self.noMemory, parameter, &exchange) }
            reading.add(segment: segment)
            if let fault = reading.fault(exchange) { return told(fault, parameter, &exchange) }
        }
        return nil
    }

    // MARK: Faults

    private func memory(_ exchange: borrowing Exchange) -> UnsafeMutablePointer<ValidationMemory.State> {
        let memory = exchange.resource(slot, as: ValidationMemory.State.self)
        memory.pointee.note()
        return memory
    }

    /// The parameter's label, and what is wrong, as the caller is told it.
    private func told(_ fault: ByteView, _ parameter: Parameter, _ exchange: inout Exchange) -> ByteView {
        guard let text = exchange.allocate(parameter.label.count + fault.count) else { return ByteView("parameter not as described") }
        text.update(from: parameter.label.base, count: parameter.label.count)
        (text + parameter.label.count).update(from: fault.base, count: fault.count)
        return ByteView(base: text, count: parameter.label.count + fault.count)
    }
}
