import Foundation
import GRDB

/// A database of SQLite in the state folder: its place, how it is made, and what its errors are called.
struct StateFile {
    /// One line for the log.
    struct Fault: Error {
        let message: String
    }

    let directory: String
    let name: String
    var path: String { (directory as NSString).appendingPathComponent(name) }

    var exists: Bool { FileManager.default.fileExists(atPath: path) }

    /// Makes directory (0700) and file (0600) if they are not there, as nobody else may read them. SQLite gives its further files the same mode.
    func prepare() throws(Fault) {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Fault(message: "\(directory): the state folder cannot be created (\(Self.cause(error)))")
        }
        let file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if file >= 0 {
            // What root makes is the gateway's, whose folder it is. SQLite does the same with the further files.
            var status = stat()
            if geteuid() == 0, stat(directory, &status) == 0 { _ = fchown(file, status.st_uid, status.st_gid) }
            _ = fsync(file)
            _ = Foundation.close(file)
            // The names have to outlive a power failure too.
            for folder in [directory, (directory as NSString).deletingLastPathComponent] { Self.sync(folder) }
        } else if errno != EEXIST {
            throw Fault(message: "\(path): cannot be created (\(String(cString: strerror(errno))))")
        }
    }

    /// One line that says what is wrong and, if anything can, what helps.
    ///
    /// - Parameter lost: what moving a damaged file away does.
    func reason(_ error: any Error, lost: String) -> String {
        guard let error = error as? DatabaseError else { return "\(path): \(error)" }
        let detail = "\(error.message ?? "no message"), SQLite code \(error.extendedResultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_FULL: return "\(path): no space left on its disk"
        case .SQLITE_IOERR: return "\(path): its disk failed or is full (\(detail))"
        case .SQLITE_BUSY, .SQLITE_LOCKED: return "\(path): another process has locked it for more than a second"
        case .SQLITE_READONLY: return "\(path): must be writable, and so must its folder (\(detail))"
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH: return "\(path): cannot be opened for writing (\(detail))"
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return "\(path): damaged (\(detail)); move it away together with \(name)-wal and -shm: \(lost)"
        default: return "\(path): \(detail)"
        }
    }

    private static func cause(_ error: any Error) -> String {
        let error = error as NSError
        guard let cause = error.userInfo[NSUnderlyingErrorKey] as? POSIXError else { return error.localizedDescription }
        return String(cString: strerror(cause.code.rawValue))
    }

    private static func sync(_ folder: String) {
        let descriptor = open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        _ = Foundation.close(descriptor)
    }
}
