import ArgumentParser
import Foundation

/// What commands print, and how they end when something is wrong: each line on standard error, and an exit code.
enum Report {
    /// Problems were found, or the gateway does not start: 1.
    static func problems(_ lines: [String]) -> ExitCode { print(lines, ending: ExitCode(1)) }

    /// The arguments or the environment cannot be used: 2.
    static func unusable(_ lines: [String]) -> ExitCode { print(lines, ending: ExitCode(2)) }

    /// What a command notes beside its result, on standard error.
    static func notes(_ lines: [String]) { _ = print(lines, ending: .success) }

    /// Writes a command's result to standard output, at once: it is often a pipe.
    static func output(_ text: String) throws {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        } catch {
            throw problems(["standard output cannot be written"])
        }
    }

    /// One line on standard error beside a result.
    static func note(_ line: String) { try? FileHandle.standardError.write(contentsOf: Data("note: \(line)\n".utf8)) }

    private static func print(_ lines: [String], ending code: ExitCode) -> ExitCode {
        try? FileHandle.standardError.write(contentsOf: Data(lines.map { "\($0)\n" }.joined().utf8))
        return code
    }
}
