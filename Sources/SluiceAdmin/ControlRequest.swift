/// What an operator or a program of this machine asks the process.
package struct ControlRequest: Sendable {
    package let method: String
    /// Without the query.
    package let path: String
    /// Header fields, in order.
    package let fields: [(name: String, value: String)]
    package let body: [UInt8]

    package init(method: String, path: String, fields: [(name: String, value: String)] = [], body: [UInt8] = []) {
        (self.method, self.path, self.fields, self.body) = (method, path, fields, body)
    }

    /// Values of all lines of a field; the name in any case.
    package func values(_ name: String) -> [String] {
        let name = name.lowercased()
        return fields.filter { $0.name.lowercased() == name }.map(\.value)
    }
}
