import Foundation
import Testing

/// The documents as data: links, widths, and what they have to name.
@Suite("Documents")
struct DocumentTests {
    private static let names: [String] = {
        let docs = (try? FileManager.default.contentsOfDirectory(atPath: SourceTree.root.appendingPathComponent("docs").path)) ?? []
        let own = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
        return own + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    }()

    private func read(_ name: String) throws -> String {
        try String(contentsOf: SourceTree.root.appendingPathComponent(name), encoding: .utf8)
    }

    /// The lines that are prose, with their numbers: no code, no tables.
    private func prose(_ text: String) -> [(number: Int, line: Substring)] {
        var isCode = false
        var lines: [(Int, Substring)] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.drop(while: { $0 == " " }).hasPrefix("```") { isCode.toggle() } else if !isCode, !line.hasPrefix("|") { lines.append((number + 1, line)) }
        }
        return lines
    }

    /// Headings as links name them.
    private func anchors(_ text: String) -> Set<String> {
        Set(prose(text).filter { $0.line.hasPrefix("#") }.map { heading in
            let title = heading.line.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
            return String(title.filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }).replacingOccurrences(of: " ", with: "-")
        })
    }

    @Test("the documents are found")
    func found() { #expect(Self.names.count > 15) }

    @Test("every link leads to a file, and to a heading that is there", arguments: names)
    func links(name: String) throws {
        let text = try read(name)
        let folder = (name as NSString).deletingLastPathComponent
        for match in text.matches(of: /\]\(([^)\s]+)\)/) {
            let link = String(match.1)
            guard !link.contains("://") else { continue }
            let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let target = parts[0].isEmpty ? name : ((folder as NSString).appendingPathComponent(parts[0]) as NSString).standardizingPath
            let path = SourceTree.root.appendingPathComponent(target).path
            guard FileManager.default.fileExists(atPath: path) else {
                Issue.record("\(name): \(link) leads nowhere")
                continue
            }
            if parts.count == 2, target.hasSuffix(".md") { #expect(anchors(try read(target)).contains(parts[1]), "\(name): \(link)") }
        }
    }

    @Test("lines of prose have at most 120 columns", arguments: names)
    func widths(name: String) throws {
        for (number, line) in prose(try read(name)) { #expect(line.count <= 120, "\(name):\(number): \(line.count)") }
    }

    @Test("every field of the access log is explained")
    func accessLog() throws {
        let page = try read("docs/operations.md")
        let source = try #require(SourceTree.sources.first { $0.name == "ExchangeRecords" })
        let fields = Set(source.text.matches(of: /"?[{,]?"([A-Za-z]+)":/).map { String($0.1) })
        #expect(fields.count > 12, "\(fields)")
        for field in fields { #expect(page.contains("`\(field)`"), "\(field)") }
    }

    @Test("every detail of an error is explained")
    func details() throws {
        let page = try read("docs/errors.md")
        let calls = /(?:badRequest|upstreamFailed|upstreamUnavailable|upstreamTimeout)\((?:[^()"]*\? )?"([^"]+)"(?: : "([^"]+)")?|detail: "([^"]+)"/
        let phrases = Set(SourceTree.sources.filter { $0.module == "SluiceGateway" }.flatMap { file in
            file.text.matches(of: calls).flatMap { [$0.1, $0.2, $0.3].compactMap { $0.map(String.init) } }
        })
        #expect(phrases.count > 20, "\(phrases.sorted())")
        for phrase in phrases { #expect(page.contains("`\(phrase)`"), "\(phrase)") }
    }

    @Test("every page of docs/ is reached from its list")
    func index() throws {
        let list = try read("docs/README.md")
        for name in Self.names where name.hasPrefix("docs/") && name != "docs/README.md" {
            #expect(list.contains("](\(name.dropFirst("docs/".count)))"), "\(name)")
        }
    }
}
