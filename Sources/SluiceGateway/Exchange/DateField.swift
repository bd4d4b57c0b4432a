import SluiceHTTP

/// The Date field line of the present second, rendered once per second and worker.
///
/// What changes is behind pointers: as a property of the worker's, the runtime would check every access to it.
struct DateField: BitwiseCopyable {
    private let memory: UnsafeMutablePointer<UInt8>
    private let second: UnsafeMutablePointer<Int64>
    private static let name: StaticString = "Date: "

    init() {
        second = .allocate(capacity: 1)
        second.initialize(to: .min)
        memory = .allocate(capacity: Self.name.utf8CodeUnitCount + HTTPDate.byteCount + 2)
        memory.update(from: Self.name.utf8Start, count: Self.name.utf8CodeUnitCount)
        let end = memory + Self.name.utf8CodeUnitCount + HTTPDate.byteCount
        end[0] = 0x0D
        end[1] = 0x0A
    }

    func deallocate() {
        memory.deallocate()
        second.deallocate()
    }

    /// `Date: ...` with its CRLF (RFC 9110, 6.6.1). Valid until the next call.
    func line(at wallSeconds: Int64) -> ByteView {
        if wallSeconds != second.pointee {
            second.pointee = wallSeconds
            HTTPDate.write(secondsSinceEpoch: wallSeconds, into: memory + Self.name.utf8CodeUnitCount)
        }
        return ByteView(base: memory, count: Self.name.utf8CodeUnitCount + HTTPDate.byteCount + 2)
    }
}
