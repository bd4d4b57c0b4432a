import Foundation
import Testing

@testable import SluiceConfiguration
@testable import SluiceGateway

/// The table of keys beside the readers: what the reference and the JSON Schema say is what a configuration may hold.
@Suite("Table of configuration keys")
struct ConfigurationTableTests {
    private func read(_ yaml: String) -> (configuration: GatewayConfiguration?, problems: [Problem]) {
        let problems = Problems(file: "sluice.yaml", environment: ["VARIABLE": "text"])
        let configuration = ConfigurationNode.load(text: yaml, problems: problems).map { GatewayConfiguration.read($0, problems: problems) }
        return (configuration, problems.all)
    }

    /// Whether the reader finds fault with what stands under a key.
    private func isFault(_ value: String, under key: ConfigurationKey, of level: ConfigurationKey.Level) -> Bool {
        let place = ConfigurationText.keyPath(level.path, key.name)
        let others = ConfigurationText.companions(of: key.name, in: level)
        return read(ConfigurationText.wrapped(ConfigurationText.joined(others, "\(key.name): \(value)"), at: level.path)).problems.contains {
            !$0.isNote && ($0.keyPath == place || $0.keyPath.hasPrefix(place + "[") || $0.keyPath.hasPrefix(place + "."))
        }
    }

    /// Every key of the table with the mapping that holds it.
    private static let keys = ConfigurationKey.levels.flatMap { level in level.keys.map { (level, $0) } }

    @Test("each mapping has the keys that its reader asks for, and no others", arguments: ConfigurationKey.levels)
    func keys(level: ConfigurationKey.Level) throws {
        let found = read(ConfigurationText.wrapped("zzzz: 1", at: level.path)).problems
        let problem = try #require(found.first { $0.found.hasPrefix("the unknown key \"zzzz\"") }, "\(level.path): \(found)")
        let asked = Set(problem.allowed.replacing(" or ", with: ", ").split(separator: ", ").map(String.init))
        // `include` is gone from the tree by then.
        #expect(asked == Set(level.keys.map(\.name)).subtracting(["include"]), "\(level.path)")
    }

    @Test("a key is required where the table says so", arguments: ConfigurationKey.levels)
    func required(level: ConfigurationKey.Level) {
        let missing = read(ConfigurationText.wrapped("", at: level.path)).problems.filter { $0.allowed.hasSuffix("(required)") }.map(\.keyPath)
        for key in level.keys {
            #expect(missing.contains(ConfigurationText.keyPath(level.path, key.name)) == key.isRequired, "\(level.path) \(key.name)")
        }
    }

    @Test("keys that exclude each other")
    func rules() {
        for level in ConfigurationKey.levels {
            for rule in level.rules {
                let (names, isRequired, excludes) = switch rule {
                case .exactlyOne(let names): (names, true, true)
                case .atMostOne(let names): (names, level.rules.contains { if case .atLeastOne = $0 { true } else { false } }, true)
                case .atLeastOne(let names): (names, true, false)
                }
                let values = Dictionary(uniqueKeysWithValues: level.keys.map { ($0.name, ConfigurationText.sample($0.form)) })
                let others = level.keys.filter { $0.isRequired && !names.contains($0.name) }.map { "\($0.name): \(values[$0.name] ?? "")" }
                func isAllowed(_ chosen: [String]) -> Bool {
                    let text = ConfigurationText.wrapped((others + chosen.map { "\($0): \(values[$0] ?? "")" }).joined(separator: ", "), at: level.path)
                    let path = ConfigurationText.keyPath(level.path)
                    return !read(text).problems.contains { !$0.isNote && $0.keyPath.hasPrefix(path) }
                }
                #expect(isAllowed([]) != isRequired, "\(level.path)")
                for name in names { #expect(isAllowed([name]), "\(level.path) \(name)") }
                if excludes { #expect(!isAllowed(Array(names.prefix(2))), "\(level.path)") }
            }
        }
    }

    @Test("numbers: both ends of the range are taken, their neighbours are not, and the unit is the reader's")
    func integers() {
        var count = 0
        for (level, key) in Self.keys {
            let (range, unit, isList): (ClosedRange<Int64>, String?, Bool)
            switch key.form {
            case .integer(let own, let name): (range, unit, isList) = (own, name, false)
            case .list(.integer(let own, let name), _, _): (range, unit, isList) = (own, name, true)
            default: continue
            }
            count += 1
            func isFault(_ value: Int64) -> Bool { self.isFault(isList ? "[\(value)]" : "\(value)", under: key, of: level) }
            for value in [range.lowerBound, range.upperBound] { #expect(!isFault(value), "\(level.path) \(key.name): \(value)") }
            for value in [range.lowerBound - 1, range.upperBound + 1] { #expect(isFault(value), "\(level.path) \(key.name): \(value)") }
            guard let unit else { continue }
            let problem = read(ConfigurationText.wrapped("\(key.name): -1", at: level.path)).problems.first { $0.found == "the integer -1" }
            #expect(problem?.allowed.hasSuffix("(\(unit))") == true, "\(level.path) \(key.name): \(problem?.allowed ?? "nothing")")
        }
        #expect(count > 15)
    }

    /// One that fits the key that stands beside it here: none, where the issuer's are discovered, else a secret.
    private static func sampleAlgorithm(_ level: ConfigurationKey.Level) -> String { level.path.hasSuffix("issuers[]") ? "RS256" : "HS256" }

    @Test("words and booleans: those of the table are taken, others are not")
    func words() {
        for (level, key) in Self.keys {
            let allowed: [String]
            switch key.form {
            case .boolean: allowed = key.name == "present" ? ["true"] : ["true", "false"]
            case .word(let words): allowed = key.name == "algorithm" ? [Self.sampleAlgorithm(level)] : words
            case .list(.word(let words), _, _): allowed = key.name == "algorithms" && words.contains("RS256") ? ["[\(Self.sampleAlgorithm(level))]"] : words.map { "[\($0)]" }
            default: continue
            }
            for word in allowed { #expect(!isFault(word, under: key, of: level), "\(level.path) \(key.name): \(word)") }
            for word in ["zzzz", "[zzzz]", "1"] { #expect(isFault(word, under: key, of: level), "\(level.path) \(key.name): \(word)") }
        }
    }

    @Test("texts, lists, mappings: a value of another type is a problem; one element without its list where the table says so")
    func types() {
        for (level, key) in Self.keys where key.name != "include" {
            func isFault(_ value: String) -> Bool { self.isFault(value, under: key, of: level) }
            let name = "\(level.path) \(key.name)"
            switch key.form {
            case .text, .secret:
                #expect(isFault("5") && isFault("[]") && isFault("{}"), "\(name)")
            case .list(let element, let orOne, let countMin):
                let one = key.name == "algorithms" && level.path.contains("jwt") ? Self.sampleAlgorithm(level) : ConfigurationText.sample(element)
                #expect(!isFault("[\(one)]"), "\(name)")
                #expect(isFault(one) == !orOne, "\(name)")
                #expect(isFault("[]") == (countMin > 0), "\(name)")
            case .mapping, .named:
                #expect(isFault("text") && isFault("[]"), "\(name)")
            case .either:
                #expect(isFault("text"), "\(name)")
            case .integer, .boolean, .word, .scalar, .nothing, .anything: continue
            }
        }
    }

    @Test("{env: NAME} stands for every scalar")
    func variables() {
        for (level, key) in Self.keys where key.name != "include" {
            let value: String
            switch key.form {
            case .text, .boolean, .integer, .word, .scalar: value = "{env: VARIABLE}"
            case .list(.mapping, _, _), .list(.nothing, _, _): continue
            case .list: value = "[{env: VARIABLE}]"
            default: continue
            }
            let others = ConfigurationText.companions(of: key.name, in: level)
            let found = read(ConfigurationText.wrapped(ConfigurationText.joined(others, "\(key.name): \(value)"), at: level.path)).problems
            let place = ConfigurationText.keyPath(level.path, key.name)
            for problem in found where problem.keyPath == place || problem.keyPath == place + "[0]" {
                #expect(problem.found.contains("environment variable \"VARIABLE\""), "\(level.path): \(problem)")
            }
        }
    }

    @Test("a default that is written changes nothing")
    func defaults() throws {
        var count = 0
        for (level, key) in Self.keys {
            guard case .byDefault(let value) = key.presence else { continue }
            count += 1
            let others = ConfigurationText.companions(of: key.name, in: level)
            let without = read(ConfigurationText.wrapped(others, at: level.path))
            let with = read(ConfigurationText.wrapped(ConfigurationText.joined(others, "\(key.name): \(value)"), at: level.path))
            let path = ConfigurationText.keyPath(level.path)
            for problem in with.problems where !problem.isNote && problem.keyPath.hasPrefix(path) && !level.path.isEmpty {
                Issue.record("\(level.path) \(key.name): \(problem)")
            }
            let places = /SourcePosition\([^()]*\)/
            let texts = [without, with].map { "\($0.configuration as Any)".replacing(places, with: "") }
            #expect(texts[0] == texts[1], "\(level.path) \(key.name)")
        }
        #expect(count > 15)
    }

    @Test("every key has a meaning that is whole sentences")
    func meanings() {
        for (level, key) in Self.keys {
            #expect(key.meaning.first?.isLowercase == false || key.meaning.hasPrefix("`"), "\(level.path) \(key.name)")
            #expect(key.meaning.hasSuffix(".") || key.meaning.hasSuffix("`."), "\(level.path) \(key.name)")
        }
    }
}
