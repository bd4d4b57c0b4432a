import Testing

@testable import SluiceGateway

@Suite("Stream tags")
struct StreamTagTests {
    @Test("an exchange is found again by its tag; without one there is none")
    func exchanges() throws {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 4096)
        defer { memory.deallocate() }
        let block = memory.assumingMemoryBound(to: ExchangeBlock.self)
        guard case .exchange(block)? = StreamTag(StreamTag.exchange(block).tag) else {
            Issue.record("another exchange")
            return
        }
        #expect(StreamTag(nil) == nil && StreamTag(0) == nil)
    }

    @Test("what is read for nobody says how much it was and since when, and is never taken for an exchange", arguments: [
        (0, 0), (1, 1), (1 << 20, .max), (0x7FFF_FFFF, 12_345), (1 << 40, 7),
    ] as [(Int, UInt32)])
    func discarded(bytes: Int, since: UInt32) throws {
        guard case .discarding(let foundBytes, let foundSince)? = StreamTag(StreamTag.discarding(bytes: bytes, since: since).tag) else {
            Issue.record("an exchange")
            return
        }
        #expect(foundSince == since)
        #expect(foundBytes == min(bytes, 0x7FFF_FFFF))
    }
}
