import SluiceHTTP
import SluiceSchema

/// The values of one parameter, decoded, and as JSON behind that, in memory of the worker.
struct ParameterReading {
    private let parameter: TypedParameters.Parameter
    private let memory: UnsafeMutablePointer<ValidationMemory.State>
    /// What was decoded; items of lists end with a byte of 0xFF, which no text of UTF-8 has.
    private let decoded: UnsafeMutablePointer<UInt8>
    private var count = 0
    private let json: UnsafeMutablePointer<UInt8>
    private var written = 0
    /// Whether a percent sign begins no escape: services take it as it is, as something else, or not at all.
    private var isMalformed = false

    private static let end: UInt8 = 0xFF

    /// Nil if there is no memory.
    ///
    /// - Parameter bytes: of the values, as they came.
    init?(_ parameter: TypedParameters.Parameter, _ bytes: Int, _ memory: UnsafeMutablePointer<ValidationMemory.State>) {
        // A byte becomes at most an escape of six, or an item with quotation marks and a comma.
        let room = bytes + 2
        guard let text = memory.pointee.reserve(8 * room + 8) else { return nil }
        self.parameter = parameter
        self.memory = memory
        decoded = text
        json = decoded + room
    }

    /// Whether the text has items.
    private var isList: Bool {
        switch parameter.form {
        case .single, .json: false
        case .repeated, .separated: true
        }
    }

    private mutating func add(_ byte: UInt8) {
        decoded[count] = byte
        count += 1
    }

    /// Adds the values of all pairs in a text that have the parameter's name.
    mutating func addPairs(_ text: ByteView) {
        var start = 0
        while start < text.count {
            let end = text.index(of: UInt8(ascii: "&"), from: start)
            let pair = text[start..<end]
            if !pair.isEmpty, let value = ParameterText.value(of: pair, named: parameter.name) { addDecoded(value) }
            start = end + 1
        }
    }

    /// Adds a segment of a path, in which a plus is a plus.
    mutating func add(segment: ByteView) { addDecoded(segment, plus: UInt8(ascii: "+")) }

    private mutating func addDecoded(_ value: ByteView, plus: UInt8 = UInt8(ascii: " ")) {
        var place = 0
        while place < value.count {
            var byte = value[place]
            place += 1
            if byte == UInt8(ascii: "+") {
                byte = plus
            } else if byte == UInt8(ascii: "%"), place + 1 < value.count, value[place].hexValue < 16, value[place + 1].hexValue < 16 {
                byte = value[place].hexValue << 4 | value[place + 1].hexValue
                place += 2
            } else if byte == UInt8(ascii: "%") {
                isMalformed = true
            }
            addOfList(byte)
        }
        if isList { add(Self.end) }
    }

    /// Adds a line of a header.
    mutating func add(line: ByteView) {
        for index in 0..<line.count { addOfList(line[index]) }
        if isList { add(Self.end) }
    }

    private mutating func addOfList(_ byte: UInt8) {
        if case .separated(let separator) = parameter.form, byte == separator { return add(Self.end) }
        // It is no byte of UTF-8: nor is the one that stands for it.
        add(byte == Self.end ? 0xFE : byte)
    }

    // MARK: As JSON

    /// What is wrong, to stand behind the label; nil for nothing.
    mutating func fault(_ exchange: borrowing Exchange) -> ByteView? {
        if isMalformed { return ByteView(": malformed percent-encoding") }
        if parameter.allowsEmpty, count == 0 || isList && count == 1 { return nil }
        if parameter.isHeader, isList, let fault = faultOfItems() { return fault }
        if parameter.form == .json { return judge(ByteView(base: UnsafePointer(decoded), count: count), exchange) }
        let first = judge(write(asText: false), exchange)
        // What may be text as well as a number may be text that looks like one.
        guard first != nil, parameter.kinds.contains(.string), !parameter.kinds.isDisjoint(with: [.number, .boolean]) else { return first }
        return judge(write(asText: true), exchange)
    }

    /// What makes a list of a header another one for some (RFC 9110, 5.6.1): an empty item, which may be left out, and a comma in quotation marks.
    private func faultOfItems() -> ByteView? {
        var start = 0
        for index in 0..<count where decoded[index] == Self.end {
            let item = trimmed(start, index)
            if item.isEmpty { return ByteView(": an empty item") }
            if item[0] == UInt8(ascii: "\"") { return ByteView(": an item in quotation marks") }
            start = index + 1
        }
        return nil
    }

    private func judge(_ text: ByteView, _ exchange: borrowing Exchange) -> ByteView? {
        let scratch = exchange.context.pointee.scratch
        switch parameter.schema.validate(text, memory.pointee.json, exchange.context.pointee.matchScratch, fault: scratch + 2) {
        case .right: return nil
        case .unreadable(.malformed) where parameter.form != .json: return ByteView(": not UTF-8")
        case .unreadable(let fault):
            let told = ByteView(fault.text)
            scratch[0] = UInt8(ascii: ":")
            scratch[1] = UInt8(ascii: " ")
            (scratch + 2).update(from: told.base, count: told.count)
            return ByteView(base: UnsafePointer(scratch), count: told.count + 2)
        case .wrong(_, let text):
            // The whole value is `/`, which says nothing here.
            let isWhole = text.count > 1 && text[0] == UInt8(ascii: "/") && text[1] == UInt8(ascii: ":")
            return isWhole ? text[1...] : text
        }
    }

    private mutating func write(asText: Bool) -> ByteView {
        written = 0
        if isList {
            put(UInt8(ascii: "["))
            var start = 0
            for index in 0..<count where decoded[index] == Self.end {
                if start > 0 { put(UInt8(ascii: ",")) }
                writeItem(trimmed(start, index), asText)
                start = index + 1
            }
            put(UInt8(ascii: "]"))
        } else {
            writeItem(ByteView(base: UnsafePointer(decoded), count: count), asText)
        }
        return ByteView(base: UnsafePointer(json), count: written)
    }

    /// An item; in a header, blanks around a comma are none of it.
    private func trimmed(_ start: Int, _ end: Int) -> ByteView {
        var start = start
        var end = end
        if parameter.isHeader {
            while start < end, decoded[start] == UInt8(ascii: " ") || decoded[start] == UInt8(ascii: "\t") { start += 1 }
            while end > start, decoded[end - 1] == UInt8(ascii: " ") || decoded[end - 1] == UInt8(ascii: "\t") { end -= 1 }
        }
        return ByteView(base: UnsafePointer(decoded + start), count: end - start)
    }

    private mutating func put(_ byte: UInt8) {
        json[written] = byte
        written += 1
    }

    private mutating func writeItem(_ item: ByteView, _ asText: Bool) {
        if !asText, isBare(item) {
            for index in 0..<item.count { put(item[index]) }
        } else if item.isEmpty, parameter.kinds.contains(.null), !parameter.kinds.contains(.string) {
            for byte in "null".utf8 { put(byte) }
        } else {
            writeText(item)
        }
    }

    /// Whether an item is a number or a boolean, where it may be one.
    private func isBare(_ item: ByteView) -> Bool {
        if parameter.kinds.contains(.boolean), item.equals(ByteView("true")) || item.equals(ByteView("false")) { return true }
        return !parameter.kinds.isDisjoint(with: .number) && JSONSchema.isNumber(item)
    }

    private mutating func writeText(_ item: ByteView) {
        put(UInt8(ascii: "\""))
        for index in 0..<item.count {
            let byte = item[index]
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                put(UInt8(ascii: "\\"))
                put(byte)
            case 0..<0x20:
                for escape in "\\u00".utf8 { put(escape) }
                put(UInt8(ascii: "0") + byte >> 4)
                put(byte & 15 < 10 ? UInt8(ascii: "0") + byte & 15 : UInt8(ascii: "a") + byte & 15 - 10)
            default: put(byte)
            }
        }
        put(UInt8(ascii: "\""))
    }
}
