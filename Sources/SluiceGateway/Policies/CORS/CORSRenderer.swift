import SluiceHTTP

/// Writes the fields of a CORS policy: everything that depends on the configuration and the origin alone.
struct CORSRenderer {
    let configuration: CORS.Configuration
    let arena: Arena

    /// What is sent to `text`, which is an origin or `*`.
    func origin(_ text: [UInt8]) -> CORS.Origin {
        let origin = String(decoding: text, as: UTF8.self)
        var fields = "Access-Control-Allow-Origin: \(origin)\r\n"
        if configuration.credentials { fields += "Access-Control-Allow-Credentials: true\r\n" }
        if !configuration.expose.isEmpty {
            fields += "Access-Control-Expose-Headers: \(list(configuration.expose))\r\n"
        }
        // The same bytes for whoever asks: a cache may hand them to any origin.
        if origin != "*" { fields += "Vary: Origin\r\n" }
        return CORS.Origin(
            text: arena.bytes(text), permission: preflight(allowing: origin), responseFields: arena.bytes(fields))
    }

    /// The answer to a preflight, with permission for `origin` or, for nil, with none.
    func preflight(allowing origin: String?) -> UnsafePointer<StoredResponse> {
        var head = "HTTP/1.1 204 No Content\r\n"
        if let origin {
            head += "Access-Control-Allow-Origin: \(origin)\r\n"
            if configuration.credentials { head += "Access-Control-Allow-Credentials: true\r\n" }
            head += "Access-Control-Allow-Methods: \(list(configuration.methods))\r\n"
            if !configuration.headers.isEmpty {
                head += "Access-Control-Allow-Headers: \(list(configuration.headers))\r\n"
            }
            if let maxAge = configuration.maxAge { head += "Access-Control-Max-Age: \(maxAge)\r\n" }
        }
        let varying = ["Access-Control-Request-Method", "Access-Control-Request-Headers"]
        head += "Vary: \(list(configuration.origins == ["*"] ? varying : ["Origin"] + varying))\r\n"
        return arena.store(StoredResponse(status: 204, head: arena.bytes(head), body: .empty, isAmended: false))
    }

    private func list(_ words: [String]) -> String { words.joined(separator: ", ") }
}
