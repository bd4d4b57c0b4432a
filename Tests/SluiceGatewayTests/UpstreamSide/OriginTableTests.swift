import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Origin table")
struct OriginTableTests {
    @Test("of the addresses of one name 16 are used, further ones are ignored; those that stay keep their place", arguments: [(15, 15), (16, 16), (17, 16)])
    func addresses(given: Int, used: Int) throws {
        var table = OriginTable()
        defer { table.deallocate() }
        table.extend(to: [Origin(number: 0, url: try UpstreamURL("http://service.test:80"), tls: nil)])
        let addresses = (0..<given).map { IPAddress(v4: 0x7F00_0001 + UInt32($0)) }
        for _ in 0..<2 {
            #expect(table.update(0, addresses: addresses).isEmpty)
            #expect((0..<table[0].pointee.count).map { table[0].pointee.addresses[$0].pointee.ip } == Array(addresses.prefix(used)))
        }
    }

    @Test("an origin that was let go of has no addresses any more, and takes none; others keep theirs")
    func removed() throws {
        var table = OriginTable()
        defer { table.deallocate() }
        let origins = try (0..<40).map { Origin(number: $0, url: try UpstreamURL("http://service\($0).test:80"), tls: nil) }
        table.extend(to: Array(origins[..<20]))
        for number in 0..<20 { _ = table.update(number, addresses: [IPAddress(v4: 0x7F00_0001)]) }
        #expect(table.remove(7).isEmpty)
        #expect(!table.has(7) && table.has(8))
        #expect(table.update(7, addresses: [IPAddress(v4: 0x7F00_0001)]).isEmpty)
        // Some numbers may be gone before the table has heard of them.
        table.extend(to: Array(origins[..<20]) + Array(origins[30...]))
        #expect(!table.has(7) && !table.has(25) && table.has(39))
        #expect(table.count == 40)
        var seen = 0
        table.forEachAddress { _ in seen += 1 }
        #expect(seen == 19)
    }
}
