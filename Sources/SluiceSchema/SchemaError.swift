/// Why a schema does not compile.
package struct SchemaError: Error, Equatable, Sendable {
    /// Where, as the names and numbers that lead there from the document's root.
    package let place: [String]
    /// What is wrong there.
    package let found: String
    package let allowed: String

    /// As a JSON pointer (RFC 6901); `#` for the document itself.
    package var pointer: String {
        "#" + place.map { "/" + $0.replacing("~", with: "~0").replacing("/", with: "~1") }.joined()
    }
}
