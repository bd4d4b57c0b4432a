import CLibevent
import Glibc
import Synchronization

/// A descriptor as the end of a log, standard error above all, that keeps nobody waiting: a pipe whose reader has stopped would hold up every thread that
/// has something to say, the one that obeys signals included. Lines that are not taken are counted, and the next that is says how many.
package final class LogOutput: Sendable {
    private enum Kind {
        /// A file: what is written is taken, or fails.
        case file
        /// A pipe, through a description of our own that does not wait; the one that we were given is shared with others.
        case pipe
        case socket
        /// A terminal, or a pipe that cannot be opened again.
        case other
    }

    private struct State {
        var lostLines: UInt64 = 0
        /// Whether half a line stands at the end.
        var isMidLine = false
    }

    /// How long a reader that has taken everything so far may take nothing.
    private static let patienceMilliseconds: Int32 = 200
    /// What a pipe with room takes at once (PIPE_BUF).
    private static let pieceBytes = 4096

    private let descriptor: Int32
    private let kind: Kind
    private let state = Mutex(State())

    package init(_ descriptor: Int32) {
        var status = stat()
        _ = fstat(descriptor, &status)
        switch status.st_mode & S_IFMT {
        case S_IFREG: (self.descriptor, kind) = (descriptor, .file)
        case S_IFSOCK: (self.descriptor, kind) = (descriptor, .socket)
        case S_IFIFO:
            let own = open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            (self.descriptor, kind) = own >= 0 ? (own, .pipe) : (descriptor, .other)
        default: (self.descriptor, kind) = (descriptor, .other)
        }
    }

    deinit { if kind == .pipe { close(descriptor) } }

    /// Lines that were not taken.
    package var lost: UInt64 { state.withLock { $0.lostLines } }

    /// Writes one line, with its end. Any thread; waits for a fraction of a second at most.
    package func write(_ line: String) {
        state.withLock { state in
            if state.lostLines > 0 || state.isMidLine {
                let note = (state.isMidLine ? "\n" : "") + "\(state.lostLines) log lines were lost: nobody read them\n"
                // No patience with a reader that has lost it already.
                guard put(note, milliseconds: 0) == note.utf8.count else { return state.lostLines += 1 }
                state = State()
            }
            let count = put(line, milliseconds: Self.patienceMilliseconds)
            guard count < line.utf8.count else { return }
            state.lostLines += 1
            state.isMidLine = count > 0
        }
    }

    /// How many bytes of the text were taken.
    private func put(_ text: String, milliseconds: Int32) -> Int {
        var text = text
        return text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let piece = UnsafeRawBufferPointer(bytes)[done..<min(bytes.count, kind == .file ? bytes.count : done + Self.pieceBytes)]
                if kind != .file {
                    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    guard poll(&entry, 1, milliseconds) > 0 else { return done }
                }
                let base = UnsafeRawBufferPointer(rebasing: piece).baseAddress
                let count = kind == .socket
                    ? send(descriptor, base, piece.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)) : Glibc.write(descriptor, base, piece.count)
                if count > 0 {
                    done += count
                } else if errno != EINTR {
                    return done
                }
            }
            return done
        }
    }
}
