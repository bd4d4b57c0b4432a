import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Names that services read alike")
struct UnusualNamesTests {
    @Test("every byte but letters and digits is read as a hyphen, letters in lower case")
    func everyByte() {
        for byte in UInt8.min...UInt8.max {
            let expected =
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte + 0x20
                default: UInt8(ascii: "-")
                }
            var read: UInt8 = 0
            withUnsafeMutablePointer(to: &read) { memory in [byte].withByteView { _ = UnusualNames.usual($0, into: memory) } }
            #expect(read == expected, "\(byte)")
        }
    }

    @Test("names that are read alike, and unusual ones", arguments: [
        ("X_User", "x-user", true, true), ("X.User.1", "x-user-1", true, true), ("x-user", "X-User", true, false), ("X_User", "x-users", false, true),
        ("X-Uzer", "x-user", false, false),
    ])
    func alike(one: String, other: String, areAlike: Bool, isUnusual: Bool) {
        one.withByteView { one in other.withByteView { #expect(UnusualNames.areAlike(one, $0) == areAlike) } }
        #expect(UnusualNames.isUnusual(one) == isUnusual)
        #expect((UnusualNames.usual(one) == other) == (areAlike && other == other.lowercased()))
    }
}
