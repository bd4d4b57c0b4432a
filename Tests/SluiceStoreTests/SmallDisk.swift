import Foundation

/// A file system in memory of 300 KiB, where the tests may mount one.
final class SmallDisk {
    let path: String
    private let folder: TemporaryFolder

    init?() {
        guard geteuid() == 0, let folder = try? TemporaryFolder() else { return nil }
        guard Self.run("mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder.path) else { return nil }
        self.folder = folder
        path = folder.path
    }

    deinit { _ = Self.run("umount", "-l", path) }

    /// Whether this process may mount.
    static let isPossible = SmallDisk() != nil

    /// Leaves no room; gives the name of the file that has it.
    func fill() -> String {
        let name = (path as NSString).appendingPathComponent("filler")
        _ = FileManager.default.createFile(atPath: name, contents: nil)
        guard let file = FileHandle(forWritingAtPath: name) else { return name }
        for size in [65_536, 4096, 512] {
            while (try? file.write(contentsOf: Data(count: size))) != nil {}
        }
        try? file.close()
        return name
    }

    private static func run(_ program: String, _ arguments: String...) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
