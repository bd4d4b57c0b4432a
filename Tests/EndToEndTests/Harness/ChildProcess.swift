import Foundation
import Glibc
import Synchronization

/// A process that a test started, with its output in files. It is ended with the test at the latest.
final class ChildProcess: Sendable {
    let pid: pid_t
    private let output: String
    private let errors: String
    private let status = Mutex<Int32?>(nil)
    private let hasCore = Flag()

    /// - Parameters:
    ///   - environment: all of it; nothing is inherited but PATH, HOME and the temporary folder.
    ///   - descriptors: what it inherits as descriptors 3, 4 and so on.
    ///   - limits: `ulimit` arguments that it is started under, such as `-n 64`.
    ///   - mounts: shell commands that prepare a file system view of its own, such as `mount --bind A B`; see `Mounts`.
    ///   - folder: where the output files go; also the working directory's parent for relative paths in arguments is unchanged.
    init(
        _ arguments: [String], environment: [String: String] = [:], input: [UInt8]? = nil, descriptors: [Int32] = [],
        limits: String = "", mounts: String = "", folder: Folder
    ) throws {
        let name = UUID().uuidString
        output = folder.file(name + ".out")
        errors = folder.file(name + ".err")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let source = try input.map { try folder.write(name + ".in", $0) } ?? "/dev/null"
        posix_spawn_file_actions_addopen(&actions, 0, source, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        // A socket accepted by another thread may not be marked close-on-exec yet; a child that kept it would keep it open.
        // Far away first, so that no source is a target that was overwritten before.
        for (index, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, 600 + Int32(index))
        }
        for descriptor in 3..<Int32(512) { posix_spawn_file_actions_addclose(&actions, descriptor) }
        for index in descriptors.indices {
            posix_spawn_file_actions_adddup2(&actions, 600 + Int32(index), 3 + Int32(index))
            posix_spawn_file_actions_addclose(&actions, 600 + Int32(index))
        }
        // A shell sets what posix_spawn cannot: limits, and the process's own number among its variables.
        var arguments = arguments
        if !mounts.isEmpty {
            arguments = ["unshare", "-m", "sh", "-c", "set -e; \(mounts); exec \"$0\" \"$@\""] + arguments
        }
        if !descriptors.isEmpty || !limits.isEmpty {
            let listen = descriptors.isEmpty ? "" : "LISTEN_PID=$$; LISTEN_FDS=\(descriptors.count); export LISTEN_PID LISTEN_FDS; "
            let limit = limits.isEmpty ? "" : "ulimit \(limits); "
            arguments = ["sh", "-c", "\(limit)\(listen)exec \"$0\" \"$@\""] + arguments
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A test runner may ignore or block signals that the child must have in their usual state.
        var every = sigset_t()
        sigfillset(&every)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &every)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        var variables = environment
        for inherited in ["PATH", "HOME", "TMPDIR"] where variables[inherited] == nil {
            variables[inherited] = ProcessInfo.processInfo.environment[inherited]
        }
        var argumentPointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variablePointers: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in argumentPointers + variablePointers { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, arguments[0], &actions, &attributes, &argumentPointers, &variablePointers)
        guard code == 0 else { throw HarnessError("cannot start \(arguments[0]): errno \(code)") }
        self.pid = pid
        let child = self
        try LoopbackScope.onEnd { child.end() }
    }

    var standardOutput: String { Self.read(output) }
    var standardError: String { Self.read(errors) }

    func signal(_ number: Int32) { kill(pid, number) }

    /// The exit code once it has ended (128 + N for signal N); nil while it runs.
    func exitCode() -> Int32? {
        status.withLock { known in
            if let known { return known }
            var raw: Int32 = 0
            guard waitpid(pid, &raw, WNOHANG) == pid else { return nil }
            let signal = raw & 0x7f
            if raw & 0x80 != 0 { hasCore.set() }
            known = signal == 0 ? (raw >> 8) & 0xff : 128 + signal
            return known
        }
    }

    /// Whether its end, once `exitCode` has told it, left a core file.
    var hasDumpedCore: Bool { hasCore.isSet }

    /// The exit code, or nil if it still runs after `seconds`.
    func waitForExit(_ seconds: Double) -> Int32? {
        let end = monotonicSeconds() + TimeScale.patience(seconds)
        while monotonicSeconds() < end {
            if let code = exitCode() { return code }
            pause(0.003)
        }
        return exitCode()
    }

    /// Asks to end, then ends by force.
    func end() {
        if exitCode() != nil { return }
        signal(SIGTERM)
        if waitForExit(1) != nil { return }
        signal(SIGKILL)
        _ = waitForExit(5)
    }

    /// Bytes of memory that it holds (VmRSS); 0 when it has ended.
    func residentBytes() -> Int {
        let text = Self.read("/proc/\(pid)/status")
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }) else { return 0 }
        return (Int(line.filter { $0.isNumber }) ?? 0) * 1024
    }

    /// Seconds of processor time that it has used.
    func processorSeconds() -> Double {
        let text = Self.read("/proc/\(pid)/stat")
        // Behind the name in parentheses: state is field 3, user and system time are fields 14 and 15, in ticks.
        guard let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// How often a thread of this name has gone to sleep.
    func sleeps(ofThread name: String) -> Int {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        for thread in threads where Self.read("/proc/\(pid)/task/\(thread)/comm").hasPrefix(name + "\n") {
            for line in Self.read("/proc/\(pid)/task/\(thread)/status").split(separator: "\n") where line.hasPrefix("voluntary_ctxt_switches:") {
                return Int(line.split(separator: "\t").last ?? "") ?? 0
            }
        }
        return 0
    }

    /// Whether every thread of it stands still, after SIGSTOP.
    var isStopped: Bool {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return !threads.isEmpty && threads.allSatisfy { thread in
            // The state stands behind the name, which may hold anything.
            Self.read("/proc/\(pid)/task/\(thread)/stat").split(separator: ")").last?.hasPrefix(" T") == true
        }
    }

    /// Descriptors that it has open.
    func openDescriptors() -> Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count) ?? 0 }

    private static func read(_ path: String) -> String {
        guard let data = FileManager.default.contents(atPath: path) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }
}

/// Whether processes may have mounts of their own here: it takes root's rights, which a container or a CI machine may not give.
enum Mounts {
    static let areAllowed: Bool = {
        let process = Foundation.Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=4k none /mnt"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()
}

/// What a finished command printed, and its exit code.
struct CommandResult {
    let code: Int32
    let output: String
    let errors: String
    var everything: String { output + errors }
}

/// Runs a command to its end, at most `seconds`; after that it is ended and the test fails.
func command(
    _ arguments: [String], environment: [String: String] = [:], input: [UInt8]? = nil, seconds: Double = 20
) throws -> CommandResult {
    let process = try ChildProcess(arguments, environment: environment, input: input, folder: try Folder())
    guard let code = process.waitForExit(seconds) else {
        process.end()
        throw HarnessError("\(arguments.joined(separator: " ")) ran longer than \(seconds) s")
    }
    return CommandResult(code: code, output: process.standardOutput, errors: process.standardError)
}

/// Runs the gateway's command line.
func run(_ arguments: [String], environment: [String: String] = [:], seconds: Double = 20) throws -> CommandResult {
    try command([Gateway.binary()] + arguments, environment: environment, seconds: seconds)
}
