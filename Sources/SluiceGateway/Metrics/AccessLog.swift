import Glibc
import SluiceConfiguration
import SluiceEvent
import Synchronization

/// The access log: one JSON line per request, written by a thread of its own. Sendable, because what that thread does not keep to itself
/// (after `init`: the descriptor, and where in a line it stands) is under a lock or atomic.
final class AccessLog: @unchecked Sendable {
    /// The file could not be opened.
    struct OpenError: Error {
        let message: String
    }

    private let path: String?
    private let signal = Signal()
    private let buffers = Mutex<[AccessLogBuffer]>([])
    private let isStopped = Atomic<Bool>(false)
    private let wantsReopen = Atomic<Bool>(false)
    /// The writing thread's once it runs.
    private var descriptor: Int32
    /// Whether the last write that failed has left half a line. The writing thread's.
    private var isMidLine = false
    private let failures = Atomic<UInt64>(0)

    /// Opens the log. Nil target: none is kept.
    init?(_ target: ProcessSettings.AccessLogTarget) throws(OpenError) {
        switch target {
        case .off: return nil
        case .standardOutput:
            path = nil
            descriptor = STDOUT_FILENO
        case .file(let path):
            self.path = path
            descriptor = Self.open(path)
            if descriptor < 0 { throw OpenError(message: "\(path): \(SocketError(code: errno))") }
        }
    }

    /// A buffer for one worker.
    func makeBuffer() -> AccessLogBuffer {
        let buffer = AccessLogBuffer { [signal] in signal.raise() }
        buffers.withLock { $0.append(buffer) }
        return buffer
    }

    /// Opens the file again, after it was rotated. Any thread.
    func reopen() {
        wantsReopen.store(true, ordering: .relaxed)
        signal.raise()
    }

    /// The thread's body; ends after `stop()`, when everything handed over was written.
    func run() {
        while true {
            let isLast = isStopped.load(ordering: .acquiring)
            if wantsReopen.exchange(false, ordering: .relaxed) { reopenFile() }
            for buffer in buffers.withLock({ $0 }) { buffer.drain(write) }
            if isLast { return }
            signal.wait(milliseconds: 1000)
        }
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        signal.raise()
    }

    /// Lines dropped because the log could not be written as fast as they came.
    var dropped: UInt64 { buffers.withLock { $0.reduce(0) { $0 + $1.dropped } } }

    /// Writes that failed: a full disk, a closed pipe.
    var writeFailures: UInt64 { failures.load(ordering: .relaxed) }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        if isMidLine {
            // The disk was full in the middle of a line: what comes now must not become its rest.
            guard Glibc.write(descriptor, "\n", 1) == 1 else {
                failures.wrappingAdd(1, ordering: .relaxed)
                return
            }
            isMidLine = false
        }
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&entry, 1, 1000)
                if isStopped.load(ordering: .relaxed) { return }
            } else if errno != EINTR {
                failures.wrappingAdd(1, ordering: .relaxed)
                isMidLine = rest.startIndex > 0 && bytes[rest.startIndex - 1] != UInt8(ascii: "\n")
                return
            }
        }
    }

    private func reopenFile() {
        guard let path else { return }
        let fresh = Self.open(path)
        // The old file is better than none.
        guard fresh >= 0 else { return }
        close(descriptor)
        descriptor = fresh
        isMidLine = false
    }

    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
    }
}
