import CLibevent
import Glibc

/// A connection between two processes of one machine that carries messages with descriptors beside them: a Unix socket of
/// type SOCK_SEQPACKET, which keeps messages apart. Blocking, with a timeout; for one thread at a time. Sendable, because its only
/// member is a descriptor that never changes: two threads at once could mix up each other's messages, not memory.
package final class DescriptorChannel: @unchecked Sendable {
    /// A message: its text, and the descriptors that came with it, which are the receiver's to close.
    package struct Message: Sendable {
        package let text: String
        package let descriptors: [Int32]
    }

    /// Most descriptors of one message.
    package static let descriptorsMax = Int(SLUICE_DESCRIPTORS_MAX)
    /// Most bytes of one message.
    package static let messageBytes = 16 * 1024

    private let descriptor: Int32

    private init(_ descriptor: Int32, timeoutMilliseconds: Int) {
        self.descriptor = descriptor
        set(SO_SNDTIMEO, timeoutMilliseconds)
        limitReceiving(milliseconds: timeoutMilliseconds)
    }

    /// Sets how long `receive` waits.
    package func limitReceiving(milliseconds: Int) { set(SO_RCVTIMEO, milliseconds) }

    private func set(_ option: Int32, _ milliseconds: Int) {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        _ = setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { Socket.close(descriptor) }

    /// Connects to who listens on `path`: a process of this user, of root's or of the owner of the folder. In a folder that others may write into, anybody
    /// could stand there, and hand over sockets on which they listen too.
    package static func connect(_ path: String, timeoutMilliseconds: Int) -> Result<DescriptorChannel, SocketError> {
        guard let address = UnixAddress(path) else { return .failure(SocketError(code: ENAMETOOLONG)) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return .failure(SocketError(code: errno)) }
        let channel = DescriptorChannel(descriptor, timeoutMilliseconds: timeoutMilliseconds)
        let status = address.withSockaddr { Glibc.connect(descriptor, $0, $1) }
        guard status == 0 else { return .failure(SocketError(code: errno)) }
        guard let user = channel.peer?.user, trusts(user, at: path) else { return .failure(SocketError(code: EACCES)) }
        return .success(channel)
    }

    private static func trusts(_ user: UInt32, at path: String) -> Bool {
        if user == geteuid() || user == 0 { return true }
        var status = Glibc.stat()
        return stat(folder(of: path), &status) == 0 && status.st_uid == user
    }

    private static func folder(of path: String) -> String {
        let slash = path.lastIndex(of: "/")
        return slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    /// Sends one message. False if the peer has gone, or takes nothing for the timeout.
    package func send(_ text: String, _ descriptors: [Int32] = []) -> Bool {
        var text = text
        while true {
            let sent = text.withUTF8 { sluice_send_descriptors(descriptor, $0.baseAddress, $0.count, descriptors, descriptors.count) }
            if sent < 0, errno == EINTR { continue }
            return sent > 0
        }
    }

    /// The next message; nil when the peer has gone, sends nothing for the timeout, or sends what is too large.
    package func receive() -> Message? {
        var bytes = [UInt8](repeating: 0, count: Self.messageBytes)
        var descriptors = [Int32](repeating: -1, count: Self.descriptorsMax)
        var count = 0
        while true {
            let received = sluice_receive_descriptors(descriptor, &bytes, bytes.count, &descriptors, &count)
            if received < 0, errno == EINTR, count == 0 { continue }
            let found = Array(descriptors.prefix(count))
            guard received > 0 else {
                for descriptor in found { Socket.close(descriptor) }
                return nil
            }
            return Message(text: String(decoding: bytes.prefix(received), as: UTF8.self), descriptors: found)
        }
    }

    /// The text of the next message, as `receive`; descriptors that came with it, which nobody has asked for, are closed.
    package func receiveText() -> String? {
        guard let message = receive() else { return nil }
        for descriptor in message.descriptors { Socket.close(descriptor) }
        return message.text
    }

    /// User and process at the other end; nil if the kernel does not say.
    package var peer: (user: UInt32, process: Int32)? {
        var user: UInt32 = 0
        var process: Int32 = 0
        return sluice_peer(descriptor, &user, &process) == 0 ? (user, process) : nil
    }

    // MARK: Listening

    /// What keeps a door from being put at `path`, whoever may stand there now: a file that would be lost, or a missing folder.
    package static func obstacle(at path: String) -> String? {
        var status = Glibc.stat()
        if stat(path, &status) == 0 {
            return status.st_mode & S_IFMT == S_IFSOCK ? nil : "there is a file that is not a socket; it is not replaced"
        }
        guard errno == ENOENT else { return String(cString: strerror(errno)) }
        return stat(folder(of: path), &status) == 0 ? nil : "its folder: \(String(cString: strerror(errno)))"
    }

    /// A place in the file system where other processes of this user find this one. Mode 0600.
    ///
    /// It is bound under a name of its own and renamed to `path`, so that there is never a moment without anybody behind it,
    /// also when another process's socket stands there. Removed at the end, unless somebody else has put theirs there by then.
    /// Sendable, because its members never change after `init`; `close` meets `next` through the kernel only.
    package final class Door: @unchecked Sendable {
        private let path: String
        private let descriptor: Int32
        private let place: (device: dev_t, file: ino_t)
        private let wake = Signal()

        package init(_ path: String) throws(SocketError) {
            self.path = path
            let temporary = "\(path).\(getpid())"
            guard let address = UnixAddress(temporary) else { throw SocketError(code: ENAMETOOLONG) }
            let listener = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            guard listener >= 0 else { throw SocketError(code: errno) }
            // On Linux the file takes over the mode that the socket has when it is bound.
            _ = fchmod(listener, 0o600)
            _ = unlink(temporary)
            guard obstacle(at: path) == nil else {
                Socket.close(listener)
                throw SocketError(code: ENOTSOCK)
            }
            var status = stat()
            guard address.withSockaddr({ bind(listener, $0, $1) }) == 0, chmod(temporary, 0o600) == 0,
                Glibc.listen(listener, 4) == 0, lstat(temporary, &status) == 0, rename(temporary, path) == 0
            else {
                let error = SocketError(code: errno)
                Socket.close(listener)
                _ = unlink(temporary)
                throw error
            }
            descriptor = listener
            place = (status.st_dev, status.st_ino)
        }

        deinit { Socket.close(descriptor) }

        /// Most callers that have said nothing yet. The oldest makes room for the next.
        private static let silentMax = 8

        /// The next caller that says something; nil after `close()`. Only processes of this user, or root's, are let in. One that says nothing keeps
        /// nobody else waiting, and is sent away after the time.
        package func next(timeoutMilliseconds: Int) -> DescriptorChannel? {
            var silent: [(channel: DescriptorChannel, until: UInt64)] = []
            while true {
                let now = Clock.monotonicNanoseconds() / 1_000_000
                silent.removeAll { $0.until <= now }
                var entries = ([descriptor, wake.waitable] + silent.map(\.channel.descriptor)).map {
                    pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
                }
                let patience = silent.first.map { Int32(clamping: $0.until - now) } ?? -1
                guard poll(&entries, nfds_t(entries.count), patience) > 0 else { continue }
                if entries[1].revents != 0 { return nil }
                if let place = silent.indices.first(where: { entries[$0 + 2].revents != 0 }) { return silent[place].channel }
                let accepted = sluice_accept(descriptor, nil, nil)
                guard accepted >= 0 else {
                    // Out of descriptors or memory the caller stays in the queue, and would be reported again at once.
                    _ = poll(&entries[1], 1, 100)
                    continue
                }
                _ = fcntl(accepted, F_SETFL, fcntl(accepted, F_GETFL) & ~O_NONBLOCK)
                let channel = DescriptorChannel(accepted, timeoutMilliseconds: timeoutMilliseconds)
                guard let peer = channel.peer, peer.user == geteuid() || peer.user == 0 else { continue }
                if silent.count == Self.silentMax { silent.removeFirst() }
                // From now on, not from before the wait for it.
                silent.append((channel, Clock.monotonicNanoseconds() / 1_000_000 + UInt64(timeoutMilliseconds)))
            }
        }

        /// Ends `next`, and takes the name out of the file system if it is still this door's. Any thread.
        package func close() {
            var status = stat()
            if lstat(path, &status) == 0, status.st_dev == place.device, status.st_ino == place.file { _ = unlink(path) }
            wake.raise()
        }
    }
}
