/// A message as it was read from a connection's bytes, strictly by RFC 9112.
struct Message {
    enum Framing: Equatable { case none, length(Int), chunked, untilEnd }

    var startLine = ""
    var fields: [Field] = []
    var trailers: [Field] = []
    var body: [UInt8] = []
    var framing = Framing.none
    var isComplete = false
    /// Where it begins, where its head ends and where it ends, in the bytes of the connection.
    var start = 0
    var headEnd = 0
    var end = 0
    /// Interim responses in front of it.
    var interim: [Message] = []

    private var words: [Substring] { startLine.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false) }
    var method: String { String(words.first ?? "") }
    var target: String { words.count > 1 ? String(words[1]) : "" }
    var status: Int { words.count > 1 ? Int(words[1]) ?? 0 : 0 }
    func values(_ name: String) -> [String] { fields.filter { $0.key == name }.map(\.value) }
    func value(_ name: String) -> String? { values(name).first }
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// Reads all messages of one direction of a connection.
struct MessageReader {
    private let bytes: [UInt8]
    private var at = 0
    private(set) var messages: [Message] = []
    /// Why what stands at `at` is not a message; nil if it is one, or may become one.
    private(set) var fault: String?
    /// Bytes behind the last message that begin none yet.
    var rest: Int { bytes.count - at }

    /// Requests.
    init(requests bytes: [UInt8]) {
        self.bytes = bytes
        while fault == nil, at < bytes.count, readRequest() {}
    }

    /// Responses to requests of these methods. `hasEnded`: the sender has closed its side in order.
    init(responses bytes: [UInt8], methods: [String], hasEnded: Bool) {
        self.bytes = bytes
        var index = 0
        while fault == nil, at < bytes.count, readResponse(index < methods.count ? methods[index] : "GET", hasEnded) { index += 1 }
    }

    private mutating func line() -> String? {
        var end = at
        while end + 1 < bytes.count, !(bytes[end] == 13 && bytes[end + 1] == 10) { end += 1 }
        guard end + 1 < bytes.count else { return nil }
        defer { at = end + 2 }
        return String(decoding: bytes[at..<end], as: UTF8.self)
    }

    /// Nil while the head is not whole.
    private mutating func head() -> Message? {
        let start = at
        var message = Message()
        message.start = start
        guard let first = line() else { at = start; return nil }
        message.startLine = first
        while let next = line() {
            if next.isEmpty {
                message.headEnd = at
                return message
            }
            guard let colon = next.firstIndex(of: ":"), colon > next.startIndex, !next[..<colon].contains(" ") else {
                fault = "the line \(next)"
                at = start
                return nil
            }
            message.fields.append(Field(String(next[..<colon]), Self.trimmed(next[next.index(after: colon)...])))
        }
        at = start
        return nil
    }

    static func trimmed(_ text: Substring) -> String {
        var text = text
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }

    private mutating func readRequest() -> Bool {
        guard var message = head() else { return false }
        guard message.startLine.hasSuffix(" HTTP/1.1"), message.startLine.split(separator: " ").count == 3 else {
            fault = "the line \(message.startLine)"
            return false
        }
        return finish(&message, isResponse: false, hasEnded: false)
    }

    private mutating func readResponse(_ method: String, _ hasEnded: Bool) -> Bool {
        var interim: [Message] = []
        while var message = head() {
            guard message.startLine.hasPrefix("HTTP/1.1 "), (100...599).contains(message.status) else {
                fault = "the line \(message.startLine)"
                return false
            }
            if message.status < 200, message.status != 101 {
                message.isComplete = true
                message.end = at
                interim.append(message)
                continue
            }
            message.interim = interim
            let hasNone = method == "HEAD" || message.status == 204 || message.status == 304 || message.status == 101
            if hasNone {
                message.isComplete = true
                message.end = at
                messages.append(message)
                return message.status != 101
            }
            return finish(&message, isResponse: true, hasEnded: hasEnded)
        }
        if !interim.isEmpty {
            // Only interim ones so far.
            var message = Message()
            message.start = interim[0].start
            message.headEnd = at
            message.end = at
            message.interim = interim
            messages.append(message)
        }
        return false
    }

    /// Reads the body. True if another message may follow.
    private mutating func finish(_ message: inout Message, isResponse: Bool, hasEnded: Bool) -> Bool {
        let codings = message.values("transfer-encoding")
        let lengths = message.values("content-length")
        defer {
            message.end = at
            messages.append(message)
        }
        if !codings.isEmpty {
            guard codings == ["chunked"], lengths.isEmpty else {
                fault = "framing \(codings) \(lengths)"
                return false
            }
            message.framing = .chunked
            return chunks(&message)
        }
        if !lengths.isEmpty {
            guard lengths.count == 1, let length = Int(lengths[0]), length >= 0 else {
                fault = "Content-Length \(lengths)"
                return false
            }
            message.framing = .length(length)
            let end = min(bytes.count, at + length)
            message.body = Array(bytes[at..<end])
            message.isComplete = end - at == length
            at = end
            return message.isComplete
        }
        guard isResponse else {
            message.isComplete = true
            return true
        }
        message.framing = .untilEnd
        message.body = Array(bytes[at...])
        message.isComplete = hasEnded
        at = bytes.count
        return false
    }

    private mutating func chunks(_ message: inout Message) -> Bool {
        while let line = line() {
            guard let size = Int(line.prefix { $0 != ";" }, radix: 16) else {
                fault = "the chunk \(line)"
                return false
            }
            if size == 0 {
                while let line = self.line() {
                    if line.isEmpty {
                        message.isComplete = true
                        return true
                    }
                    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                    guard parts.count == 2 else {
                        fault = "the trailer \(line)"
                        return false
                    }
                    message.trailers.append(Field(String(parts[0]), Self.trimmed(parts[1])))
                }
                return false
            }
            message.body += bytes[at..<min(bytes.count, at + size)]
            guard at + size + 2 <= bytes.count else {
                at = bytes.count
                return false
            }
            at += size + 2
            guard bytes[at - 2] == 13, bytes[at - 1] == 10 else {
                fault = "a chunk without its end"
                return false
            }
        }
        at = bytes.count
        return false
    }
}
