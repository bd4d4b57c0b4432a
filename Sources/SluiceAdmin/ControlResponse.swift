/// What the process answers.
package struct ControlResponse: Sendable {
    package var status: Int
    package var contentType: String
    package var body: String
    /// Value of Allow, which a 405 has (RFC 9110, 15.5.6).
    package var allow: String?
    /// Value of WWW-Authenticate, which a 401 has (RFC 9110, 15.5.2).
    package var challenge: String?

    package init(
        status: Int, contentType: String = "text/plain; charset=utf-8", body: String, allow: String? = nil, challenge: String? = nil
    ) {
        (self.status, self.contentType, self.body, self.allow, self.challenge) = (status, contentType, body, allow, challenge)
    }

    private var reason: String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        default: ""
        }
    }

    /// The bytes of the message.
    ///
    /// - Parameter isHead: whether it answers HEAD. It then names the length of the body and leaves the body out (RFC 9110, 9.3.2).
    func bytes(isHead: Bool, keepsAlive: Bool) -> [UInt8] {
        var lines = [
            "HTTP/1.1 \(status) \(reason)", "Content-Type: \(contentType)", "Content-Length: \(body.utf8.count)", "Cache-Control: no-store",
        ]
        if let allow { lines.append("Allow: \(allow)") }
        if let challenge { lines.append("WWW-Authenticate: \(challenge)") }
        // An HTTP/1.0 client that asked for it has to be told (RFC 9112, 9.3).
        lines.append("Connection: \(keepsAlive ? "keep-alive" : "close")")
        var bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        if !isHead { bytes += Array(body.utf8) }
        return bytes
    }
}
