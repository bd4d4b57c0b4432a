import SluiceHTTP
import Testing

@Suite struct AddressTests {
    @Test("addresses are read and written in canonical form", arguments: [
        ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("10.0.200.9", "10.0.200.9"), ("::", "::"),
        ("::1", "::1"), ("1::", "1::"),
        ("2001:DB8::0:1", "2001:db8::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("0:0:1::", "0:0:1::"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:1:1:0:0:1:0:0", "1:1:1::1:0:0"), ("fe80:0000:0000:0000:0000:0000:0000:0001", "fe80::1"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("::ffff:192.0.2.1", "192.0.2.1"), ("::FFFF:c000:201", "192.0.2.1"), ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ("::1.2.3.4", "::102:304"),
    ])
    func text(source: String, expected: String) throws {
        let address = try #require(IPAddress(source))
        #expect(address.description == expected)
        #expect(IPAddress(address.description) == address)
    }

    @Test("anything else is no address", arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.0.0.1", "1.2.3.256", "01.2.3.4", "1.2.3.00",
        "1.2.3.0004", "1.2.3.4 ", " 1.2.3.4", "1.2.3.a", "0x1.2.3.4",
        ":", ":::", "1:::2", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "12345::", "g::", "::1%eth0", "[::1]",
        "::1.2.3", "::1.2.3.4.5", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::256.1.1.1", "1.2.3.4::", "::.1",
    ])
    func noAddress(source: String) {
        #expect(IPAddress(source) == nil)
    }

    @Test("what one client can take: its IPv4 address, or every address of its /64", arguments: [
        ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3:3:4:5:6", "2001:db8:1:3::"), ("::1", "::"),
    ])
    func allotment(address: String, expected: String) {
        #expect(IPAddress(address)?.allotment == IPAddress(expected))
    }

    @Test("IPv4 and its mapped form are one value; order is that of the numbers")
    func valuesAndOrder() {
        #expect(IPAddress("::ffff:127.0.0.1") == IPAddress(v4: 127, 0, 0, 1))
        #expect(IPAddress(v4: 0x7F00_0001) == IPAddress(v4: 127, 0, 0, 1))
        #expect(IPAddress(v4: 1, 2, 3, 4).v4 == 0x0102_0304)
        #expect(IPAddress("::1")?.v4 == nil)
        #expect(IPAddress(v4: 9, 255, 255, 255) < IPAddress(v4: 10, 0, 0, 0))
        #expect(IPAddress("::1")! < IPAddress("1::")!)
        #expect(!(IPAddress("1::")! < IPAddress("1::")!))
        #expect(IPAddress("127.8.9.1")!.isLoopback && IPAddress("::1")!.isLoopback)
        #expect(!IPAddress("128.0.0.1")!.isLoopback && !IPAddress("::2")!.isLoopback && !IPAddress("1::1")!.isLoopback)
    }

    @Test("bytes in network order are taken in both lengths and no other")
    func networkOrder() {
        withBytes([10, 0, 0, 1] as [UInt8]) { #expect(IPAddress(networkOrder: $0) == IPAddress(v4: 10, 0, 0, 1)) }
        withBytes([0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) + [1]) { #expect(IPAddress(networkOrder: $0) == IPAddress("2001:db8::1")) }
        withBytes([UInt8](repeating: 0, count: 5)) { #expect(IPAddress(networkOrder: $0) == nil) }
    }

    @Test("a block goes from its first to its last address", arguments: [
        ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", true), ("10.1.2.3/8", "10.0.0.0", "10.255.255.255", false),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", true),
        ("1.2.3.4", "1.2.3.4", "1.2.3.4", true), ("1.2.3.4/32", "1.2.3.4", "1.2.3.4", true),
        ("1.2.3.4/31", "1.2.3.4", "1.2.3.5", true), ("1.2.3.5/31", "1.2.3.4", "1.2.3.5", false),
        ("::1", "::1", "::1", true), ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", true),
        ("2001:db8::/65", "2001:db8::", "2001:db8::7fff:ffff:ffff:ffff", true),
        ("2001:db8::/63", "2001:db8::", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
        ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("::1/128", "::1", "::1", true), ("::1/127", "::", "::1", false),
        ("::ffff:10.0.0.0/104", "10.0.0.0", "10.255.255.255", true),
    ])
    func blocks(source: String, first: String, last: String, isCanonical: Bool) throws {
        let block = try #require(CIDR(source))
        #expect(block.first == IPAddress(first))
        #expect(block.last == IPAddress(last))
        #expect(block.isCanonical == isCanonical)
        #expect(block.contains(block.first) && block.contains(block.last))
    }

    @Test("anything else is no block", arguments: [
        "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "10/8", "::/129", "::/ 8", "a/8",
    ])
    func noBlock(source: String) {
        #expect(CIDR(source) == nil)
    }

    @Test("a block ends where it ends, and says what it most likely means")
    func neighbours() throws {
        let block = try #require(CIDR("10.3.0.0/8"))
        #expect(!block.contains(IPAddress(v4: 9, 255, 255, 255)) && !block.contains(IPAddress(v4: 11, 0, 0, 0)))
        #expect(block.description == "10.0.0.0/8")
    }

    @Test("a block says what reads as the same block, also if it was written with mapped addresses", arguments: [
        ("::ffff:10.1.2.3/104", "::ffff:10.0.0.0/104"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1/128"), ("::ffff:0:0/96", "::ffff:0.0.0.0/96"), ("::fffe:0:0/95", "::fffe:0:0/95"),
        ("192.0.2.1", "192.0.2.1/32"), ("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "::/0"),
    ])
    func descriptions(source: String, description: String) throws {
        let block = try #require(CIDR(source))
        #expect(block.description == description)
        let again = try #require(CIDR(block.description))
        #expect(again.first == block.first && again.last == block.last)
    }
}
