/// A borrowed run of bytes: a pointer and a length, trivially copyable, so that it can live in connection
/// structs and compiled policies without a reference count.
///
/// It owns nothing: whoever makes one guarantees that the memory outlives it. Indexing and slicing are
/// checked in every build mode, because the offsets that reach it are derived from what a peer sent.
///
/// Public, like the other leaf types of this module, for one reason: the compiler (6.3) inlines `@inlinable public` code into
/// another module, and leaves `@inlinable package` code a call. Nothing outside of the package can import the module.
///
/// Sendable, because it cannot write: who hands one to another thread guarantees that nobody writes to the memory meanwhile.
@frozen
public struct ByteView: BitwiseCopyable, @unchecked Sendable {
    /// The first byte. Never to be read when `count` is zero.
    public let base: UnsafePointer<UInt8>
    /// Number of bytes.
    public let count: Int

    @inlinable
    @inline(__always)
    public init(base: UnsafePointer<UInt8>, count: Int) {
        precondition(count >= 0)
        self.base = base
        self.count = count
    }

    /// The bytes of a literal; they live as long as the program.
    @inlinable
    @inline(__always)
    public init(_ literal: StaticString) {
        self.init(base: literal.utf8Start, count: literal.utf8CodeUnitCount)
    }

    /// No bytes.
    @inlinable
    public static var empty: ByteView { ByteView("" as StaticString) }

    @inlinable
    @inline(__always)
    public var isEmpty: Bool { count == 0 }

    @inlinable
    @inline(__always)
    public subscript(index: Int) -> UInt8 {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
        return base[index]
    }

    @inlinable
    @inline(__always)
    public subscript(range: Range<Int>) -> ByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return ByteView(base: base + range.lowerBound, count: range.upperBound - range.lowerBound)
    }

    @inlinable
    @inline(__always)
    public subscript(range: PartialRangeFrom<Int>) -> ByteView { self[range.lowerBound..<count] }

    @inlinable
    @inline(__always)
    public subscript(range: PartialRangeUpTo<Int>) -> ByteView { self[0..<range.upperBound] }

    @inlinable
    @inline(__always)
    public var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

    /// Whether the byte occurs.
    @inlinable
    public func contains(_ byte: UInt8) -> Bool {
        var index = 0
        while index < count {
            if base[index] == byte { return true }
            index += 1
        }
        return false
    }
}
