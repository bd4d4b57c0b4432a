import SluiceHTTP

/// The catalogue's responses, rendered once: status line, fields and the body around its phrase. Of one worker; copies are of one memory.
struct RefusalTexts: BitwiseCopyable {
    struct Text: BitwiseCopyable {
        /// Status line, Content-Type and, of a 401, its challenge, each with its CRLF.
        let head: ByteView
        /// The body up to the phrase; all of it where there is none.
        let bodyStart: ByteView
        let bodyEnd: ByteView

        var bodyCount: Int { bodyStart.count + bodyEnd.count }
    }

    /// A message without anything around it: up to its phrase, and behind it.
    struct Message: BitwiseCopyable {
        let start: ByteView
        let end: ByteView
    }

    private let arena: Unmanaged<Arena>
    private let texts: ArenaSlice<Text>
    /// Apart from the texts, which every refusal asks for.
    private let messages: ArenaSlice<Message>

    init() {
        let arena = Arena()
        self.arena = Unmanaged.passRetained(arena)
        texts = arena.store(Refusal.Row.allCases.map { row in
            let entry = row.entry
            let message = "\(entry.message)"
            var head = "HTTP/1.1 \(entry.status) \(ReasonPhrase.standard(for: entry.status))\r\n"
                + "Content-Type: application/json; charset=utf-8\r\n"
            if let challenge = row.challenge { head += "WWW-Authenticate: \(challenge)\r\n" }
            let body = #"{"header":{"resultCode":\#(entry.code),"resultMessage":"\#(message)","isSuccessful":false}}"#
            let marker = "{detail}"
            guard let cut = body.firstRange(of: marker) else {
                return Text(head: arena.bytes(head), bodyStart: arena.bytes(body), bodyEnd: .empty)
            }
            return Text(
                head: arena.bytes(head), bodyStart: arena.bytes(String(body[..<cut.lowerBound])),
                bodyEnd: arena.bytes(String(body[cut.upperBound...])))
        })
        messages = arena.store(Refusal.Row.allCases.map { row in
            let message = "\(row.entry.message)"
            let phrase = message.firstRange(of: "{detail}") ?? message.endIndex..<message.endIndex
            return Message(start: arena.bytes(String(message[..<phrase.lowerBound])), end: arena.bytes(String(message[phrase.upperBound...])))
        })
    }

    func deallocate() { arena.release() }

    /// The message of a row.
    func message(of row: Refusal.Row) -> Message { messages[Int(row.rawValue)] }

    subscript(row: Refusal.Row) -> Text { texts[Int(row.rawValue)] }

    /// The body of a refusal as text, for `explain` and tests.
    func body(of refusal: Refusal) -> String {
        let text = self[refusal.row]
        return text.bodyStart.string + refusal.toldDetail.string + text.bodyEnd.string
    }
}
