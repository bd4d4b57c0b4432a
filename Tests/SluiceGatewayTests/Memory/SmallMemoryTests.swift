import Testing

@testable import SluiceEvent

/// Where libevent's small pieces come from.
@Suite("Small memory")
struct SmallMemoryTests {
    @Test("pieces do not overlap, are aligned, and are handed out again")
    func pieces() throws {
        var pieces: [UnsafeMutableRawPointer] = []
        for number in 0..<1000 {
            let piece = try #require(SmallMemory.allocate(24))
            #expect(SmallMemory.isPiece(piece) && Int(bitPattern: piece) % 16 == 0)
            piece.initializeMemory(as: UInt8.self, repeating: UInt8(number % 251), count: SmallMemory.pieceBytes)
            pieces.append(piece)
        }
        for (number, piece) in pieces.enumerated() {
            let bytes = UnsafeRawBufferPointer(start: piece, count: SmallMemory.pieceBytes)
            #expect(bytes.allSatisfy { $0 == UInt8(number % 251) })
        }
        let given = Set(pieces)
        #expect(given.count == 1000)
        let latest = pieces[999]
        for piece in pieces { SmallMemory.free(piece) }
        // Another test's loop may take one in between.
        let again = (0..<1000).compactMap { _ in SmallMemory.allocate(1) }
        #expect(again.filter(given.contains).count > 900 && again.contains(latest))
        for piece in again { SmallMemory.free(piece) }
    }

    @Test("what is larger comes from the heap, also when a piece grows")
    func growth() throws {
        let large = try #require(SmallMemory.allocate(SmallMemory.pieceBytes + 1))
        #expect(!SmallMemory.isPiece(large))
        SmallMemory.free(large)
        let piece = try #require(SmallMemory.reallocate(nil, 8))
        piece.storeBytes(of: 0x0123_4567_89AB_CDEF, as: UInt64.self)
        #expect(SmallMemory.reallocate(piece, SmallMemory.pieceBytes) == piece)
        let larger = try #require(SmallMemory.reallocate(piece, 4096))
        #expect(!SmallMemory.isPiece(larger))
        #expect(larger.load(as: UInt64.self) == 0x0123_4567_89AB_CDEF)
        let largest = try #require(SmallMemory.reallocate(larger, 1 << 20))
        #expect(largest.load(as: UInt64.self) == 0x0123_4567_89AB_CDEF)
        SmallMemory.free(largest)
        SmallMemory.free(nil)
    }
}
