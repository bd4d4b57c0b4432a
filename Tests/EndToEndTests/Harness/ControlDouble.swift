import Foundation
import Glibc
import Synchronization

/// A process behind a control socket that answers every request with one status. Sendable, because what it has heard is under a lock.
final class ControlDouble: Sendable {
    private let status: Atomic<Int>
    private let paths = Mutex<[String]>([])
    private let listener: Int32
    private let path: String

    /// Listens at `path` until it is let go.
    init(path: String, status: Int) throws {
        self.status = Atomic(status)
        self.path = path
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else { throw HarnessError("the path is too long: \(path)") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 }
        }
        guard isBound, listen(listener, 16) == 0 else { throw HarnessError("\(path): \(String(cString: strerror(errno)))") }
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                self?.answer(connection)
                close(connection)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        unlink(path)
    }

    /// Answers so from here on.
    func answer(with status: Int) { self.status.store(status, ordering: .relaxed) }

    /// What was asked, in order.
    var asked: [String] { paths.withLock { $0 } }

    private func answer(_ connection: Int32) {
        var head = ""
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while !head.contains("\r\n\r\n") {
            let count = read(connection, &bytes, bytes.count)
            guard count > 0 else { return }
            head += String(decoding: bytes.prefix(count), as: UTF8.self)
        }
        let words = head.split(separator: " ")
        paths.withLock { $0.append(words.count > 1 ? String(words[1]) : head) }
        let response = Array("HTTP/1.1 \(status.load(ordering: .relaxed)) X\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n".utf8)
        _ = send(connection, response, response.count, Int32(MSG_NOSIGNAL))
    }
}
