import Testing

@testable import SluiceGateway

@Suite("FieldSyntax")
struct FieldSyntaxTests {
    @Test("a token consists of the 77 token characters and no others, and is not empty")
    func tokens() {
        let characters = (0...0x7F as ClosedRange<UInt8>).map { String(UnicodeScalar($0)) }.filter(FieldSyntax.isToken)
        let expected = "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
        #expect(characters.joined() == expected)
        #expect(!FieldSyntax.isToken("") && !FieldSyntax.isToken("ä") && !FieldSyntax.isToken("a:"))
    }

    @Test("a field value has no control characters and no blanks at its ends", arguments: [
        ("", true), ("a", true), ("a b\tc", true), ("grüß", true), ("~", true), (" a", false), ("a ", false), ("\ta", false), ("a\t", false),
        (" ", false), ("a\rb", false), ("a\nb", false), ("a\0b", false), ("a\u{1F}b", false), ("a\u{7F}", false),
    ])
    func values(text: String, isValid: Bool) {
        #expect(FieldSyntax.isFieldValue(text) == isValid)
    }
}
