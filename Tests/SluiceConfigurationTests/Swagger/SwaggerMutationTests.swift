import Testing

@testable import SluiceConfiguration

/// Round trips of documents and configurations that are nearly right: each is a correct one with a few random changes.
@Suite("Swagger and configuration, there and back, after random changes")
struct SwaggerMutationTests {
    private static let rounds = 400

    private func node(_ text: String) throws -> ConfigurationNode {
        try #require(ConfigurationNode.load(text: text, problems: Problems(file: "f")))
    }

    @Test("every document that is imported without a problem comes back equal, or as one that is imported alike", arguments: [
        swaggerWithEveryPlugin, secondFormWithEveryPlugin,
    ])
    func documents(text: String) throws {
        let original = try node(text)
        var mutator = Mutator(seed: 1, isNullAllowed: true)
        var equal = 0
        for _ in 0..<Self.rounds {
            let document = mutator.mutated(original)
            let problems = Problems(file: "f")
            let configuration = APIDocument.convert(document, problems)
            guard problems.isEmpty, let key = configuration["domains"]?.elements?.first?["key"]?.text else { continue }
            let exported = SwaggerExport.convert(configuration, domainKey: key, problems)
            if let difference = MergePatch.difference(from: document, to: try #require(exported)) {
                // In the second form, an operation may be spelt in several ways.
                let again = APIDocument.convert(try #require(exported), problems)
                if text == secondFormWithEveryPlugin, problems.isEmpty, again.hasSameContent(as: configuration) { continue }
                Issue.record("there and back it changed by \(ConfigurationWriter.yaml(difference))")
                return
            }
            equal += 1
        }
        #expect(equal > Self.rounds / 4)
    }

    @Test("every configuration comes back equal, in both forms", arguments: [configurationWithEverything, swaggerWithEveryPlugin, secondFormWithEveryPlugin], PluginForm.all)
    func configurations(text: String, form: PluginForm) throws {
        let read = try node(text)
        let original = APIDocument.isDocument(read) ? APIDocument.convert(read, Problems(file: "f")) : read
        var mutator = Mutator(seed: 2, isNullAllowed: false)
        var equal = 0
        for _ in 0..<Self.rounds {
            let configuration = mutator.mutated(original)
            guard configuration["domains"]?.elements?.count == 1,
                let key = configuration["domains"]?.elements?.first?["key"]?.text
            else { continue }
            let problems = Problems(file: "f")
            let exported = try #require(SwaggerExport.convert(configuration, domainKey: key, form: form, problems))
            let imported = APIDocument.convert(exported, problems)
            if let difference = MergePatch.difference(from: configuration, to: imported) {
                Issue.record("there and back it changed by \(ConfigurationWriter.yaml(difference))")
                return
            }
            equal += 1
        }
        #expect(equal > Self.rounds / 2)
    }
}

private struct Mutator {
    private var generator: Generator
    private let isNullAllowed: Bool

    init(seed: UInt64, isNullAllowed: Bool) {
        generator = Generator(state: seed)
        self.isNullAllowed = isNullAllowed
    }

    /// One to three changes.
    mutating func mutated(_ node: ConfigurationNode) -> ConfigurationNode {
        (0..<Int.random(in: 1...3, using: &generator)).reduce(node) { node, _ in change(node) }
    }

    private mutating func change(_ node: ConfigurationNode) -> ConfigurationNode {
        let goesOn = Int.random(in: 0..<8, using: &generator) != 0
        var copy = node
        switch node.content {
        case .mapping(var entries) where !entries.isEmpty:
            let index = Int.random(in: entries.indices, using: &generator)
            if goesOn {
                entries[index].value = change(entries[index].value)
            } else if Bool.random(using: &generator) {
                entries.remove(at: index)
            } else if !entries.contains(where: { $0.key == "x-new" }) {
                entries.append(.init(key: "x-new", keyPosition: .start, value: scalar()))
            }
            copy.content = .mapping(entries)
        case .sequence(var elements) where !elements.isEmpty:
            let index = Int.random(in: elements.indices, using: &generator)
            if goesOn {
                elements[index] = change(elements[index])
            } else if Bool.random(using: &generator) {
                elements.remove(at: index)
            } else {
                elements.append(elements[index])
                elements.shuffle(using: &generator)
            }
            copy.content = .sequence(elements)
        default:
            copy = scalar()
        }
        return copy
    }

    private mutating func scalar() -> ConfigurationNode {
        let values: [ConfigurationNode.Content] = [
            .string("text"), .string("GET"), .string("/hello"), .string("HEAD"), .integer(5), .bool(true), .number(1.5),
            .sequence([]), .mapping([]), .null,
        ]
        let count = isNullAllowed ? values.count : values.count - 1
        return ConfigurationNode(values[Int.random(in: 0..<count, using: &generator)])
    }
}
