import Foundation

/// A folder of its own for one test, removed with it.
final class TemporaryFolder {
    let path: String

    init(under base: String = NSTemporaryDirectory()) throws {
        path = (base as NSString).appendingPathComponent("sluice-store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    subscript(name: String) -> String { (path as NSString).appendingPathComponent(name) }
}
