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
}
