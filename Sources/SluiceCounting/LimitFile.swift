import Glibc

/// Why a file cannot hold the counts of callers.
package struct LimitFileError: Error, CustomStringConvertible {
    package let description: String
}

/// A file that holds a `LimitTable`, so that what callers have used is still known after the process has ended, however it ended, and to a process that
/// takes over while the old one still serves.
///
/// All processes that serve with the file map it, and so count in the same words. Whoever uses it has a shared lock on it (flock). Who is alone with it has
/// nobody to disturb, and mends what a killed process left (`LimitTable.recover`). A file that does not fit (another number of keys, another layout) is
/// not changed, because somebody may use it: another takes its place under the name.
///
/// The file is on a tmpfs. So it does not outlive the machine's start, as the monotonic clock does not. And a page of a file on a disk is written back from
/// time to time, and who touches it then waits for the disk. All of its memory is taken when it is made: a page that is missing later would end
/// the process.
///
/// Whoever uses the table keeps this object alive. Sendable, because it does not change.
package final class LimitFile: Sendable {
    /// Pages that come before the table, with the words of `Header`.
    private static let headerBytes = 4096
    private static let triesMax = 50
    private static let layout: UInt64 = 0x736C_756C_696D_0001

    /// What the file begins with.
    private struct Header: Equatable {
        var layout = LimitFile.layout
        var keys: UInt64
        var secret: Secret
    }

    /// By what callers are found in the table.
    package struct Secret: Equatable, Sendable {
        package var low: UInt64
        package var high: UInt64

        package init(low: UInt64, high: UInt64) {
            self.low = low
            self.high = high
        }
    }

    package let table: LimitTable
    package let secret: Secret
    /// Whether the counts of an earlier or another process were found.
    package let isContinued: Bool
    private let descriptor: Int32
    private let size: Int
    /// Sendable for what is in it: the table's words. Its address does not change.
    private nonisolated(unsafe) let memory: UnsafeMutableRawPointer

    /// Opens the file, or makes it.
    /// - Parameters:
    ///   - secret: of a file that has to be made.
    ///   - now: monotonic, in nanoseconds.
    ///   - needsTmpfs: whether a file on a disk is refused.
    package static func open(
        _ path: String, keys: Int, secret: Secret, now: UInt64, needsTmpfs: Bool = true
    ) throws(LimitFileError) -> LimitFile {
        let header = Header(keys: UInt64(keys), secret: secret)
        var isMade = false
        for _ in 0..<triesMax {
            if let descriptor = try openExisting(path, needsTmpfs: needsTmpfs) {
                if let file = try use(descriptor, path, header, now: now, isMade: isMade) { return file }
                close(descriptor)
            }
            // It is not there, does not fit, or is being changed by another process that starts.
            if try isFitting(path, header) { usleep(10_000) } else {
                try make(path, header, needsTmpfs: needsTmpfs)
                isMade = true
            }
        }
        throw LimitFileError(description: "\(path): other processes with other settings keep replacing the file")
    }

    private init(_ memory: UnsafeMutableRawPointer, size: Int, descriptor: Int32, header: Header, isContinued: Bool) {
        self.memory = memory
        self.size = size
        self.descriptor = descriptor
        secret = header.secret
        self.isContinued = isContinued
        table = LimitTable(keys: Int(header.keys), in: memory + Self.headerBytes)
    }

    deinit {
        munmap(memory, size)
        close(descriptor)
    }

    private static func size(_ header: Header) -> Int { headerBytes + LimitTable.byteCount(keys: Int(header.keys)) }

    // MARK: A file that is there

    /// Nil if there is none.
    private static func openExisting(_ path: String, needsTmpfs: Bool) throws(LimitFileError) -> Int32? {
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure(path)
        }
        do throws(LimitFileError) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw failure(path) }
            guard status.st_mode & S_IFMT == S_IFREG else { throw LimitFileError(description: "\(path): not a regular file") }
            guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
                throw LimitFileError(description: "\(path): must belong to the user that Sluice runs as, and nobody else may have any right to it (mode 0600)")
            }
            try checkPlace(descriptor, path, needsTmpfs: needsTmpfs)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func checkPlace(_ descriptor: Int32, _ path: String, needsTmpfs: Bool) throws(LimitFileError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(path) }
        guard !needsTmpfs || ["tmpfs", "ramfs"].contains(fileSystem(ofDevice: UInt64(status.st_dev))) else {
            throw LimitFileError(description: "\(path): not on a tmpfs, such as /run or /dev/shm: requests would wait for the disk")
        }
    }

    /// The type of the file system that is mounted from a device; empty if the system does not tell.
    private static func fileSystem(ofDevice device: UInt64) -> String {
        // As proc(5) writes them: major and minor number in the third field, the type in the first behind a hyphen.
        let number = "\(device >> 8 & 0xFFF | device >> 32 & ~0xFFF):\(device & 0xFF | device >> 12 & ~0xFF)"
        guard let file = fopen("/proc/self/mountinfo", "re") else { return "" }
        defer { fclose(file) }
        var (line, capacity): (UnsafeMutablePointer<CChar>?, Int) = (nil, 0)
        defer { free(line) }
        while getline(&line, &capacity, file) > 0, let line {
            let fields = String(cString: line).split(separator: " ")
            guard fields.count > 6, fields[2] == number, let hyphen = fields[6...].firstIndex(of: "-"), hyphen + 1 < fields.count else { continue }
            return String(fields[hyphen + 1])
        }
        return ""
    }

    /// Nil if it does not fit, or another process is about to decide what becomes of it.
    private static func use(_ descriptor: Int32, _ path: String, _ expected: Header, now: UInt64, isMade: Bool) throws(LimitFileError) -> LimitFile? {
        let isAlone = flock(descriptor, LOCK_EX | LOCK_NB) == 0
        guard isAlone || flock(descriptor, LOCK_SH | LOCK_NB) == 0, isNamed(path, descriptor), let header = read(descriptor, expected) else { return nil }
        let size = size(header)
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard memory != MAP_FAILED, let memory else { throw failure(path) }
        if isAlone {
            LimitTable(keys: Int(header.keys), in: memory + headerBytes).recover(now: now)
            // Between the two locks another process may have found itself alone: it does no harm, since nobody counts yet, unless it gave the name away.
            guard flock(descriptor, LOCK_SH) == 0, isNamed(path, descriptor) else {
                munmap(memory, size)
                return nil
            }
        }
        return LimitFile(memory, size: size, descriptor: descriptor, header: header, isContinued: !isMade)
    }

    /// Whether the path leads to what is open.
    private static func isNamed(_ path: String, _ descriptor: Int32) -> Bool {
        var (named, opened) = (stat(), stat())
        return lstat(path, &named) == 0 && fstat(descriptor, &opened) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev
    }

    /// The header, if the file is complete and fits.
    private static func read(_ descriptor: Int32, _ expected: Header) -> Header? {
        var (header, status) = (expected, stat())
        guard pread(descriptor, &header, MemoryLayout<Header>.size, 0) == MemoryLayout<Header>.size, fstat(descriptor, &status) == 0 else { return nil }
        guard header.layout == expected.layout, header.keys == expected.keys, status.st_size == size(header) else { return nil }
        return header
    }

    private static func isFitting(_ path: String, _ expected: Header) throws(LimitFileError) -> Bool {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return read(descriptor, expected) != nil
    }

    // MARK: A new one

    /// Complete before it has its name.
    private static func make(_ path: String, _ header: Header, needsTmpfs: Bool) throws(LimitFileError) {
        let draft = "\(path).\(getpid())"
        unlink(draft)
        let descriptor = Glibc.open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        do throws(LimitFileError) {
            try checkPlace(descriptor, path, needsTmpfs: needsTmpfs)
            let result = posix_fallocate(descriptor, 0, off_t(size(header)))
            guard result == 0 else {
                throw LimitFileError(description:
                    "\(path): needs \(size(header)) bytes for \(header.keys) callers (SLUICE_RATE_LIMIT_KEYS): \(String(cString: strerror(result)))")
            }
            var header = header
            guard pwrite(descriptor, &header, MemoryLayout<Header>.size, 0) == MemoryLayout<Header>.size, rename(draft, path) == 0 else { throw failure(path) }
        } catch {
            unlink(draft)
            throw error
        }
    }

    private static func failure(_ path: String) -> LimitFileError { LimitFileError(description: "\(path): \(String(cString: strerror(errno)))") }
}
