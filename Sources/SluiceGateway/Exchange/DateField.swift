import SluiceHTTP

/// The Date field line of the present second, rendered once per second and worker.
struct DateField {
    private let memory: UnsafeMutablePointer<UInt8>
    private var second = Int64.min
    private static let name: StaticString = "Date: "

    init() {
        memory = .allocate(capacity: Self.name.utf8CodeUnitCount + HTTPDate.byteCount + 2)
        memory.update(from: Self.name.utf8Start, count: Self.name.utf8CodeUnitCount)
        let end = memory + Self.name.utf8CodeUnitCount + HTTPDate.byteCount
        end[0] = 0x0D
        end[1] = 0x0A
    }

    func deallocate() { memory.deallocate() }

    /// `Date: ...` with its CRLF (RFC 9110, 6.6.1). Valid until the next call.
    mutating func line(at wallSeconds: Int64) -> ByteView {
        if wallSeconds != second {
            second = wallSeconds
            HTTPDate.write(secondsSinceEpoch: wallSeconds, into: memory + Self.name.utf8CodeUnitCount)
        }
        return ByteView(base: memory, count: Self.name.utf8CodeUnitCount + HTTPDate.byteCount + 2)
    }
}
