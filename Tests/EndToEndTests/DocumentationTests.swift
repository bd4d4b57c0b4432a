import Foundation
import Testing

/// The documents as a reader uses them: their references are the program's, and their examples work.
@Suite("Documentation", .loopback, .minutes(5))
struct DocumentationTests {
    private static let root = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardized

    private static func read(_ name: String) throws -> String { try String(contentsOf: root.appending(path: name), encoding: .utf8) }

    /// README and the pages of `docs/`.
    private static let pages: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: "docs").path)) ?? []
        return ["README.md"] + names.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    }()

    /// The fenced blocks of a page in one language.
    private static func blocks(_ language: String, in page: String) throws -> [String] {
        try read(page).components(separatedBy: "\n```\(language)\n").dropFirst().map { $0.components(separatedBy: "\n```")[0] + "\n" }
    }

    @Test("each generated part is what the program prints (scripts/references writes them anew)", arguments: [
        ("docs/configuration.md", "yaml"), ("docs/settings.md", "settings"), ("docs/metrics.md", "metrics"), ("docs/errors.md", "errors"),
    ])
    func references(page: String, subject: String) throws {
        let parts = try Self.read(page).components(separatedBy: "<!-- begin: sluice reference \(subject) -->\n\n")
        try #require(parts.count == 2, "\(page)")
        let written = parts[1].components(separatedBy: "<!-- end -->")[0]
        let printed = try run(["reference", subject])
        #expect(printed.code == 0 && written == printed.output, "\(page)")
    }

    @Test("reference without a subject prints all parts; an unknown subject is an error")
    func wholeReference() throws {
        let all = try run(["reference"])
        #expect(all.code == 0)
        for subject in ["yaml", "settings", "metrics", "errors"] {
            let part = try run(["reference", subject]).output
            #expect(part.count > 100 && all.output.contains(part), "\(subject)")
        }
        #expect(try run(["reference", "nothing"]).code == 2)
    }

    // MARK: Configurations

    /// An example as a whole configuration: a policy that stands alone is put under a domain or an endpoint.
    private static func whole(_ block: String) -> String {
        let lines = block.split(separator: "\n", omittingEmptySubsequences: false)
        let first = lines.first { !$0.hasPrefix("#") && !$0.isEmpty }?.split(separator: ":").first.map(String.init) ?? ""
        func under(_ head: String, _ indentation: Int) -> String {
            head + lines.map { String(repeating: " ", count: indentation) + $0 }.joined(separator: "\n") + "\n"
        }
        switch first {
        case "ipAcl", "cors", "maintenance", "usageQuota", "hmac", "jwt":
            return under("domains:\n  - key: example\n    upstream: http://127.0.0.1:9\n    endpoints: [{path: /**}]\n    policies:\n", 6)
        case "preCall", "rewrite", "headers", "mock":
            return under("domains:\n  - key: example\n    upstream: http://127.0.0.1:9\n    endpoints:\n      - path: /**\n        policies:\n", 10)
        default:
            return block.contains("domains:") ? block : block + "domains: [{key: example, endpoints: [{path: /, policies: {mock: {status: 200}}}]}]\n"
        }
    }

    @Test("every configuration is accepted by `sluice check`", arguments: pages)
    func configurations(page: String) throws {
        for block in try Self.blocks("yaml", in: page) {
            let folder = try Folder()
            try OpenSSL.authority(in: folder)
            try OpenSSL.certificate("tls", for: ["orders.example.com", "example.com"], in: folder)
            try folder.write("tls.crt", folder.read("tls.pem"))
            try folder.write("public.pem", OpenSSL.publicKey(of: OpenSSL.rsaKey()))
            try folder.write("jwks.json", Signing.jwks([("a", OpenSSL.rsaKey())]))
            try folder.write("secret", "a secret of at least 32 bytes, for tests")
            try folder.write("shop-tls.crt", folder.read("tls.pem"))
            for name in ["tls", "shop-tls"] { if name != "tls" { try folder.write(name + ".key", folder.read("tls.key")) } }
            let text = Self.whole(block).replacing("/etc/sluice/", with: "")
            let file = try folder.write("sluice.yaml", text)
            let names = text.matches(of: /\{env: (\w+)\}/).map { String($0.1) }
            let variables = Dictionary(names.map { ($0, $0.hasSuffix("URL") ? "http://127.0.0.1:9" : "a-secret-of-at-least-32-bytes-for-tests") }) { $1 }
            let result = try run(["check", file], environment: variables)
            #expect(result.code == 0, "\(page):\n\(text)\n\(result.everything)")
        }
    }
}
