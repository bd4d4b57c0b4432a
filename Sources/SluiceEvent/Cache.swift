public import CLibevent

/// The processor's data cache.
public enum Cache {
    /// Bytes that it holds as one.
    @inlinable
    public static var lineBytes: Int { 64 }

    /// Has it fetch these bytes, without waiting for them. Harmless for any address.
    @inlinable
    @inline(__always)
    public static func fetch(_ memory: UnsafeRawPointer, byteCount: Int) {
        var offset = 0
        while offset < byteCount {
            sluice_prefetch(memory + offset)
            offset &+= lineBytes
        }
    }
}
