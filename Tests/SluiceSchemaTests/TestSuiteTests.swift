import Foundation
import SluiceHTTP
import Testing

@testable import SluiceSchema

/// github.com/json-schema-org/JSON-Schema-Test-Suite, if `SLUICE_SCHEMA_SUITE` names a folder with its `tests` and `remotes`.
@Suite("The test suite of JSON Schema", .enabled(if: SchemaSuite.folder != nil))
struct TestSuiteTests {
    @Test("every mandatory test of draft 4 passes")
    func mandatory() throws {
        let results = try SchemaSuite.run("tests/draft4")
        #expect(results.count >= 618)
        for result in results where !result.isRight { Issue.record("\(result.name)") }
    }
}

struct SchemaSuite {
    static let folder = ProcessInfo.processInfo.environment["SLUICE_SCHEMA_SUITE"].map { URL(fileURLWithPath: $0) }

    struct Result {
        let name: String
        let isRight: Bool
    }

    static func run(_ path: String) throws -> [Result] {
        let folder = try #require(Self.folder)
        let remotes = try remotes(folder.appendingPathComponent("remotes"))
        var results: [Result] = []
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent(path).path).sorted() where file.hasSuffix(".json") {
            let document = try SchemaDocument(Array(Data(contentsOf: folder.appendingPathComponent("\(path)/\(file)"))), uri: "")
            for group in document.items(0) {
                let title = "\(file): \(document.text(group, "description") ?? "")"
                var options = JSONSchema.Options()
                options.refusesOtherDrafts = false
                let schema = Swift.Result { try JSONSchema(slice(document, document.member(group, "schema") ?? 0), others: remotes, options: options) }
                for test in document.items(document.member(group, "tests") ?? 0) {
                    let name = "\(title): \(document.text(test, "description") ?? "")"
                    let isValid = document.index[document.member(test, "valid") ?? 0].traits.contains(.isTrue)
                    switch schema {
                    case .failure(let error): results.append(Result(name: "\(name): \(error)", isRight: false))
                    case .success(let schema):
                        let outcome = try outcome(schema, slice(document, document.member(test, "data") ?? 0))
                        results.append(Result(name: name, isRight: (outcome == "right") == isValid))
                    }
                }
            }
        }
        return results
    }

    private static func remotes(_ folder: URL) throws -> [(uri: String, text: [UInt8])] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { path in
            path.hasSuffix(".json") && !["draft3", "draft6", "draft7", "draft2019-09", "draft2020-12", "draft-next", "v1"].contains { path.hasPrefix($0 + "/") }
        }
        return try paths.map { ("http://localhost:1234/\($0)", Array(try Data(contentsOf: folder.appendingPathComponent($0)))) }
    }

    /// The text of a value.
    private static func slice(_ document: SchemaDocument, _ value: Int) -> [UInt8] {
        let entry = document.index[value]
        let start = Int(entry.offset)
        switch entry.kind {
        case .string: return [UInt8(ascii: "\"")] + Array(document.index.raw(entry).buffer) + [UInt8(ascii: "\"")]
        case .array, .object:
            var (depth, at, isInString) = (0, start, false)
            repeat {
                let byte = document.index.text[at]
                if isInString {
                    if byte == UInt8(ascii: "\\") { at += 1 }
                    if byte == UInt8(ascii: "\"") { isInString = false }
                } else if byte == UInt8(ascii: "\"") {
                    isInString = true
                } else if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") {
                    depth += 1
                } else if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") {
                    depth -= 1
                }
                at += 1
            } while depth > 0
            return Array(UnsafeBufferPointer(start: document.index.text + start, count: at - start))
        default: return Array(document.index.raw(entry).buffer)
        }
    }
}
