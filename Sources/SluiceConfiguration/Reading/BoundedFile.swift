import Foundation

/// Files read whole, up to a bound in bytes, and never from what may keep a reader waiting for ever.
package enum BoundedFile {
    package struct Fault: Error {
        /// What was found, for example `no such file or directory`.
        package let found: String
    }

    /// What may stand at a path.
    package enum Kind: Sendable {
        /// A regular file, also behind links. What a configuration names is read again at every reload, and a FIFO would give its content once.
        case file
        /// Also a pipe, a terminal or another device: what is named on a command line may be `/dev/stdin` or `<(...)`. Read to its end; one that says
        /// nothing for `silenceMilliseconds` is a fault.
        case argument
    }

    /// How long a pipe may say nothing.
    package static let silenceMilliseconds: Int32 = 10_000

    /// The bytes of the file at `path`, without the byte order mark of UTF-8 that some editors begin a file with. Folders, files of another kind, and those over `bytesMax` are faults. A disk or a server that does not answer
    /// can still hold the caller up.
    ///
    /// - Parameter silenceMilliseconds: for tests.
    package static func read(
        _ path: String, bytesMax: Int, kind: Kind = .file, silenceMilliseconds: Int32 = silenceMilliseconds
    ) throws(Fault) -> [UInt8] {
        let reading = FilesUnderWay.begin(path)
        defer { FilesUnderWay.end(reading) }
        // Without waiting, as the opening of a FIFO would for somebody who writes into it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw lastFault() }
        defer { close(descriptor) }
        let isRegular = try isRegular(descriptor, kind)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            // Before each: the end of a pipe that nobody has written into yet looks like its last.
            if !isRegular { try awaitBytes(descriptor, silenceMilliseconds) }
            let count = Foundation.read(descriptor, &chunk, chunk.count)
            if count < 0 && (errno == EINTR || errno == EAGAIN && !isRegular) { continue }
            guard count >= 0 else { throw lastFault() }
            if count == 0 { return withoutByteOrderMark(bytes) }
            bytes.append(contentsOf: chunk.prefix(count))
            guard bytes.count <= bytesMax else { throw Fault(found: "more than \(bytesMax) bytes") }
        }
    }

    /// RFC 3629, section 6.
    package static func withoutByteOrderMark(_ bytes: [UInt8]) -> [UInt8] {
        bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    }

    private static func isRegular(_ descriptor: Int32, _ kind: Kind) throws(Fault) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw lastFault() }
        let name =
            switch status.st_mode & S_IFMT {
            case S_IFREG: "a file"
            case S_IFDIR: "a folder"
            case S_IFIFO: "a pipe"
            case S_IFSOCK: "a socket"
            default: "a device"
            }
        if name == "a file" { return true }
        guard kind == .argument, name != "a folder" else { throw Fault(found: "\(name), not a regular file") }
        return false
    }

    private static func awaitBytes(_ descriptor: Int32, _ milliseconds: Int32) throws(Fault) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let ready = poll(&entry, 1, milliseconds)
        if ready < 0 && errno != EINTR { throw lastFault() }
        guard ready != 0 else { throw Fault(found: "a pipe that says nothing for \(milliseconds / 1000) seconds") }
    }

    private static func lastFault() -> Fault {
        Fault(found: String(cString: strerror(errno)).lowercased())
    }
}
