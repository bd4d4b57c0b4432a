/// Why a text is no document of JSON that is taken.
package enum JSONFault: BitwiseCopyable, Equatable, Sendable {
    /// It breaks a rule of RFC 8259, or is not UTF-8.
    case malformed
    /// A member's name stands twice in one object: parsers differ in which of the two they take (RFC 8259, 4).
    case duplicateName
    /// More arrays and objects within each other than `JSONMemory.depthMax`.
    case tooDeep
    /// A double cannot hold it, not even roughly.
    case numberOutOfRange
    /// There is no memory for it, or it is longer than `JSONMemory.textBytesMax`.
    case noMemory

    package var text: StaticString {
        switch self {
        case .malformed: "malformed JSON"
        case .duplicateName: "a member stands twice"
        case .tooDeep: "JSON nested too deeply"
        case .numberOutOfRange: "a number out of range"
        case .noMemory: "no memory"
        }
    }
}
