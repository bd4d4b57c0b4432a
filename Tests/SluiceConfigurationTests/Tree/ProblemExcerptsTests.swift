import Foundation
import SluiceConfiguration
import Testing

@Suite("Excerpts of problems")
struct ProblemExcerptsTests {
    /// All that is shown of a file with problems at these lines.
    private func shown(_ text: String, line: Int, column: Int = 1, found: String = "x", allowed: String = "y", keyPath: String = "") throws -> [String] {
        var lines: [String] = []
        try withFolder { folder in
            try Array(text.utf8).write(to: folder + "/sluice.yaml")
            var excerpts = ProblemExcerpts()
            lines = excerpts.excerpt(of: Problem(
                file: folder + "/sluice.yaml", position: SourcePosition(line: line, column: column), keyPath: keyPath, found: found, allowed: allowed))
        }
        return lines
    }

    @Test("the line, with a caret under the place")
    func plain() throws {
        #expect(try shown("a: 1\nbcd: 5\n", line: 2, column: 6) == ["  2 | bcd: 5", "    |      ^"])
        #expect(try shown("a: 1\n", line: 7) == [])
    }

    @Test("what may be a secret is not shown, also under a key that is mistyped", arguments: [
        "hmac:\n  secert: hunter2", "policies:\n  jwt:\n    sekret: hunter2", "jwt: {sceret: hunter2}", "x:\n  secret:\n    hunter2", "password: hunter2",
        "url: http://u:hunter2@h/", "x: -----BEGIN hunter2",
    ])
    func secrets(text: String) throws {
        let count = text.split(separator: "\n").count
        #expect(try shown(text, line: count, column: 5) == [])
    }

    @Test("a mistyped key is shown without what stands behind it; nothing where a secret is meant", arguments: [
        ("the unknown key \"seret\"", "key, hosts or upstream", ["  2 |   seret:", "    |   ^"]),
        ("the unknown key \"seret\" (did you mean secret?)", "algorithm", []), ("the unknown key \"seret\"", "secret, publicKey or jwks", []),
    ])
    func mistyped(found: String, allowed: String, excerpt: [String]) throws {
        #expect(try shown("- key: a\n  seret: hunter2\n", line: 2, column: 3, found: found, allowed: allowed) == excerpt)
    }
}
