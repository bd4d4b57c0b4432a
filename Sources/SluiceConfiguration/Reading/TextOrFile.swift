/// Text that is not a secret and may stand in the configuration or in a file of its own: certificates, public keys,
/// key sets.
package struct TextOrFile: Sendable, Equatable {
    package let bytes: [UInt8]
    /// Where it comes from, as written.
    package let source: Secret.Source

    package init(bytes: [UInt8], source: Secret.Source = .literal) {
        self.bytes = bytes
        self.source = source
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The largest file, in bytes.
    package static let bytesMax = 4 << 20
}
