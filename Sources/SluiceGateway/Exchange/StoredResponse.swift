import SluiceConfiguration
import SluiceHTTP

/// A response that was rendered when the configuration was compiled: a mock, a maintenance notice, a preflight's answer.
struct StoredResponse: BitwiseCopyable {
    let status: UInt16
    /// Status line and field lines, each with its CRLF, without the empty line that ends a head. Holds an exact
    /// Content-Length (none where the status has no body), and neither Date nor Connection: those are added when it is sent.
    let head: ByteView
    /// Empty for 204, 205 and 304. Not sent to HEAD.
    let body: ByteView
    /// Whether the domain's CORS fields are added when it is sent: not to a preflight's own answer. An endpoint's changes to
    /// responses are never applied on sending: where they hold, `amended` has put them into `head`.
    let isAmended: Bool
    /// Whether `head` has fields of these names, which are then not told a second time.
    let saysRateLimit: Bool
    let saysRateLimitPolicy: Bool

    init(status: UInt16, head: ByteView, body: ByteView, isAmended: Bool) {
        self.status = status
        self.head = head
        self.body = body
        self.isAmended = isAmended
        saysRateLimit = Self.hasLine(head, "ratelimit")
        saysRateLimitPolicy = Self.hasLine(head, "ratelimit-policy")
    }
}

extension StoredResponse {
    /// Whether a response of this status can have content (RFC 9110, 15.3.5, 15.3.6 and 15.4.5). 1xx is not a final response.
    static func allowsBody(_ status: UInt16) -> Bool {
        status >= 200 && status != 204 && status != 205 && status != 304
    }

    /// Renders a response. The fields have been checked by `ConfiguredField.read`; the body is empty where the status
    /// allows none. Nothing is added but the framing: a body without a configured Content-Type goes out without one.
    static func render(
        status: UInt16, headers: [ConfiguredField], body: String, isAmended: Bool = true, into arena: Arena
    ) -> StoredResponse {
        assert(body.isEmpty || allowsBody(status))
        var head = "HTTP/1.1 \(status) \(ReasonPhrase.standard(for: status))\r\n"
        for field in headers { head += "\(field.name.value): \(field.value.value)\r\n" }
        // 204 must not have the field (RFC 9110, 8.6); in 304 it would be the length of another response.
        if status != 204 && status != 304 { head += "Content-Length: \(body.utf8.count)\r\n" }
        return StoredResponse(status: status, head: arena.bytes(head), body: arena.bytes(body), isAmended: isAmended)
    }

    private static func hasLine(_ head: ByteView, _ wanted: StaticString) -> Bool {
        var start = 0
        while start < head.count {
            if name(of: head[start..<head.count]).equalsIgnoringCase(wanted) { return true }
            while start < head.count, head[start] != UInt8(ascii: "\n") { start += 1 }
            start += 1
        }
        return false
    }

    /// The name in front of a line's colon.
    static func name(of line: ByteView) -> ByteView {
        var end = 0
        while end < line.count, line[end] != UInt8(ascii: ":") { end += 1 }
        return line[..<end]
    }
}
