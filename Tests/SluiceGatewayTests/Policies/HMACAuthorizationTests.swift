import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("HMAC: the two forms of a signature")
struct HMACAuthorizationTests {
    @Test("a value whose scheme is hmac has the named form", arguments: [
        ("hmac", true), ("HMAC ", true), ("hmac\tsignature=\"a\"", true), ("hmac signature=\"a\"", true), ("", false), ("hma", false),
        ("hmacs", false), ("hmac=", false), ("hmbc ", false), (" hmac ", false),
    ])
    func form(value: String, isNamed: Bool) {
        value.withByteView { #expect((HMACAuthorization.form(of: $0) == .named) == isNamed) }
    }

    @Test("what stands behind a value is none of it")
    func end() {
        "hmac x".withByteView { #expect(HMACAuthorization.form(of: $0[..<3]) == .compact) }
    }
}
