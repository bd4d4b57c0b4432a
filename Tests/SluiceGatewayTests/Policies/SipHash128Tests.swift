import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("SipHash128")
struct SipHash128Tests {
    private static let key = SipHash128.Key(low: 0x0706_0504_0302_0100, high: 0x0F0E_0D0C_0B0A_0908)

    @Test("gives the published values for the key 00 01 ... 0f and messages 00 01 ... of whole words", arguments: [
        (0, 0xE6A8_25BA_047F_81A3, 0x9302_55C7_1472_F66D), (1, 0x61F5_5862_BAA9_623B, 0xB497_14F3_64E2_830F),
        (2, 0xBB54_B067_CAA4_E26E, 0x7705_2385_BF15_33FD), (8, 0x3FCD_D4C0_7D07_AF1E, 0x4BA7_5836_384D_AD8C),
    ] as [(UInt64, UInt64, UInt64)])
    func publishedValues(words: UInt64, low: UInt64, high: UInt64) {
        var hash = SipHash128(key: Self.key)
        for word in 0..<words { hash.add(word: 0x0706_0504_0302_0100 + word * 0x0808_0808_0808_0808) }
        #expect(hash.finish() == SipHash128.Value(low: low, high: high))
    }

    @Test("a name counts without regard to case, any other text with it")
    func names() {
        func value(_ text: StaticString, isName: Bool) -> SipHash128.Value {
            var hash = SipHash128(key: Self.key)
            if isName { hash.add(name: ByteView(text)) } else { hash.add(ByteView(text)) }
            return hash.finish()
        }
        #expect(value("X-Request-Origin", isName: true) == value("x-rEQUEST-oRIGIN", isName: true))
        #expect(value("x-request-origin", isName: true) == value("x-request-origin", isName: false))
        #expect(value("X-Request-Origin", isName: false) != value("x-request-origin", isName: false))
    }

    @Test("only A to Z are put in lower case, in every place of a word")
    func lowercase() {
        for byte in UInt64(0)...255 {
            let expected = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            for place in 0..<8 as Range<UInt64> {
                #expect(SipHash128.lowercased(byte << (8 * place)) == expected << (8 * place))
            }
        }
        #expect(SipHash128.lowercased(0x415A_405B_617A_C1FF) == 0x617A_405B_617A_C1FF)
    }

    @Test("texts do not run into one another, and zeros at the end of a text count")
    func framing() {
        func value(_ texts: [StaticString]) -> SipHash128.Value {
            var hash = SipHash128(key: Self.key)
            for text in texts { hash.add(ByteView(text)) }
            return hash.finish()
        }
        let all = [
            value([]), value([""]), value(["", ""]), value(["ab"]), value(["a", "b"]), value(["a\0"]), value(["a"]), value(["abcdefgh"]),
            value(["abcdefgh", ""]),
        ]
        for first in all.indices {
            for second in all.indices where second > first { #expect(all[first] != all[second]) }
        }
    }

    @Test("two keys are not the same, nor are their values")
    func keys() {
        let one = SipHash128.Key.random()
        let other = SipHash128.Key.random()
        #expect(SipHash128(key: one).finish() != SipHash128(key: other).finish())
    }
}
