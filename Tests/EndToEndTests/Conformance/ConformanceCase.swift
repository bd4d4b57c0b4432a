import Foundation

/// One case of the corpus.
struct ConformanceCase: Sendable {
    var name: String
    var lines: [String] = []
    var keys: [String: [String]] = [:]

    subscript(_ key: String) -> String? { keys[key]?.first }
    func all(_ key: String) -> [String] { keys[key] ?? [] }
    var text: String { lines.joined() }

    static func all(_ kind: String) throws -> [ConformanceCase] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Conformance/\(kind)").path
        var cases: [ConformanceCase] = []
        for file in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() where file.hasSuffix(".txt") {
            var isPayload = false
            var isOpen = false
            for line in try String(contentsOfFile: folder + "/" + file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false) {
                if line.hasPrefix("### ") {
                    cases.append(ConformanceCase(name: "\(kind)/\(file): \(line.dropFirst(4))"))
                    (isPayload, isOpen) = (false, true)
                } else if line.isEmpty {
                    (isPayload, isOpen) = (false, false)
                } else if isPayload {
                    cases[cases.count - 1].lines.append(String(line))
                } else if isOpen, line == "--" {
                    isPayload = true
                } else if isOpen, let colon = line.firstIndex(of: ":") {
                    cases[cases.count - 1].keys[String(line[..<colon]), default: []].append(String(line[colon...].dropFirst(2)))
                }
            }
        }
        return cases
    }
}

/// The corpus's notation for bytes.
enum Bytes {
    static func unescape(_ text: String) -> [UInt8] {
        var out: [UInt8] = []
        let bytes = [UInt8](text.utf8)
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count else {
                out.append(bytes[index])
                index += 1
                continue
            }
            switch bytes[index + 1] {
            case UInt8(ascii: "x"):
                out.append(UInt8(String(decoding: bytes[(index + 2)..<(index + 4)], as: UTF8.self), radix: 16) ?? 0)
                index += 2
            case UInt8(ascii: "["):
                let end = bytes[index...].firstIndex(of: UInt8(ascii: "]")) ?? bytes.count - 1
                let star = bytes[index..<end].lastIndex(of: UInt8(ascii: "*")) ?? end
                let piece = unescape(String(decoding: bytes[(index + 2)..<star], as: UTF8.self))
                for _ in 0..<(Int(String(decoding: bytes[(star + 1)..<end], as: UTF8.self)) ?? 0) { out += piece }
                index = end - 1
            case UInt8(ascii: "r"): out.append(13)
            case UInt8(ascii: "n"): out.append(10)
            case UInt8(ascii: "t"): out.append(9)
            case UInt8(ascii: "0"): out.append(0)
            case let other: out.append(other)
            }
            index += 2
        }
        return out
    }
}
