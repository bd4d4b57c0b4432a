import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

/// The secret that a request to the admin listener needs to see or change callers and plans. All other requests need none.
package struct AdminToken: Sendable {
    package struct Fault: Error {
        package let message: String
    }

    /// Characters of a token, and of the longest.
    private static let counts = 16...256

    private let digest: [UInt8]

    /// Reads it from a file, as a word of visible characters.
    package init(file: String) throws(Fault) {
        let bytes: [UInt8]
        do throws(BoundedFile.Fault) {
            bytes = try BoundedFile.read(file, bytesMax: 4096)
        } catch {
            throw Fault(message: error.found)
        }
        try self.init(Array(bytes.reversed().drop { $0 == 10 || $0 == 13 }.reversed()))
    }

    init(_ text: [UInt8]) throws(Fault) {
        guard Self.counts.contains(text.count), text.allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw Fault(message: "must hold one token of \(Self.counts.lowerBound) to \(Self.counts.upperBound) visible characters")
        }
        guard let digest = Self.digest(text) else { throw Fault(message: "SHA-256 is not available") }
        self.digest = digest
    }

    /// Nil for a request that has it. Digests are compared, in a time that tells nothing.
    func refusal(_ request: ControlRequest) -> ControlResponse? {
        let given = request.values("Authorization")
        guard given.count == 1, let sent = Self.token(in: given[0]), let other = Self.digest(Array(sent.utf8)), Self.areEqual(digest, other) else {
            return .init(status: 401, body: "Authorization: Bearer with the token of SLUICE_ADMIN_TOKEN_FILE is missing or wrong\n", challenge: "Bearer")
        }
        return nil
    }

    /// The scheme in any case (RFC 9110, 11.1).
    private static func token(in value: String) -> String? {
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1].drop { $0 == " " })
    }

    private static func digest(_ text: [UInt8]) -> [UInt8]? {
        var digest = [UInt8](repeating: 0, count: SHA256Hash.byteCount)
        let isDone = text.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return false }
            return digest.withUnsafeMutableBytes { SHA256Hash.write(ByteView(base: base, count: bytes.count), into: $0.baseAddress.unsafelyUnwrapped) }
        }
        return isDone ? digest : nil
    }

    private static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withUnsafeBufferPointer { left in
            right.withUnsafeBufferPointer { right in
                guard let one = left.baseAddress, let other = right.baseAddress else { return false }
                return constantTimeEquals(ByteView(base: one, count: left.count), ByteView(base: other, count: right.count))
            }
        }
    }
}
