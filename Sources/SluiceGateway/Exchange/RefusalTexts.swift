import SluiceHTTP

/// The catalogue's responses, rendered once: status line, fields and the body around its phrase. Of one worker; copies are of one memory.
struct RefusalTexts: BitwiseCopyable {
    struct Text: BitwiseCopyable {
        let status: UInt16
        /// Status line, Content-Type and, of a 401, its challenge, each with its CRLF.
        let head: ByteView
        /// The body up to the phrase; all of it where there is none.
        let bodyStart: ByteView
        let bodyEnd: ByteView
        /// Whether the head asks for credentials.
        let isChallenge: Bool

        var bodyCount: Int { bodyStart.count + bodyEnd.count }
    }

    /// A message without anything around it: up to its phrase, and behind it.
    struct Message: BitwiseCopyable {
        let code: Int
        let start: ByteView
        let end: ByteView
    }

    private let arena: Unmanaged<Arena>
    private let texts: ArenaSlice<Text>
    /// Apart from the texts, which every refusal asks for.
    private let messages: ArenaSlice<Message>

    /// - Parameter bodyBytesMax: the longest body that is accepted.
    init(bodyBytesMax: UInt64 = 10 << 20) {
        let arena = Arena()
        self.arena = Unmanaged.passRetained(arena)
        var texts: [Text] = []
        var messages: [Message] = []
        // In the order of `ErrorPlace`.
        for family in ErrorFamily.allCases {
            for row in Refusal.Row.allCases {
                let entry = row.entry(in: family, bodyBytesMax: bodyBytesMax)
                texts.append(Self.text(entry, row, family, arena))
                messages.append(Self.message(entry, arena))
            }
        }
        for error in FinerError.allCases {
            texts.append(Self.text(error.entry, error.row, .v2, arena))
            messages.append(Self.message(error.entry, arena))
        }
        self.texts = arena.store(texts)
        self.messages = arena.store(messages)
    }

    private static func text(_ entry: ErrorEntry, _ row: Refusal.Row, _ family: ErrorFamily, _ arena: Arena) -> Text {
        let phrase = ReasonPhrase.standard(for: entry.status)
        var head = "HTTP/1.1 \(entry.status) \(phrase)\r\n"
        head += "Content-Type: application/\(family == .problem ? "problem+json" : "json; charset=utf-8")\r\n"
        // With another status than 401 nothing is wrong with the credentials.
        let challenge = entry.status == 401 ? row.challenge : nil
        if let challenge { head += "WWW-Authenticate: \(challenge)\r\n" }
        let body = switch family {
        case .v1: #"{"header":{"resultCode":\#(entry.code),"resultMessage":"\#(entry.message)","isSuccessful":false}}"#
        case .v2: #"{"header":{"isSuccessful":false,"resultCode":\#(entry.code),"resultMessage":"\#(entry.message)"}}"#
        // RFC 9457, 4.2.1: with `about:blank` the title is the status's own phrase.
        case .problem:
            #"{"type":"about:blank","title":"\#(phrase)","status":\#(entry.status),"detail":"\#(entry.message)","code":\#(entry.code),"error":"\#(row.label)"}"#
        }
        guard let cut = body.firstRange(of: marker) else {
            return Text(status: entry.status, head: arena.bytes(head), bodyStart: arena.bytes(body), bodyEnd: .empty,
                isChallenge: challenge != nil)
        }
        return Text(
            status: entry.status, head: arena.bytes(head), bodyStart: arena.bytes(String(body[..<cut.lowerBound])),
            bodyEnd: arena.bytes(String(body[cut.upperBound...])), isChallenge: challenge != nil)
    }

    private static func message(_ entry: ErrorEntry, _ arena: Arena) -> Message {
        let message = entry.message
        let phrase = message.firstRange(of: marker) ?? message.endIndex..<message.endIndex
        return Message(code: entry.code, start: arena.bytes(String(message[..<phrase.lowerBound])), end: arena.bytes(String(message[phrase.upperBound...])))
    }

    /// Where the phrase goes.
    private static let marker = "{detail}"

    func deallocate() { arena.release() }

    /// The message alone.
    func message(at place: ErrorPlace) -> Message { messages[place.number] }

    subscript(place: ErrorPlace) -> Text { texts[place.number] }

    /// The body of a refusal as text, for `explain` and tests.
    func body(at place: ErrorPlace, detail: ByteView) -> String {
        let text = self[place]
        return text.bodyStart.string + detail.string + text.bodyEnd.string
    }
}
