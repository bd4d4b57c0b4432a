import Testing

@testable import SluiceGateway

@Suite("Regular expressions in the form that a path has")
struct PatternTextTests {
    @Test(
        "escapes outside of classes have a path's form, and what they decode to means itself",
        arguments: [
            ("%64", "d"), ("%5F%7e", "_~"), ("a%2d%2Eb", #"a\-\.b"#), ("%2f%c3%a9", "%2F%C3%A9"), ("%6", "%6"), ("%6g", "%6g"), ("%", "%"),
            ("[%64]%64", "[%64]d"), ("[]%64]%64", "[]%64]d"), ("[^]%64]%64", "[^]%64]d"), (#"[\]%64]%64"#, #"[\]%64]d"#), (#"\%64"#, #"\%64"#),
        ])
    func bytes(source: String, expected: String) {
        let normalised = PatternText.normalised(source)
        #expect(normalised.source == expected)
        #expect(!normalised.isUnicode)
    }

    @Test(
        "beside a letter outside ASCII escapes of whole characters are decoded",
        arguments: [("é%c3%a9", "éé"), ("é%c3", "é%C3"), ("é%e2%82%acx", "é€x"), ("é%64%2f", "éd%2F")])
    func characters(source: String, expected: String) {
        let normalised = PatternText.normalised(source)
        #expect(normalised.source == expected)
        #expect(normalised.isUnicode)
    }
}
