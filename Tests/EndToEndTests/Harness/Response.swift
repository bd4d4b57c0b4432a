import Foundation

/// One response as the client received it.
struct Response {
    let version: String
    let status: Int
    let fields: MessageReader.Fields
    let body: [UInt8]
    let trailers: MessageReader.Fields
    /// Every byte of it, head and body as they came.
    let raw: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    /// Status line and field lines with the empty line.
    var headText: String {
        let text = String(decoding: raw, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { return text }
        return String(text[..<end.upperBound])
    }

    subscript(_ name: String) -> String? { fields[name] }
    func values(_ name: String) -> [String] { fields.values(name) }

    /// Whether it says that the connection ends with it.
    var saysClose: Bool { (self["Connection"] ?? "").lowercased().contains("close") }
}
