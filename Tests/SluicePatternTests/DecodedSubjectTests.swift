import SluiceHTTP
import SluicePattern
import Testing

@testable import SluicePattern

@Suite("Subjects with characters outside ASCII")
struct DecodedSubjectTests {
    private func decoded(_ text: String) -> (text: String, isValid: Bool) {
        with(text) { view in
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, view.count))
            defer { memory.deallocate() }
            let result = DecodedSubject(view, into: memory)
            #expect(result.original(of: 0) == 0 && result.original(of: result.text.count) == view.count)
            let bytes = Array(result.text.buffer)
            return (String(decoding: bytes, as: UTF8.self), String(validating: bytes, as: UTF8.self) != nil)
        }
    }

    @Test("escaped characters outside ASCII are decoded, all else stays", arguments: [
        ("/a%2Fb", "/a%2Fb"), ("/%C3%A9", "/é"), ("/%ED%95%9C", "/한"), ("/%F0%9F%98%80", "/😀"), ("/%C3", "/%C3"), ("/%C3%28", "/%C3%28"),
        ("/%C0%AF", "/%C0%AF"), ("/%E0%80%80", "/%E0%80%80"), ("/%ED%A0%80", "/%ED%A0%80"), ("/%F4%90%80%80", "/%F4%90%80%80"), ("/%A9", "/%A9"), ("/%E2%82", "/%E2%82"), ("", ""),
        ("/%41", "/%41"), ("%", "%"), ("/%C3%A9%C3%A9%", "/éé%"),
    ])
    func decoding(text: String, expected: String) {
        #expect(decoded(text).text == expected)
    }

    @Test("random texts: what comes out is always UTF-8, and places lead back")
    func random() {
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789ABCDEF")
        for _ in 0..<3000 {
            var text = ""
            for _ in 0..<Int.random(in: 0...12, using: &generator) {
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: text += ["%C3%A9", "%ED%95%9C", "%F0%9F%98%80", "%", "a"].randomElement(using: &generator)!
                default: text += "%\(digits.randomElement(using: &generator)!)\(digits.randomElement(using: &generator)!)"
                }
            }
            #expect(decoded(text).isValid, "\(text)")
        }
    }

    @Test("groups are told in the text as it is")
    func groups() throws {
        let regex = try Regex("/(é+)/(.)(.*)", isUnicode: true)
        let scratch = try #require(MatchScratch())
        with("/%C3%A9%C3%A9/%ED%95%9Cx") { subject in
            #expect(scratch.handle.match(regex.handle, subject) == .matched)
            #expect((1...3).map { scratch.handle.group($0).map { subject[$0].string } } == ["%C3%A9%C3%A9", "%ED%95%9C", "x"])
        }
    }
}
