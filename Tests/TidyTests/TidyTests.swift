import Foundation
import Testing

/// The tree checked as data: what a review would otherwise have to look for in every change.
@Suite("Tidy")
struct TidyTests {
    /// What each module of ours may import of ours and of C. Imports point down, never sideways or up.
    private let allowed: [String: Set<String>] = [
        "sluice": ["SluiceAdmin", "SluiceCallers", "SluiceClient", "SluiceRedis", "SluiceStore", "SluiceCounting", "SluiceGateway", "SluiceConfiguration", "SluiceHTTP", "SluiceCrypto", "SluiceEvent", "SluicePattern"],
        "SluiceAdmin": ["SluiceCallers", "SluiceClient", "SluiceGateway", "SluiceCounting", "SluiceConfiguration", "SluiceHTTP", "SluiceCrypto", "SluiceEvent", "SluicePattern"],
        "SluiceGateway": ["SluiceCallers", "SluiceClient", "SluiceConfiguration", "SluiceCounting", "SluiceHTTP", "SluiceHTTP2", "SluiceCrypto", "SluiceEvent", "SluicePattern", "SluiceSchema"],
        "SluiceConfiguration": [],
        "SluiceCounting": [],
        "SluiceCallers": ["SluiceHTTP"],
        "SluiceStore": ["SluiceCallers", "SluiceCounting", "GRDB"],
        "SluiceRedis": ["SluiceClient", "SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent", "CHiredis"],
        "SluiceSimulation": ["SluiceCounting"],
        "SluiceClient": ["SluiceCrypto", "SluiceEvent", "SluiceHTTP"],
        "SluiceCrypto": ["SluiceHTTP", "COpenSSL"],
        "SluicePattern": ["SluiceHTTP", "CPCRE2"],
        "SluiceSchema": ["SluiceHTTP", "SluicePattern"],
        "SluiceEvent": ["SluiceHTTP", "CLibevent"],
        "SluiceHTTP2": ["SluiceHTTP"],
        "SluiceHTTP": ["CByteScan"],
    ]

    @Test("the tree is found")
    func found() {
        #expect(SourceTree.sources.count > 10)
        #expect(SourceTree.sources.contains { $0.path.hasPrefix("Sources/SluiceHTTP/") })
        #expect(SourceTree.tests.contains { $0.name == "TidyTests" })
    }

    @Test("the reader of imports sees every form")
    func importReader() {
        let file = SourceTree.File(
            path: "Sources/A/B.swift",
            lines: ["import One", "package import Two", "@testable import Three", "internal import struct Four.Five", "// import Six", "let a = 1"])
        #expect(file.imports == ["One", "Two", "Three", "Four"])
    }

    @Test("imports point down only, and each C library has one importer")
    func imports() {
        for file in SourceTree.sources {
            guard let mayImport = allowed[file.module] else {
                Issue.record("\(file.path) is in a module that this test does not know")
                continue
            }
            for name in file.imports where name.hasPrefix("Sluice") || ["CByteScan", "CHiredis", "CLibevent", "COpenSSL", "CPCRE2", "GRDB"].contains(name) {
                #expect(mayImport.contains(name), "\(file.path) imports \(name)")
            }
        }
    }

    @Test("the folders of the gateway are floors: each uses what stands below it, and nothing else; clients' side and services' side do not know each other")
    func floors() throws { try run("floors") }

    @Test("no type of the data plane is large without a reason")
    func largeTypes() throws { try run("sizes") }

    /// Runs a script of the tree that looks at its sources, and fails with what it prints.
    private func run(_ name: String) throws {
        let script = Process()
        script.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        script.arguments = ["python3", SourceTree.root.appendingPathComponent("scripts/\(name)").path]
        let output = Pipe()
        script.standardOutput = output
        try script.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        script.waitUntilExit()
        #expect(script.terminationStatus == 0, "\(text)")
    }

    @Test("no Foundation in the data plane and below")
    func foundation() {
        for file in SourceTree.sources where ["SluiceHTTP", "SluiceHTTP2", "SluiceEvent", "SluiceCrypto", "SluicePattern", "SluiceSchema", "SluiceCallers", "SluiceCounting", "SluiceRedis", "SluiceSimulation", "SluiceClient", "SluiceGateway"].contains(file.module) {
            #expect(!file.imports.contains { $0.hasPrefix("Foundation") }, "\(file.path)")
        }
    }

    @Test("nothing that changes is the process's own: two gateways in one process share constants alone")
    func statics() throws {
        // Disks are the process's: see the file.
        let allowed = ["Sources/SluiceConfiguration/Reading/FilesUnderWay.swift"]
        let changing = try Regex(#"\bstatic (?:let|var) \w+(?:: [^={]+)? = (?:Mutex|Atomic|Signal)\b|\bstatic var \w+(?:: [^={]+)? = "#)
        for file in SourceTree.sources where file.module != "sluice" && !allowed.contains(file.path) {
            for line in file.lines where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                #expect(line.firstMatch(of: changing) == nil, "\(file.path): \(line)")
            }
        }
    }

    @Test("a source file bears the name of what it declares: Type, OuterInner for a nested type, or Type+Subject")
    func fileNames() {
        for file in SourceTree.sources where file.name != "main" {
            let name = String(file.name.split(separator: "+")[0]).lowercased()
            let declaration = /\b(?:struct|class|enum|protocol|actor|extension|typealias|func)\s+([A-Za-z0-9_.]+)/
            let names = file.lines.filter { !$0.drop(while: { $0 == " " }).hasPrefix("//") }
                .compactMap { $0.firstMatch(of: declaration).map { $0.1.lowercased() } }
            let whole = Set(names.flatMap { [$0, $0.replacingOccurrences(of: ".", with: ""), String($0.split(separator: ".").last ?? "")] })
            let isDeclared = whole.contains(name) || whole.contains { outer in name.hasPrefix(outer) && whole.contains(String(name.dropFirst(outer.count))) }
            #expect(isDeclared, "\(file.path)")
        }
    }

    @Test("nothing is left over: no notes to self, no debugging output, no commented-out code")
    func leftovers() throws {
        let words = ["TO" + "DO", "FIX" + "ME", "HA" + "CK"]
        let code = /^\s*\/\/\s*(let|var|func|if|guard|return|import|for|switch)\s.*[({=]\s*.*$/
        for file in SourceTree.sources + SourceTree.tests {
            for (number, line) in file.lines.enumerated() {
                let left = words.contains { line.contains($0) } || line.contains("debug" + "Print(")
                #expect(!left, "\(file.path):\(number + 1): \(line)")
                let isCode = line.wholeMatch(of: code) != nil && (line.hasSuffix("{") || line.hasSuffix(")"))
                #expect(!isCode, "commented-out code? \(file.path):\(number + 1)")
                #expect(line.last != " " && line.last != "\t", "trailing blank: \(file.path):\(number + 1)")
            }
        }
    }

    @Test("what a peer sends can never trap: no try!, no fatalError, no as!")
    func traps() {
        for file in SourceTree.sources {
            for (number, line) in file.lines.enumerated() where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                for call in ["try!", "fatalError(", " as! "] { #expect(!line.contains(call), "\(file.path):\(number + 1): \(call)") }
            }
        }
    }

    @Test("what the compiler cannot check about threads says in the comment above it why it is safe")
    func unchecked() {
        for file in SourceTree.sources {
            for (number, line) in file.lines.enumerated() where line.contains("@unchecked Send" + "able") || line.contains("nonisolated(" + "unsafe)") {
                let isComment = { (text: Substring) in text.drop { $0 == " " }.hasPrefix("//") || text.drop { $0 == " " }.hasPrefix("@") }
                guard !isComment(line) else { continue }
                let comment = file.lines[..<number].reversed().prefix(while: isComment).joined()
                #expect(comment.contains("Sendable") || comment.contains("any thread") || comment.contains("As above"), "\(file.path):\(number + 1)")
            }
        }
    }

    @Test("no file is over 500 lines")
    func sizes() {
        for file in SourceTree.sources + SourceTree.tests { #expect(file.lines.count <= 500, "\(file.path): \(file.lines.count)") }
    }
}
