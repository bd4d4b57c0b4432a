/// What a client asks for.
package struct HTTPRequest: Sendable {
    package var method: String
    /// Besides Host, Content-Length and Connection, which the client writes itself.
    package var fields: [(name: String, value: String)]
    package var body: [UInt8]?
    /// Of which responses the body is read; that of others may be as large and as broken as it likes.
    package var statusesWithBody = 200...599

    package init(_ method: String, fields: [(name: String, value: String)] = [], body: [UInt8]? = nil) {
        (self.method, self.fields, self.body) = (method, fields, body)
    }
}
