import Glibc

/// Why a file cannot hold the counts of callers.
package struct LimitFileError: Error, CustomStringConvertible {
    package let description: String
}

/// A file that holds two `LimitTable`s: one for whoever comes, and one for callers with plans. So what callers have used is still known when the process
/// has ended, however it ended. A process that takes over counts in the same file while the old one still serves.
///
/// All processes that serve with the file map it, and so count in the same words. Each has a number of its own, with which it locks buckets: a lock of
/// the file's byte of that number (an open file description lock) says that it lives. Whoever uses the file also has a shared lock on it (flock): who gets
/// the exclusive one is alone with it, and mends what killed processes left (`LimitTable.recover`).
///
/// Who opens the file holds PATH.lock while it decides what becomes of it, so that processes which start together agree. A file that does not fit
/// (another number of keys, another layout, another clock) makes room for a new one, unless somebody serves with it: two tables would admit twice.
///
/// The file is on a tmpfs. So it does not outlive the machine's start, as the monotonic clock does not. And a page of a file on a disk is written back from
/// time to time, and who touches it then waits for the disk. All of its memory is taken when it is opened: a page that is missing later would end
/// the process. A new file gets its name when it is complete.
///
/// Whoever uses the table keeps this object alive. Sendable, because it does not change.
package final class LimitFile: Sendable {
    /// What comes before the table: the words of `Header`, and behind them those that `spare` leads to.
    private static let headerBytes = 4096
    private static let spareOffset = 1024
    /// Microseconds between two looks at a lock.
    private static let patience: UInt32 = 10_000
    /// The way in which keys are made and words are read. Another number where that changes without one of the constants below.
    private static let version: UInt64 = 3

    /// What the file begins with.
    private struct Header {
        var layout = LimitFile.layout
        var keys: UInt64
        /// Whose monotonic clock: that of a time namespace.
        var clock = LimitFile.clock
        var secret: Secret
    }

    private static var layout: UInt64 {
        let parts = [
            version, LimitRule.tickShift, LimitTable.countBits, LimitTable.slotsOfEntry, UInt64(LimitTable.placesOfBucket), UInt64(LimitTable.entryWords),
            UInt64(LimitTable.bucketWords), UInt64(LimitTable.fillPercent), LimitRule.graceNanoseconds, CeilingMeter.sendingNanoseconds,
        ]
        return parts.reduce(0x736C_7569_6365) { ($0 ^ $1) &* 0x100_0000_01B3 }
    }

    private static var clock: UInt64 {
        var status = stat()
        return stat("/proc/self/ns/time", &status) == 0 ? UInt64(status.st_ino) : 0
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
    /// For callers with plans, whose number the operator knows: strangers, of whom there may be any number, take no room here.
    package let plans: LimitTable
    package let secret: Secret
    /// Whether the counts of an earlier or another process were found.
    package let isContinued: Bool
    private let descriptor: Int32
    private let size: Int
    /// Sendable for what is in it: atomic words. Its address does not change.
    private nonisolated(unsafe) let memory: UnsafeMutableRawPointer

    /// Opens the file, or makes it.
    /// - Parameters:
    ///   - secret: of a file that has to be made.
    ///   - now: the monotonic clock, in nanoseconds.
    ///   - waitMilliseconds: how long another process may take to open it.
    ///   - needsTmpfs: whether a file on a disk is refused.
    package static func open(
        _ path: String, keys: Int, secret: Secret, now: () -> UInt64, waitMilliseconds: Int = 30_000, needsTmpfs: Bool = true
    ) throws(LimitFileError) -> LimitFile {
        let lock = try openLock("\(path).lock", waitMilliseconds: waitMilliseconds, needsTmpfs: needsTmpfs)
        defer { close(lock) }
        let header = Header(keys: UInt64(keys), secret: secret)
        if let descriptor = try openExisting(path) {
            do throws(LimitFileError) {
                let isAlone = flock(descriptor, LOCK_EX | LOCK_NB) == 0
                if let found = read(descriptor, header) { return try use(descriptor, path, found, isAlone: isAlone, isContinued: true, now: now) }
                guard isAlone else {
                    throw LimitFileError(description:
                        "\(path): a process serves with it that has another SLUICE_RATE_LIMIT_KEYS, another version or another clock. End that first, or name another file")
                }
                unlink(path)
                close(descriptor)
            } catch {
                close(descriptor)
                throw error
            }
        }
        let descriptor = try make(path, header)
        do throws(LimitFileError) {
            return try use(descriptor, path, header, isAlone: true, isContinued: false, now: now)
        } catch {
            close(descriptor)
            throw error
        }
    }

    private init(
        _ memory: UnsafeMutableRawPointer, _ tables: [LimitTable], size: Int, descriptor: Int32, header: Header, isContinued: Bool
    ) {
        self.memory = memory
        (table, plans) = (tables[0], tables[1])
        self.size = size
        self.descriptor = descriptor
        secret = header.secret
        self.isContinued = isContinued
    }

    deinit {
        munmap(memory, size)
        close(descriptor)
    }

    /// Words of the file for what else has to outlive the process: zeros at first. As many as `KeeperState.mirrorWords`.
    package var spare: KeeperState.Words {
        (memory + Self.spareOffset).assumingMemoryBound(to: KeeperState.Words.Pointee.self)
    }

    /// Room for callers with plans: each needs a place for a second only after its latest request.
    package static func planKeys(_ keys: Int) -> Int { max(1000, keys / 4) }

    /// Where the table of plans begins.
    private static func plansOffset(_ keys: Int) -> Int { (headerBytes + LimitTable.byteCount(keys: keys) + 63) & ~63 }

    private static func size(_ header: Header) -> Int { plansOffset(Int(header.keys)) + LimitTable.byteCount(keys: planKeys(Int(header.keys))) }

    // MARK: Opening

    /// The lock under which it is decided what becomes of the file. It stays where it is: a lock that comes and goes locks nobody out.
    private static func openLock(_ path: String, waitMilliseconds: Int, needsTmpfs: Bool) throws(LimitFileError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        do throws(LimitFileError) {
            do throws(LimitFileError) {
                try checkPlace(descriptor, path, needsTmpfs: needsTmpfs)
            } catch {
                unlink(path)
                throw error
            }
            try checkOwner(descriptor, path)
            for _ in 0...max(0, waitMilliseconds / 10) {
                if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
                usleep(patience)
            }
            throw LimitFileError(description: "\(path): another process has held this lock for \(waitMilliseconds) ms")
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Nil if there is none.
    private static func openExisting(_ path: String) throws(LimitFileError) -> Int32? {
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure(path)
        }
        do throws(LimitFileError) {
            try checkOwner(descriptor, path)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func checkOwner(_ descriptor: Int32, _ path: String) throws(LimitFileError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw LimitFileError(description: "\(path): not a regular file") }
        guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            throw LimitFileError(description: "\(path): must belong to the user that Sluice runs as, and nobody else may have any right to it (mode 0600)")
        }
    }

    private static func checkPlace(_ descriptor: Int32, _ path: String, needsTmpfs: Bool) throws(LimitFileError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(path) }
        guard !needsTmpfs || ["tmpfs", "ramfs"].contains(fileSystem(ofDevice: UInt64(status.st_dev))) else {
            throw LimitFileError(description: "\(path): not on a tmpfs, such as /run: requests would wait for the disk")
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

    /// The header, if the file is complete and fits.
    private static func read(_ descriptor: Int32, _ expected: Header) -> Header? {
        var (header, status) = (expected, stat())
        guard pread(descriptor, &header, MemoryLayout<Header>.size, 0) == MemoryLayout<Header>.size, fstat(descriptor, &status) == 0 else { return nil }
        guard header.layout == expected.layout, header.keys == expected.keys, header.clock == expected.clock, status.st_size == size(header) else { return nil }
        return header
    }

    /// A new file, complete before it has its name.
    private static func make(_ path: String, _ header: Header) throws(LimitFileError) -> Int32 {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        // O_TMPFILE of open(2), which the module map leaves out.
        let descriptor = Glibc.open(folder, 0o20_000_000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        do throws(LimitFileError) {
            try allocate(descriptor, path, header)
            var header = header
            guard pwrite(descriptor, &header, MemoryLayout<Header>.size, 0) == MemoryLayout<Header>.size else { throw failure(path) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0,
                linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0
            else { throw failure(path) }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func allocate(_ descriptor: Int32, _ path: String, _ header: Header) throws(LimitFileError) {
        let result = posix_fallocate(descriptor, 0, off_t(size(header)))
        guard result == 0 else {
            throw LimitFileError(description:
                "\(path): needs \(size(header)) bytes for \(header.keys) callers (SLUICE_RATE_LIMIT_KEYS): \(String(cString: strerror(result)))")
        }
    }

    private static func use(
        _ descriptor: Int32, _ path: String, _ header: Header, isAlone: Bool, isContinued: Bool, now: () -> UInt64
    ) throws(LimitFileError) -> LimitFile {
        // Also for one that was copied, or had holes punched.
        try allocate(descriptor, path, header)
        guard let number = LimitTable.Process.number(in: descriptor) else { throw LimitFileError(description: "\(path): too many processes serve with it") }
        let size = size(header)
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard memory != MAP_FAILED, let memory else { throw failure(path) }
        let (keys, process) = (Int(header.keys), LimitTable.Process(number: number, descriptor: descriptor))
        let tables = [
            LimitTable(keys: keys, in: memory + headerBytes, process: process),
            LimitTable(keys: planKeys(keys), in: memory + plansOffset(keys), process: process),
        ]
        // Who is alone reads the clock now: nobody can have counted since.
        for table in tables { if isAlone { table.recover(now: now()) } else { table.takeOverLocks() } }
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
            munmap(memory, size)
            throw failure(path)
        }
        return LimitFile(memory, tables, size: size, descriptor: descriptor, header: header, isContinued: isContinued)
    }

    private static func failure(_ path: String) -> LimitFileError { LimitFileError(description: "\(path): \(String(cString: strerror(errno)))") }
}
