import Foundation
import SluiceConfiguration

/// What a problem says, without the file; `line:column keyPath | found | allowed`.
func summary(_ problem: Problem) -> String {
    "\(problem.position.line):\(problem.position.column) \(problem.keyPath) | \(problem.found) | \(problem.allowed)"
}

func summaries(_ problems: Problems) -> [String] { problems.all.map(summary) }

/// Reads `text` with `read` and answers what it found wrong.
func problems(
    reading text: String, environment: [String: String] = [:], _ read: (MappingReader) -> Void
) -> [String] {
    let problems = Problems(file: "test.yaml", environment: environment)
    if let node = ConfigurationNode.load(text: text, problems: problems),
        let reader = MappingReader(node, problems)
    {
        read(reader)
        reader.finish()
    }
    return summaries(problems)
}

/// A tree without places, for comparisons.
indirect enum Tree: Equatable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    case null, bool(Bool), integer(Int64), number(Double), string(String), list([Tree]), mapping([String: Tree])

    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int64) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(floatLiteral value: Double) { self = .number(value) }
    init(nilLiteral: ()) { self = .null }
    init(arrayLiteral elements: Tree...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, Tree)...) {
        self = .mapping(Dictionary(uniqueKeysWithValues: elements))
    }

    init(_ node: ConfigurationNode) {
        switch node.content {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(value)
        case .number(let value): self = .number(value)
        case .string(let value): self = .string(value)
        case .sequence(let elements): self = .list(elements.map(Tree.init))
        case .mapping(let entries):
            self = .mapping(Dictionary(uniqueKeysWithValues: entries.map { ($0.key, Tree($0.value)) }))
        }
    }
}

/// The tree of `text` and the problems found.
func load(_ text: String) -> (tree: Tree?, problems: [String]) {
    let problems = Problems(file: "test.yaml", environment: [:])
    let node = ConfigurationNode.load(text: text, problems: problems)
    return (node.map(Tree.init), summaries(problems))
}

/// Runs `body` with the path of a new folder, which is removed afterwards.
func withFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "sluice-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
}

extension [UInt8] {
    func write(to path: String) throws {
        try Data(self).write(to: URL(fileURLWithPath: path))
    }
}

/// A source of the same random numbers in every run.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 33)
    }
}
