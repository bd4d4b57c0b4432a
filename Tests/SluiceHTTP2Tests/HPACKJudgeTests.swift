import Foundation
import SluiceHTTP
import Testing
@testable import SluiceHTTP2

/// HPACK as other makers do it: skipped where neither Python's hpack nor libnghttp2 is installed.
@Suite struct HPACKJudgeTests {
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Judges/hpack_judge.py").path

    private static func judge(_ mode: String, _ input: [String]) -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script, mode]
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("hpack-judge-\(UUID().uuidString)")
        guard (try? Data(input.joined(separator: "\n").utf8).write(to: file)) != nil, let handle = try? FileHandle(forReadingFrom: file) else { return [] }
        defer { try? FileManager.default.removeItem(at: file) }
        let output = Pipe()
        process.standardInput = handle
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return [] }
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init).dropLast()
    }

    static let codecs = judge("codecs", []).filter { !$0.isEmpty }

    /// Lists of fields as traffic has them: names and values that come again, and ones that do not.
    private static func lists(_ count: Int, seed: UInt64) -> [[(String, String)]] {
        var random = FixedRandom(state: seed)
        let names = ["accept", "user-agent", "x-request-id", "content-type", "date", "etag", "x-a", "a-very-long-name-of-a-field-that-nobody-has-in-a-table"]
        return (0..<count).map { number in
            [(":status", ["200", "404", "302", "599"].randomElement(using: &random)!)]
                + (0..<Int.random(in: 0...12, using: &random)).map { _ in
                    let length = Int.random(in: 0...(number % 7 == 0 ? 400 : 30), using: &random)
                    let value = Bool.random(using: &random) ? "v\(Int.random(in: 0..<20, using: &random))" : String((0..<length).map { _ in
                        Character(UnicodeScalar(UInt8.random(in: 0x21...0x7E, using: &random)))
                    })
                    return (names.randomElement(using: &random)!, value)
                }
        }
    }

    private static func text(_ fields: [(String, String)]) -> String {
        "HTTP/1.1 \(fields[0].1) \r\n" + fields.dropFirst().map { "\($0.0): \($0.1)\r\n" }.joined() + "\r\n"
    }

    @Test("what they write, we read", .enabled(if: !codecs.isEmpty))
    func decode() throws {
        let lists = Self.lists(1500, seed: 7)
        let blocks = Self.judge("decode", try lists.map { try json($0.map { [$0.0, $0.1] }) })
        #expect(blocks.count == lists.count * Self.codecs.count)
        for (index, codec) in Self.codecs.enumerated() {
            let reader = BlockReader()
            for (number, fields) in lists.enumerated() {
                let outcome = reader.read(hex(blocks[index * lists.count + number]), .response, piece: number % 2 == 0 ? .max : 5)
                #expect(outcome == BlockReader.Outcome(text: Self.text(fields)), "\(codec), block \(number)")
            }
        }
    }

    @Test("what we write, they read", .enabled(if: !codecs.isEmpty))
    func encode() throws {
        let lists = Self.lists(1500, seed: 8)
        let blocks = lists.map { fields in
            let bytes = Array(Self.text(fields).utf8)
            var block = [UInt8](repeating: 0, count: HPACKEncoder.bytesMax(text: bytes.count))
            let count = withExactly(bytes) {
                HPACKEncoder.encode(ByteView(base: $0, count: bytes.count), kind: .response, tables: HPACKTables.shared, into: &block)
            }
            return block[..<(count ?? 0)].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        let read = Self.judge("encode", blocks)
        #expect(read.count == lists.count * Self.codecs.count)
        for (index, codec) in Self.codecs.enumerated() {
            for (number, fields) in lists.enumerated() {
                let line = Data(read[index * lists.count + number].utf8)
                let seen = try JSONSerialization.jsonObject(with: line, options: .fragmentsAllowed) as? [[String]]
                #expect(seen == fields.map { [$0.0, $0.1] }, "\(codec), block \(number)")
            }
        }
    }

    private func json(_ value: [[String]]) throws -> String { String(decoding: try JSONSerialization.data(withJSONObject: value), as: UTF8.self) }

    /// A folder with the stories of http2jp/hpack-test-case, which is not in this repository.
    static let stories = ProcessInfo.processInfo.environment["SLUICE_HPACK_STORIES"]

    private struct Story: Decodable {
        struct Case: Decodable {
            var wire: String?
            var headers: [[String: String]]
            var tableSize: Int?

            enum CodingKeys: String, CodingKey {
                case wire, headers
                case tableSize = "header_table_size"
            }
        }
        var cases: [Case]
    }

    @Test("every story of every encoder decodes exactly", .enabled(if: stories != nil))
    func everyStory() throws {
        let folder = URL(fileURLWithPath: Self.stories ?? "")
        let files = (FileManager.default.enumerator(atPath: folder.path)?.allObjects as? [String] ?? []).filter { $0.hasSuffix(".json") && !$0.hasPrefix("raw-data") }
        #expect(files.count > 100)
        var blocks = 0
        for file in files.sorted() {
            let story = try JSONDecoder().decode(Story.self, from: Data(contentsOf: folder.appendingPathComponent(file)))
            let reader = BlockReader(area: 100_000, limits: unlimited)
            for (number, one) in story.cases.enumerated() {
                guard let wire = one.wire else { continue }
                if let size = one.tableSize, size > reader.decoder.table.maximum { reader.decoder.allow(size) }
                #expect(fields(hex(wire), reader) == one.headers.flatMap { $0.map { "\($0.key): \($0.value)" } }, "\(file), case \(number)")
                blocks += 1
            }
        }
        print("\(files.count) stories, \(blocks) blocks")
    }

    private var unlimited: HTTP2Limits {
        var limits = HTTP2Limits()
        limits.headBytes = 100_000
        limits.decodedBytes = 10_000_000
        return limits
    }

    /// Every field of a block as it was written, whatever it means: a block that is dropped has each of its fields at the front of the memory for a moment.
    private func fields(_ block: [UInt8], _ reader: BlockReader) -> [String]? {
        reader.assembly.begin(.dropped, reader.area)
        var fields: [String] = []
        for byte in block {
            if reader.assembly.count == 0 { reader.area.base[0] = 0 }
            var byte = byte
            guard reader.decoder.decode(&byte, count: 1, into: &reader.assembly) == nil else { return nil }
            guard reader.assembly.count == 0, reader.area.base[0] != 0 else { continue }
            let text = ByteView(base: reader.area.base, count: 100_000)
            fields.append(text[..<text.index(of: 0x0D, from: 0)].string)
        }
        return reader.decoder.endBlock() == nil ? fields : nil
    }
}
