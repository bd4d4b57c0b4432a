/// The parts of the chunked transfer coding that a sender puts around content (RFC 9112, 7.1).
package enum ChunkedEncoder {
    /// Room that a chunk-size line can take: sixteen digits, CR and LF.
    package static let sizeLineBytesMax = 18
    /// What follows the content of every chunk.
    package static var lineEnd: ByteView { ByteView("\r\n") }
    /// The last chunk and an empty trailer section.
    package static var lastChunk: ByteView { ByteView("0\r\n\r\n") }
    /// The last chunk's line, when trailers follow.
    package static var lastChunkLine: ByteView { ByteView("0\r\n") }

    /// Writes the chunk-size line so that it ends just before `end`, where the content stands. Returns its length.
    /// `size` is at least 1: a chunk of size 0 would end the body. There is room for `sizeLineBytesMax` bytes before `end`.
    @inlinable
    package static func writeSizeLine(_ size: Int, endingAt end: UnsafeMutablePointer<UInt8>) -> Int {
        assert(size > 0)
        var position = end - 2
        position[0] = 0x0D
        position[1] = 0x0A
        var rest = UInt(bitPattern: size)
        repeat {
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            position -= 1
            position.pointee = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
            rest &>>= 4
        } while rest != 0
        return end - position
    }
}
