import Foundation

/// The project's Swift files, read once.
struct SourceTree {
    struct File {
        /// Relative to the project, with forward slashes.
        let path: String
        let lines: [Substring]

        var name: String { String(path.split(separator: "/").last!.dropLast(".swift".count)) }
        /// The module: the folder under `Sources`.
        var module: String { String(path.split(separator: "/")[1]) }
        var text: String { lines.joined(separator: "\n") }

        /// The modules that it imports.
        var imports: [String] {
            lines.compactMap { line in
                let words = line.split(separator: " ").map(String.init)
                guard let at = words.firstIndex(of: "import"), words[..<at].allSatisfy({ $0.hasPrefix("@") || Self.levels.contains($0) }) else { return nil }
                guard var name = words.dropFirst(at + 1).first else { return nil }
                if Self.kinds.contains(name), let next = words.dropFirst(at + 2).first { name = next }
                return String(name.split(separator: ".")[0])
            }
        }

        private static let levels: Set = ["public", "package", "internal", "fileprivate", "private"]
        private static let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
    }

    /// The project's folder.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let sources: [File] = read(under: "Sources")
    static let tests: [File] = read(under: "Tests")

    private static func read(under folder: String) -> [File] {
        let base = root.appendingPathComponent(folder)
        let paths = FileManager.default.enumerator(atPath: base.path)?.allObjects as? [String] ?? []
        return paths.filter { $0.hasSuffix(".swift") }.sorted().compactMap { path in
            guard let text = try? String(contentsOf: base.appendingPathComponent(path), encoding: .utf8) else { return nil }
            return File(path: folder + "/" + path, lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }
}
