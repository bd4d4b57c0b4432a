import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Byte tables")
struct ByteTableTests {
    private let arena = Arena()

    private func table(_ keys: [String]) -> ByteTable {
        ByteTable(keys.enumerated().map { (arena.bytes($1), UInt32($0)) }, into: arena)
    }

    private func value(_ table: ByteTable, _ key: String) -> UInt32? {
        withExtendedLifetime(arena) { withView(key) { table.value(of: $0) } }
    }

    @Test("no key is found in an empty table, and only the one in a table of one")
    func small() {
        #expect(value(table([]), "") == nil)
        #expect(table([]).isEmpty && !table(["a"]).isEmpty)
        #expect(value(table(["a"]), "a") == 0)
        #expect(value(table(["a"]), "b") == nil)
        #expect(value(table([""]), "") == 0)
    }

    @Test("keys of every length around a word's are told apart by their last byte, and by their case")
    func lengths() {
        for length in 1...40 {
            let stem = String(repeating: "k", count: length - 1)
            let table = table([stem + "x", stem + "y", stem + "X"])
            #expect(value(table, stem + "x") == 0)
            #expect(value(table, stem + "y") == 1)
            #expect(value(table, stem + "X") == 2)
            #expect(value(table, stem + "z") == nil)
            #expect(value(table, stem) == nil)
        }
    }

    @Test("any case finds a lower-case key; bytes that differ from a letter in more than case do not")
    func anyCase() {
        let table = table(["example.com", "["])
        func anyCase(_ key: String) -> UInt32? {
            withExtendedLifetime(arena) { withView(key) { table.value(ofAnyCase: $0) } }
        }
        #expect(anyCase("EXAMPLE.com") == 0)
        #expect(anyCase("Example.Com") == 0)
        #expect(anyCase("example\u{0E}com") == nil)
        #expect(anyCase("{") == nil)
        #expect(value(table, "EXAMPLE.com") == nil)
    }

    @Test("20,000 keys are all found, and 20,000 others are not")
    func many() {
        let table = table((0..<20_000).map { "key-\($0)" })
        #expect((0..<20_000).allSatisfy { value(table, "key-\($0)") == UInt32($0) })
        #expect((20_000..<40_000).allSatisfy { value(table, "key-\($0)") == nil })
    }
}
