import Foundation
import Testing

@testable import SluiceConfiguration

@Suite("Included files")
struct IncludedFilesTests {
    /// Keys of the domains, and problems, of a configuration with these files beside it.
    private func load(_ main: String, _ files: [String: String]) throws -> (keys: [String], problems: [String], tree: ConfigurationNode?) {
        var result: (keys: [String], problems: [String], tree: ConfigurationNode?) = ([], [], nil)
        try withFolder { folder in
            for (name, text) in files {
                let path = folder + "/" + name
                try FileManager.default.createDirectory(atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
                try Array(text.utf8).write(to: path)
            }
            try Array(main.utf8).write(to: folder + "/sluice.yaml")
            let problems = Problems(file: folder + "/sluice.yaml", environment: [:])
            let tree = ConfigurationNode.load(problems: problems)
            result.keys = (tree?["domains"]?.elements ?? []).compactMap { $0["key"]?.text }
            result.problems = problems.all.map { $0.description.replacingOccurrences(of: folder + "/", with: "") }
            result.tree = tree
        }
        return result
    }

    @Test("domains of further files follow the configuration's own, in the order of the files' names")
    func sorted() throws {
        let (keys, problems, tree) = try load("include: [domains/*.yaml, last.yaml]\ndomains: [{key: own}]\n", [
            "domains/b.yaml": "domains: [{key: b}]", "domains/a.yaml": "domains: [{key: a1}, {key: a2}]", "domains/B.yaml": "domains: [{key: B}]",
            "domains/c.txt": "x", "last.yaml": "domains: [{key: last}]",
        ])
        #expect(keys == ["own", "B", "a1", "a2", "b", "last"] && problems == [] && tree?["include"] == nil)
        #expect(try load("include: one.yaml", ["one.yaml": "domains: [{key: one}]"]).keys == ["one"])
    }

    @Test("a file that two patterns name is read once")
    func once() throws {
        #expect(try load("include: ['*.yml', a.yml]", ["a.yml": "domains: [{key: a}]"]).keys == ["a"])
    }

    @Test("problems name the file in which they stand; a file includes no others")
    func places() throws {
        let (_, problems, _) = try load("include: ['d/*', absent.yaml]\n", [
            "d/1.yaml": "domains: [{key: a}]\ninclude: [x]", "d/2.yaml": "domains: 5", "d/3.yaml": "domains: [\n  {key: {a}, key: 1}]", "d/4.yaml": "\ta: 1", "d/5.yaml": "",
        ])
        #expect(problems.map { $0.split(separator: " ").prefix(2).joined(separator: " ") } == [
            "d/1.yaml:2:1: include:", "d/2.yaml:1:10: domains:", "d/3.yaml:2:14: domains[0].key:", "d/4.yaml:1:1: found", "d/5.yaml:1:1: found",
            "absent.yaml:1:1: found",
        ])
    }

    @Test("a pattern that matches nothing is noted; other types than names are faults")
    func nothing() throws {
        #expect(try load("include: ['none/*.yaml']\ndomains: [{key: a}]", [:]).problems == ["sluice.yaml:1:11: include[0]: note: no file matches \"none/*.yaml\""])
        #expect(try load("include: {a: 1}", [:]).problems == ["sluice.yaml:1:10: include: found a mapping, allowed text or a list of texts"])
    }

    @Test("a folder that cannot be read is a fault, and not one without files")
    func unreadable() throws {
        try withFolder { folder in
            try FileManager.default.createSymbolicLink(atPath: folder + "/d", withDestinationPath: folder + "/d")
            try Array("include: ['d/*.yaml']\ndomains: [{key: a}]".utf8).write(to: folder + "/sluice.yaml")
            let problems = Problems(file: folder + "/sluice.yaml", environment: [:])
            _ = ConfigurationNode.load(problems: problems)
            #expect(problems.all.map(\.found) == ["a folder that cannot be read (too many levels of symbolic links)"])
            #expect(problems.refuseConfiguration)
        }
    }

    @Test("files that an included file names are relative to it")
    func relative() throws {
        try withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/d", withIntermediateDirectories: true)
            try Array("domains: [{secret: {file: s}}]".utf8).write(to: folder + "/d/x.yaml")
            try Array("deep".utf8).write(to: folder + "/d/s")
            try Array("include: [d/x.yaml]".utf8).write(to: folder + "/sluice.yaml")
            let problems = Problems(file: folder + "/sluice.yaml", environment: [:])
            let domain = try #require(ConfigurationNode.load(problems: problems)?["domains"]?.elements?.first)
            let secret = try #require(MappingReader(domain, problems)?.secret("secret"))
            #expect(secret.value.bytes == Array("deep".utf8) && problems.isEmpty)
        }
    }

    /// What including `*.yaml`, ten files of 100 bytes that are links, says with these bounds.
    private func bounded(filesMax: Int, bytesMax: Int) throws -> [String] {
        var found: [String] = []
        try withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
            for number in 0..<10 {
                let text = "domains: [{key: k\(number)}]"
                try Array((text + String(repeating: " ", count: 100 - text.utf8.count)).utf8).write(to: folder + "/data/\(number)")
                try FileManager.default.createSymbolicLink(atPath: folder + "/\(number).yaml", withDestinationPath: "data/\(number)")
            }
            let problems = Problems(file: folder + "/sluice", environment: [:])
            let tree = try #require(ConfigurationNode.load(text: "include: ['*.yaml']", problems: problems))
            let whole = IncludedFiles.expand(tree, problems, filesMax: filesMax, bytesMax: bytesMax)
            if problems.isEmpty { #expect(whole["domains"]?.elements?.count == 10) }
            found = problems.all.map(\.found)
        }
        return found
    }

    @Test("bounds: so many files, and so many bytes of what links lead to, and not one more")
    func bounds() throws {
        #expect(IncludedFiles.filesMax == 10_000 && IncludedFiles.bytesMax == 256 << 20)
        #expect(try bounded(filesMax: 10, bytesMax: 1000) == [])
        #expect(try bounded(filesMax: 9, bytesMax: 1000) == ["more than 9 files"])
        #expect(try bounded(filesMax: 10, bytesMax: 999) == ["files of more than 999 bytes together"])
    }

    @Test("the name of the configuration's own folder is no pattern")
    func folders() throws {
        try withFolder { outer in
            let folder = outer + "/a[b]*\\c"
            try FileManager.default.createDirectory(atPath: folder + "/d", withIntermediateDirectories: true)
            try Array("domains: [{key: a}]".utf8).write(to: folder + "/d/x.yaml")
            try FileManager.default.createSymbolicLink(atPath: folder + "/loop", withDestinationPath: "loop")
            func load(_ text: String) throws -> (keys: Int?, problems: [String]) {
                try Array(text.utf8).write(to: folder + "/sluice.yaml")
                let problems = Problems(file: folder + "/sluice.yaml", environment: [:])
                let tree = ConfigurationNode.load(problems: problems)
                return (tree?["domains"]?.elements?.count, problems.all.map { ($0.isNote ? "note: " : "") + $0.found })
            }
            #expect(try load("include: ['d/*.yaml', '*/x.yaml']") == (1, []))
            #expect(try load("include: ['none/*.yaml']") == (0, ["note: no file matches \"none/*.yaml\""]))
            #expect(try load("include: ['loop/*.yaml']") == (0, ["a folder that cannot be read (too many levels of symbolic links)"]))
        }
    }
}
