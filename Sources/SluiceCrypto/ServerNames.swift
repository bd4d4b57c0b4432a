internal import SluiceHTTP

/// Which context serves which name: exact names before wildcards, and among equals the one listed first.
///
/// Walks all names of the asked length: at a thousand names a hundredth of what the handshake costs.
struct ServerNames: BitwiseCopyable {
    struct Entry: BitwiseCopyable {
        /// In lower case; of `*.example.com` only `.example.com`.
        let name: ByteView
        let context: OpaquePointer
    }

    private let exact: UnsafeMutableBufferPointer<Entry>
    private let wildcards: UnsafeMutableBufferPointer<Entry>

    /// Copies the names; keeps the contexts' addresses only. Freed by `deallocate`.
    init(_ names: [(name: String, context: OpaquePointer)]) {
        exact = Self.store(names.filter { !$0.name.hasPrefix("*.") })
        let ofWildcards = names.filter { $0.name.hasPrefix("*.") }
        wildcards = Self.store(ofWildcards.map { (String($0.name.dropFirst()), $0.context) })
    }

    func deallocate() {
        for entries in [exact, wildcards] {
            for entry in entries { entry.name.base.deallocate() }
            entries.deallocate()
        }
    }

    /// - Parameter name: as the client sent it (RFC 6066, 3); letters of either case.
    func context(for name: ByteView) -> OpaquePointer? {
        if let found = Self.find(name, in: exact) { return found }
        // A wildcard stands for exactly one whole label (RFC 6125, 6.4.3).
        guard let dot = name.buffer.firstIndex(of: UInt8(ascii: ".")), dot > 0 else { return nil }
        return Self.find(name[dot...], in: wildcards)
    }

    private static func find(_ name: ByteView, in entries: UnsafeMutableBufferPointer<Entry>) -> OpaquePointer? {
        for entry in entries where name.equalsIgnoringCase(entry.name) { return entry.context }
        return nil
    }

    private static func store(_ names: [(name: String, context: OpaquePointer)]) -> UnsafeMutableBufferPointer<Entry> {
        let entries = UnsafeMutableBufferPointer<Entry>.allocate(capacity: names.count)
        for (index, item) in names.enumerated() {
            let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(1, item.name.utf8.count))
            _ = bytes.update(fromContentsOf: Array(item.name.utf8))
            let view = ByteView(base: UnsafePointer(bytes.baseAddress!), count: item.name.utf8.count)
            entries.initializeElement(at: index, to: Entry(name: view, context: item.context))
        }
        return entries
    }
}
