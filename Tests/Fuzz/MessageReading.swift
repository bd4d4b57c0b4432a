@testable import SluiceHTTP

/// Messages of a stream that lies there as a whole: what a plain reader makes of them, with no state from one byte to the next.
struct MessageReading {
    struct Message {
        var start = 0
        /// Bytes of the head.
        var headCount = 0
        var method: [UInt8] = []
        var knownMethod = Method.other
        var path: [UInt8] = []
        var query: [UInt8]?
        var isUpgrade = false
        var status = 0
        var minorVersion: UInt8 = 1
        var framing = BodyFraming.none
        /// Names in lower case.
        var fields: [(name: [UInt8], value: [UInt8])] = []
        var content: [UInt8] = []
        /// Whether all of it is there. Never of a response that ends with its connection.
        var isComplete = false

        func values(_ name: String) -> [[UInt8]] { fields.filter { $0.name.elementsEqual(name.utf8) }.map(\.value) }

        /// Name, value, name, value: what is to be passed on as it is. `written` are fields that are written anew.
        func endToEnd(_ written: UInt64) -> [[UInt8]] {
            let nominated = values("connection").flatMap { $0.split(separator: 0x2C) }.map { option in
                option.filter { $0 != 0x20 && $0 != 0x09 }.map(\.asciiLowercased)
            }
            return fields.flatMap { field in
                let known = withCopy(field.name) { _, view in KnownField(name: view) }
                if (written | HopByHop.mask) & known.bit != 0 || known == .other && nominated.contains(field.name) { return [[UInt8]]() }
                return [field.name, field.value]
            }
        }

        /// Without the fields that a service may take for one that the gateway knows, such as `Content_Length`.
        func withoutLookalikes() -> Message {
            var other = self
            other.fields.removeAll { field in
                let usual = field.name.map { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) ? $0 : 0x2D }
                return usual != field.name && withCopy(usual) { _, view in KnownField(name: view) } != .other
            }
            return other
        }
    }

    /// Also a last one whose body is not whole.
    private(set) var messages: [Message] = []
    /// Whether the reading ended at something that is not a message.
    private(set) var isMalformed = false
    /// Where the reading ended.
    private(set) var position = 0
    private let bytes: [UInt8]

    /// Reads requests.
    init(requests bytes: [UInt8]) {
        self.bytes = bytes
        while position < bytes.count, readRequest() {}
    }

    /// Reads responses to requests with these methods, up to a 101. `beyond`: the method of the request behind those.
    init(responses bytes: [UInt8], to methods: [Method], beyond: Method = .get) {
        self.bytes = bytes
        var answered = 0
        while position < bytes.count, readResponse(to: answered < methods.count ? methods[answered] : beyond) {
            if let last = messages.last, last.status >= 200 { answered += 1 }
        }
    }

    /// Responses but the interim ones; 101 is none of those.
    var finalMessages: [Message] { messages.filter { $0.status >= 200 || $0.status == 101 } }

    /// Leaves out all behind the request that `answers` switch the protocol for, which is anything but requests.
    mutating func endAtUpgrade(_ answers: [Message]) {
        guard let index = answers.firstIndex(where: { $0.status == 101 }), index < messages.count else { return }
        messages.removeSubrange((index + 1)...)
        isMalformed = false
        position = bytes.count
    }

    // MARK: Reading

    private static let slotCapacity = 256
    nonisolated(unsafe) private static let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: slotCapacity)

    private mutating func readRequest() -> Bool {
        withCopy(bytes[position...]) { _, rest in
            var head = RequestHead(slots: Self.slots, capacity: Self.slotCapacity)
            switch RequestHead.parse(rest, slots: Self.slots, capacity: Self.slotCapacity, into: &head) {
            case .incomplete: return false
            case .malformed:
                isMalformed = true
                return false
            case .complete: break
            }
            var message = Message(start: position, headCount: head.length)
            message.method = rest[head.methodRange.range].array
            message.knownMethod = head.method
            message.path = head.path(in: rest).array
            message.query = head.query(in: rest)?.array
            message.isUpgrade = head.upgrade
            message.minorVersion = head.minorVersion
            message.framing = head.framing
            message.fields = Self.fields(head.fields, rest)
            position += head.length
            return readBody(&message)
        }
    }

    private mutating func readResponse(to method: Method) -> Bool {
        withCopy(bytes[position...]) { _, rest in
            var head = ResponseHead(slots: Self.slots, capacity: Self.slotCapacity)
            let outcome = ResponseHead.parse(
                rest, slots: Self.slots, capacity: Self.slotCapacity, requestWasHead: method == .head, into: &head)
            switch outcome {
            case .incomplete: return false
            case .malformed:
                isMalformed = true
                return false
            case .complete: break
            }
            var message = Message(start: position, headCount: head.length)
            message.status = Int(head.status)
            message.minorVersion = head.minorVersion
            message.framing = head.framing
            message.fields = Self.fields(head.fields, rest)
            position += head.length
            return readBody(&message) && message.status != 101
        }
    }

    private static func fields(_ table: FieldTable, _ bytes: ByteView) -> [(name: [UInt8], value: [UInt8])] {
        (0..<table.count).map { index in
            (bytes[table[index].name].array.map(\.asciiLowercased), bytes[table[index].value].array)
        }
    }

    /// Takes the body and appends the message. False if nothing can follow.
    private mutating func readBody(_ message: inout Message) -> Bool {
        let left = bytes.count - position
        switch message.framing {
        case .none: message.isComplete = true
        case .untilClose:
            message.content = Array(bytes[position...])
            position = bytes.count
        case .length(let length):
            let count = Int(min(length, UInt64(left)))
            message.content = Array(bytes[position..<position + count])
            message.isComplete = UInt64(count) == length
            position += count
        case .chunked: message.isComplete = readChunks(&message)
        }
        messages.append(message)
        return message.isComplete
    }

    private mutating func readChunks(_ message: inout Message) -> Bool {
        withCopy(bytes[position...]) { memory, rest in
            var decoder = ChunkedDecoder()
            let outcome = decoder.decode(memory, count: rest.count)
            message.content = Array(UnsafeBufferPointer(start: memory, count: outcome.content))
            switch outcome.state {
            case .more: return false
            case .malformed:
                isMalformed = true
                return false
            case .trailers: break
            }
            var fields = FieldTable(slots: Self.slots, capacity: Self.slotCapacity)
            switch TrailerSection.parse(rest[outcome.consumed...], slots: Self.slots, capacity: Self.slotCapacity, into: &fields) {
            case .incomplete: return false
            case .malformed:
                isMalformed = true
                return false
            case .complete(let length):
                position += outcome.consumed + length
                return true
            }
        }
    }
}
