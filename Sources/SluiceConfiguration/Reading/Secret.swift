/// Bytes that must never be shown: every textual form of a secret says only where it comes from.
package struct Secret: Sendable, Equatable {
    /// As written in the configuration, so that an export can write it again.
    package enum Source: Sendable, Hashable {
        /// In the configuration itself.
        case literal
        /// `{env: NAME}`
        case environment(String)
        /// `{file: PATH}`, with the path as written.
        case file(String)
    }

    /// At least one byte.
    package let bytes: [UInt8]
    package let source: Source

    package init(bytes: [UInt8], source: Source = .literal) {
        self.bytes = bytes
        self.source = source
    }

    /// The longest secret, in bytes.
    package static let bytesMax = 1 << 20
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String {
        switch source {
        case .literal: "a secret"
        case .environment(let name): "a secret from the variable \(name)"
        case .file(let path): "a secret from the file \(path)"
        }
    }

    package var debugDescription: String { description }

    package var customMirror: Mirror { Mirror(self, children: []) }
}
