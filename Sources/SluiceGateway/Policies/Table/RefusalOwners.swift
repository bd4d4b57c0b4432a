import SluiceHTTP

/// Who refuses with each row of the catalogue of errors: by the policies' declarations. Sendable, because its memory is never written again.
struct RefusalOwners: @unchecked Sendable {
    static let shared = RefusalOwners()

    private let arena = Arena()
    private let names: ArenaSlice<ByteView>

    private init() {
        let arena = arena
        names = arena.store(Refusal.Row.allCases.map { row in
            arena.bytes(PolicyTable.all.first { $0.declaration.refusals.contains(row) }?.key ?? "\(row.part)")
        })
    }

    subscript(row: Refusal.Row) -> ByteView { names[Int(row.rawValue)] }
}

extension Refusal.Row {
    /// The policy, or the part of the gateway, that refuses with this row, for logs and metrics.
    var policy: ByteView { RefusalOwners.shared[self] }
}
