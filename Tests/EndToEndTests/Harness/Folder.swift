import Foundation

/// A temporary folder of one test, removed when the test ends.
struct Folder: Sendable {
    let path: String

    init() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-e2e-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        try LoopbackScope.onEnd { try? FileManager.default.removeItem(atPath: path) }
        self.path = path
    }

    /// The path of a name inside the folder; nothing is created.
    func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file and returns its path. Replaces a file of that name at once, never half.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)), options: .atomic)
        return file(name)
    }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)), options: .atomic)
        return file(name)
    }

    /// What the file holds; empty if there is none.
    func read(_ name: String) -> String {
        guard let data = FileManager.default.contents(atPath: file(name)) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }
}
