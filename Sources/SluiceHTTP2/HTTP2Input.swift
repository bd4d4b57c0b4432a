package import SluiceHTTP

/// Bytes that have come from the other side, and how many of them the session has used up.
package struct HTTP2Input: BitwiseCopyable {
    package let bytes: ByteView
    package private(set) var used = 0

    package init(_ bytes: ByteView) { self.bytes = bytes }

    @inline(__always)
    package var count: Int { bytes.count &- used }
    @inline(__always)
    var base: UnsafePointer<UInt8> { bytes.base + used }

    /// - Parameter bytes: at most `count`.
    @inline(__always)
    mutating func use(_ bytes: Int) {
        assert(bytes >= 0 && bytes <= count)
        used &+= bytes
    }
}
