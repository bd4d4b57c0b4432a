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
    /// Whether a write may wait for a reader: a pipe, a socket, a terminal. The writing thread's.
    private var hasReader: Bool
    /// Whether a reader that takes nothing was given up at the end. The writing thread's.
    private var hasGivenUp = false
    /// Whether the last write that failed has left half a line. The writing thread's.
    private var isMidLine = false
    private let failures = Atomic<UInt64>(0)
    private let lostLines = Atomic<UInt64>(0)

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
            if descriptor < 0 { throw OpenError(message: "\(path): \(Self.reason(errno))") }
        }
        hasReader = Self.hasReader(descriptor)
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

    /// Lines that are not in the log, or not as a whole: because it could not be written as fast as they came, or not at all.
    var dropped: UInt64 { buffers.withLock { $0.reduce(0) { $0 + $1.dropped } } + lostLines.load(ordering: .relaxed) }

    /// Writes that failed: a full disk, a closed pipe.
    var writeFailures: UInt64 { failures.load(ordering: .relaxed) }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        if isMidLine {
            // The disk was full in the middle of a line: what comes now must not become its rest.
            guard Glibc.write(descriptor, "\n", 1) == 1 else {
                failures.wrappingAdd(1, ordering: .relaxed)
                lose(rest)
                return
            }
            isMidLine = false
        }
        while !rest.isEmpty {
            guard !hasReader || awaitReader() else { return lose(rest) }
            let count = Glibc.write(
                descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, hasReader ? min(rest.count, Self.pieceBytes) : rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR, errno != EAGAIN {
                failures.wrappingAdd(1, ordering: .relaxed)
                isMidLine = rest.startIndex > 0 && bytes[rest.startIndex - 1] != UInt8(ascii: "\n")
                lose(rest)
                return
            }
        }
    }

    /// Counts the lines that end in what is not written; of the first a part may have been.
    private func lose(_ rest: Slice<UnsafeRawBufferPointer>) {
        let lines = rest.reduce(into: UInt64(0)) { $0 += $1 == UInt8(ascii: "\n") ? 1 : 0 }
        lostLines.wrappingAdd(lines, ordering: .relaxed)
    }

    /// What a pipe that reports room takes at once, also where writes wait (PIPE_BUF): standard output is shared with others, so the descriptor
    /// is left as it is.
    private static let pieceBytes = 4096
    /// How long a reader may take nothing once the process is about to end.
    private static let lastWaitMilliseconds: Int32 = 1000

    /// Waits until the reader takes something. False if the process ends and it does not: then nothing more is written.
    private func awaitReader() -> Bool {
        while !hasGivenUp {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if poll(&entry, 1, Self.lastWaitMilliseconds) > 0 { return true }
            hasGivenUp = isStopped.load(ordering: .relaxed)
        }
        return false
    }

    private static func hasReader(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
    }

    private func reopenFile() {
        guard let path else { return }
        let fresh = Self.open(path)
        // The old file is better than none.
        guard fresh >= 0 else {
            failures.wrappingAdd(1, ordering: .relaxed)
            return
        }
        close(descriptor)
        descriptor = fresh
        hasReader = Self.hasReader(fresh)
        isMidLine = false
    }

    /// Without waiting, as a FIFO that nobody reads would have it.
    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o640)
    }

    private static func reason(_ code: Int32) -> String {
        code == ENXIO ? "a FIFO that nobody reads, or a socket" : "\(SocketError(code: code))"
    }
}
