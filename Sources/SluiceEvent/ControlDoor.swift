import CLibevent
import Glibc

/// Unix sockets in a folder, behind which the processes that use the folder are found by commands, and no other program: each process has its own, under a
/// name that nobody had before. Mode 0600.
///
/// A name too long for a socket's address (107 bytes) is reached through the folder's descriptor.
package enum ControlDoor {
    private static let prefix = "control-"
    private static let suffix = ".sock"

    /// A socket that listens in `folder`, and its path, for `close`. Those that processes have left which were killed are removed.
    package static func open(folder: String) throws(SocketError) -> (listener: Int32, path: String) {
        let place = try Place(folder)
        for name in names(in: folder) { place.removeIfDead(name) }
        let name = prefix + String(UInt64.random(in: 0...UInt64.max), radix: 16) + suffix
        let listener = try unixSocket()
        // On Linux the file takes over the mode that the socket has when it is bound.
        _ = fchmod(listener, 0o600)
        // Under another name until it listens, so that nobody takes it for one that was left.
        let unready = name + ".new"
        guard let address = place.address(of: unready), address.withSockaddr({ bind(listener, $0, $1) }) == 0, place.setMode(unready),
            listen(listener, 16) == 0, renameat(place.descriptor, unready, place.descriptor, name) == 0
        else {
            let error = SocketError(code: errno)
            _ = unlinkat(place.descriptor, unready, 0)
            Socket.close(listener)
            throw error
        }
        return (listener, folder + "/" + name)
    }

    /// Takes the name away. The socket itself is closed by whoever has it.
    package static func remove(_ path: String) { _ = unlink(path) }

    /// Connections to every process behind a door in `folder`, which do not block; none if there is no folder, or nobody. Links are not followed, and only sockets
    /// of this user, root's or the folder's owner's are taken: in a folder that others may write into, anything can stand.
    ///
    /// Throws if a process is there that cannot be reached: as another user's.
    package static func connect(folder: String) throws(SocketError) -> [Int32] {
        guard let place = try? Place(folder) else { return [] }
        var connections: [Int32] = []
        for name in names(in: folder) where place.isTrusted(name) {
            let descriptor = try unixSocket()
            let connected = place.connect(descriptor, to: name)
            let code = errno
            if connected, let peer = peer(of: descriptor), place.trusts(peer) {
                connections.append(descriptor)
                continue
            }
            Socket.close(descriptor)
            if !connected, code != ECONNREFUSED, code != ENOENT {
                for descriptor in connections { Socket.close(descriptor) }
                throw SocketError(code: code)
            }
        }
        return connections
    }

    private static func unixSocket() throws(SocketError) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw SocketError(code: errno) }
        return descriptor
    }

    private static func peer(of descriptor: Int32) -> UInt32? {
        var user: UInt32 = 0
        var process: Int32 = 0
        return sluice_peer(descriptor, &user, &process) == 0 ? user : nil
    }

    /// Names of doors in the folder, whoever may have put them there; in order.
    private static func names(in folder: String) -> [String] {
        guard let list = opendir(folder) else { return [] }
        defer { closedir(list) }
        var found: [String] = []
        while let entry = readdir(list) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasPrefix(prefix), name.hasSuffix(suffix) { found.append(name) }
        }
        return found.sorted()
    }

    /// The folder, open.
    private final class Place {
        let descriptor: Int32
        private let owner: uid_t

        init(_ folder: String) throws(SocketError) {
            descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            var status = stat()
            guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
                let code = errno
                owner = 0
                throw SocketError(code: code)
            }
            owner = status.st_uid
        }

        deinit { if descriptor >= 0 { Socket.close(descriptor) } }

        func address(of name: String) -> UnixAddress? { UnixAddress("/proc/self/fd/\(descriptor)/\(name)") }

        func trusts(_ user: uid_t) -> Bool { user == geteuid() || user == 0 || user == owner }

        func isTrusted(_ name: String) -> Bool {
            var status = stat()
            return fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFSOCK && trusts(status.st_uid)
        }

        func setMode(_ name: String) -> Bool {
            var status = stat()
            guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return false }
            return status.st_mode & 0o777 == 0o600 || fchmodat(descriptor, name, 0o600, 0) == 0
        }

        func connect(_ socket: Int32, to name: String) -> Bool {
            guard let address = address(of: name) else {
                errno = ENAMETOOLONG
                return false
            }
            return address.withSockaddr { Glibc.connect(socket, $0, $1) } == 0
        }

        /// Removes what a process has left that was killed.
        func removeIfDead(_ name: String) {
            guard isTrusted(name), let probe = try? ControlDoor.unixSocket() else { return }
            defer { Socket.close(probe) }
            if !connect(probe, to: name), errno == ECONNREFUSED { _ = unlinkat(descriptor, name, 0) }
        }
    }
}
