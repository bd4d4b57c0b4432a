import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("IPACL")
struct IPACLTests {
    private func answer(_ yaml: String, client: String) throws -> Answer {
        let acl = try PolicyFixture(IPACL.self, yaml)
        let test = try TestExchange("GET /", client: client)
        return Answer(try acl.faultless().evaluate(&test.exchange))
    }

    @Test("deny list: refuses both ends of 10.0.0.0/8, admits the neighbours", arguments: [
        ("9.255.255.255", Answer.proceed), ("10.0.0.0", .refuse(.addressNotAllowed)),
        ("10.255.255.255", .refuse(.addressNotAllowed)), ("11.0.0.0", .proceed),
    ])
    func denyListBoundaries(client: String, expected: Answer) throws {
        #expect(try answer("{permit: false, addresses: [10.0.0.0/8]}", client: client) == expected)
    }

    @Test("permit list: admits both ends of an IPv6 block, refuses the neighbours", arguments: [
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", Answer.refuse(.addressNotAllowed)), ("2001:db8::", .proceed),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", .proceed), ("2001:db9::", .refuse(.addressNotAllowed)),
    ])
    func permitListBoundaries(client: String, expected: Answer) throws {
        #expect(try answer(#"{permit: true, addresses: ["2001:db8::/32"]}"#, client: client) == expected)
    }

    @Test("overlapping, nested and unsorted blocks admit the union and nothing else", arguments: [
        ("192.0.2.0", Answer.proceed), ("192.0.2.255", .proceed), ("192.0.1.255", .refuse(.addressNotAllowed)),
        ("192.0.3.0", .refuse(.addressNotAllowed)), ("10.0.0.6", .refuse(.addressNotAllowed)), ("10.0.0.7", .proceed),
        ("10.0.0.8", .refuse(.addressNotAllowed)), ("::1", .proceed), ("::2", .refuse(.addressNotAllowed)),
    ])
    func unionOfBlocks(client: String, expected: Answer) throws {
        let yaml = #"{permit: true, addresses: [192.0.2.128/25, "::1", 192.0.2.0/24, 192.0.2.1, 10.0.0.7, 10.0.0.7/32]}"#
        #expect(try answer(yaml, client: client) == expected)
    }

    @Test("a wide block still counts behind the narrow ones that lie in it", arguments: ["10.0.0.0", "10.0.0.2", "10.9.9.9", "10.255.255.255"])
    func nestedBlocks(client: String) throws {
        let yaml = "{permit: true, addresses: [10.0.0.3, 10.0.0.0/8, 10.0.0.1, 10.0.0.2, 10.128.0.0/9]}"
        #expect(try answer(yaml, client: client) == .proceed)
    }

    @Test("an IPv4-mapped address is the IPv4 address, in the list and as a client", arguments: [
        ("10.0.0.0/8", "::ffff:10.1.2.3"), ("\"::ffff:10.0.0.0/104\"", "10.1.2.3"), ("\"::ffff:0:0/96\"", "192.0.2.1"),
    ])
    func mappedAddresses(block: String, client: String) throws {
        #expect(try answer("{permit: true, addresses: [\(block)]}", client: client) == .proceed)
    }

    @Test("an IPv6 block matches no IPv4 client, however wide", arguments: [
        ("255.255.255.255", Answer.proceed), ("0.0.0.0", .proceed), ("::fffe:ffff:ffff", .refuse(.addressNotAllowed)),
        ("::1:0:0:0", .refuse(.addressNotAllowed)), ("::", .refuse(.addressNotAllowed)),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .refuse(.addressNotAllowed)),
    ])
    func wideIPv6Blocks(client: String, expected: Answer) throws {
        #expect(try answer(#"{permit: false, addresses: ["::/0"]}"#, client: client) == expected)
    }

    @Test("an empty list: permit admits nobody, deny refuses nobody")
    func emptyList() throws {
        #expect(try answer("{permit: true, addresses: []}", client: "192.0.2.1") == .refuse(.addressNotAllowed))
        #expect(try answer("{permit: false, addresses: []}", client: "192.0.2.1") == .proceed)
    }

    @Test("configuration: every bad address is reported where it stands, in one run, with the block that was meant")
    func badAddressesAreAllReported() throws {
        let acl = try PolicyFixture(
            IPACL.self, #"{permit: true, addresses: [10.1.2.3/8, "10.1", "::ffff:10.1.2.3/104", 10.0.0.0/33, 10.0.0.0/8]}"#)
        #expect(acl.compiled == nil)
        #expect(acl.complaints == [
            #"1:28: addresses[0]: found "10.1.2.3/8", which has bits beyond its prefix, allowed the block itself: 10.0.0.0/8"#,
            #"1:40: addresses[1]: found "10.1", allowed an address or a CIDR block, such as 10.0.0.0/8 or ::1"#,
            #"1:48: addresses[2]: found "::ffff:10.1.2.3/104", which has bits beyond its prefix, allowed the block itself: ::ffff:10.0.0.0/104"#,
            #"1:71: addresses[3]: found "10.0.0.0/33", allowed an address or a CIDR block, such as 10.0.0.0/8 or ::1"#,
        ])
    }

    @Test("configuration: what is missing, unknown or of a wrong type is reported")
    func wrongShapes() throws {
        let acl = try PolicyFixture(IPACL.self, "permitted: true\naddresses: 10.0.0.0/8\n")
        #expect(acl.configuration == nil)
        #expect(acl.complaints == [
            "1:1: permit: found nothing, allowed true or false (required)",
            #"1:1: permitted: found the unknown key "permitted", allowed permit or addresses"#,
            #"2:12: addresses: found the text "10.0.0.0/8", allowed a list of texts"#,
        ])
    }
}
