import Foundation

/// Files read whole, up to a bound.
package enum BoundedFile {
    package struct Fault: Error {
        /// What was found, for example `no such file or directory`.
        package let found: String
    }

    /// The bytes of the file at `path`. Pipes are read to their end; folders and files over `bytesMax` are faults.
    package static func read(_ path: String, bytesMax: Int) throws(Fault) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw lastFault() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Foundation.read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw lastFault() }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk.prefix(count))
            guard bytes.count <= bytesMax else { throw Fault(found: "more than \(bytesMax) bytes") }
        }
    }

    private static func lastFault() -> Fault {
        Fault(found: String(cString: strerror(errno)).lowercased())
    }
}
