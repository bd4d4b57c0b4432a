import SluiceHTTP
import Testing

@Suite struct Base64Tests {
    private func encode(_ bytes: [UInt8], url: Bool = false) -> String {
        withBytes(bytes) { view in
            let room = url ? Base64URL.encodedCount(view.count) : Base64.encodedCount(view.count)
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: room + 1) { buffer in
                buffer.initialize(repeating: 0x21)
                let count = url ? Base64URL.encode(view, into: buffer.baseAddress!) : Base64.encode(view, into: buffer.baseAddress!)
                #expect(count == room)
                #expect(buffer[room] == 0x21)
                return ByteView(base: buffer.baseAddress!, count: count).string
            }
        }
    }

    private func decode(_ text: some Collection<UInt8>, url: Bool = false) -> [UInt8]? {
        withBytes(text) { view in
            let room = url ? Base64URL.decodedCount(view.count) : Base64.decodedCountMax(view.count)
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: room + 1) { buffer in
                buffer.initialize(repeating: 0x21)
                let count = url ? Base64URL.decode(view, into: buffer.baseAddress!) : Base64.decode(view, into: buffer.baseAddress!)
                #expect(buffer[room] == 0x21)
                return count.map { Array(buffer[..<$0]) }
            }
        }
    }

    @Test("the vectors of RFC 4648, 10 go both ways", arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func vectors(plain: String, text: String) {
        #expect(encode(Array(plain.utf8)) == text)
        #expect(decode(Array(text.utf8)) == Array(plain.utf8))
        let bare = String(text.prefix { $0 != "=" })
        #expect(encode(Array(plain.utf8), url: true) == bare)
        #expect(decode(Array(bare.utf8), url: true) == Array(plain.utf8))
    }

    @Test("random bytes go both ways in both alphabets, which differ in two characters")
    func roundTrips() {
        var random = FixedRandom(state: 0x5EED_0004)
        for count in 0..<100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(decode(Array(encode(bytes).utf8)) == bytes)
            #expect(decode(Array(encode(bytes, url: true).utf8), url: true) == bytes)
        }
        #expect(encode([0xFB, 0xFF, 0xBF]) == "+/+/")
        #expect(encode([0xFB, 0xFF, 0xBF], url: true) == "-_-_")
    }

    @Test("standard: any text but the canonical one is refused", arguments: [
        "Z", "Zg", "Zg=", "Zg===", "=", "==", "====", "Zm8", "Z===", "Zg==Zg==", "Zm=v", "Zm9v=", "Zm9v====", "Zh==", "Zm9=",
        "Zm8=\n", " Zm8", "Zm 8", "-_-_", "Zm9\u{0}", "Zm8\u{E9}",
    ])
    func refused(text: String) {
        #expect(decode(Array(text.utf8)) == nil)
    }

    @Test("url: padding, the other alphabet and loose bits are refused", arguments: [
        "Z", "Zg==", "Zm8=", "Zh", "Zm9", "+/+/", "Zm9vY", "Z g", "Zm9v\n", "Zm9v.", "\u{E9}", "Zg\u{0}",
    ])
    func refusedURL(text: String) {
        #expect(decode(Array(text.utf8), url: true) == nil)
    }

    @Test("every byte at every place of a group is in the alphabet or refused")
    func everyByte() {
        let letters = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        for byte in UInt8.min...UInt8.max {
            // Long enough for sixteen to be looked at together.
            for place in 0..<24 {
                var text = Array("AAAAAAAAAAAAAAAAAAAAAAAA".utf8)
                text[place] = byte
                let isLast = place == 23 && byte == 0x3D
                #expect((decode(text) != nil) == (letters.union("+/".utf8).contains(byte) || isLast), "\(byte) at \(place)")
                #expect((decode(text, url: true) != nil) == letters.union("-_".utf8).contains(byte), "\(byte) at \(place)")
            }
        }
    }

    @Test("a text can be decoded in its own memory")
    func inPlace() {
        var text = Array("Zm9vYmFyZm9vYg".utf8)
        let count = text.withUnsafeMutableBufferPointer {
            Base64URL.decode(ByteView(base: $0.baseAddress!, count: $0.count), into: $0.baseAddress!)
        }
        #expect(count == 10)
        #expect(String(decoding: text[..<10], as: UTF8.self) == "foobarfoob")
    }
}
