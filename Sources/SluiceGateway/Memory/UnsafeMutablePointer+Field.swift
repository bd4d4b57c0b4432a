extension UnsafeMutablePointer {
    /// A stored field's address. The offset of a stored property is never nil.
    @inline(__always)
    func field<Field>(_ offset: Int?) -> UnsafeMutablePointer<Field> {
        (UnsafeMutableRawPointer(self) + offset.unsafelyUnwrapped).assumingMemoryBound(to: Field.self)
    }
}
