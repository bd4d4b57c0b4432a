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

    @Test("generated parts, JSON Schema and manual page are what the program prints (scripts/references writes them anew)")
    func references() throws {
        let result = try command([Self.root.appending(path: "scripts/references").path, "--check", Gateway.binary()])
        #expect(result.code == 0, "\(result.everything)")
        for subject in ["yaml", "settings", "metrics", "errors"] {
            let isThere = try Self.pages.contains { try Self.read($0).contains("<!-- begin: sluice reference \(subject) -->") }
            #expect(isThere, "\(subject)")
        }
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
        case "validate", "preCall", "rewrite", "headers", "mock":
            return under("domains:\n  - key: example\n    upstream: http://127.0.0.1:9\n    endpoints:\n      - path: /**\n        policies:\n", 10)
        case "openapi", "swagger":
            return block
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
            try OpenSSL.revocationList(of: [], in: folder)
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

    // MARK: Programs

    /// A gateway for the examples: the service behind it answers with the target that it got.
    private static func exampleGateway(_ policies: String) throws -> Gateway {
        let endpoint = EndpointText("/**", "mock: {status: 200, body: passed}")
        return try Gateway(configuration(key: "orders", policies: policies, [endpoint]))
    }

    @Test("HMAC: each program of the page signs so that the gateway lets it pass, with a given secret and no other")
    func hmac() throws {
        let python = try Self.blocks("python", in: "docs/hmac.md").map { (["python3", "-c"], $0) }
        let shell = try Self.blocks("sh", in: "docs/hmac.md").filter { $0.contains("curl") }.map { (["bash", "-euc"], $0) }
        let script = try Self.blocks("javascript", in: "docs/hmac.md").map { (["node", "--input-type=module", "-e"], $0) }
        let java = try Self.blocks("java", in: "docs/hmac.md").map { (["bash", "-euc", "cd \"$(mktemp -d)\"; cat >Caller.java <<<\"$0\"; java Caller.java"], $0) }
        try #require(python.count == 2 && shell.count == 1 && script.count == 1 && java.count == 1)
        // What is not installed is left out.
        let further = try (script + java).filter { program, _ in
            try command(["bash", "-c", "command -v \(program[0] == "node" ? "node" : "javac")"]).code == 0
        }
        let gateway = try Self.exampleGateway("hmac: {secret: the-shared-secret}")
        for (program, text) in python + shell + further {
            let text = text.replacing("127.0.0.1:8080", with: "127.0.0.1:\(gateway.port)")
            try #require(text.contains(":\(gateway.port)"))
            let right = try command(program + [text], environment: ["ORDERS_SECRET": "the-shared-secret"])
            #expect(right.code == 0 && right.output.hasPrefix("passed"), "\(right.everything)")
            let wrong = try command(program + [text], environment: ["ORDERS_SECRET": "another"])
            #expect(!wrong.output.contains("passed"), "\(wrong.everything)")
        }
    }

    @Test("JWT: the shell example makes a token and is let in")
    func jwt() throws {
        let block = try #require(Self.blocks("sh", in: "docs/jwt.md").first { $0.contains("sluice token") })
        let gateway = try Self.exampleGateway("jwt: {secret: a-secret-of-at-least-32-bytes-for-tests}")
        let folder = URL(fileURLWithPath: try Gateway.binary()).deletingLastPathComponent().path
        let text = "cd '\(gateway.folder.path)'; PATH='\(folder)':$PATH\n" + block.replacing("127.0.0.1:8080", with: "127.0.0.1:\(gateway.port)")
        let result = try command(["bash", "-euc", text])
        #expect(result.code == 0 && result.output == "passed", "\(result.everything)")
    }

    @Test("README's first configuration: each line prints what stands below it")
    func firstConfiguration() throws {
        let folder = try Folder()
        try FileManager.default.createDirectory(atPath: folder.file("members"), withIntermediateDirectories: true)
        try folder.write("members/7", "{\"id\": 7, \"name\": \"Ada\"}\n")
        let port = try Ports.free()
        let service = try ChildProcess(["python3", "-m", "http.server", "\(port)", "--bind", "127.0.0.1", "--directory", folder.path], folder: folder)
        defer { service.end() }
        let listener = try Ports.free()
        func local(_ text: String) -> String {
            text.replacing("127.0.0.1:8080", with: "127.0.0.1:\(listener)").replacing("127.0.0.1:9000", with: "127.0.0.1:\(port)")
        }
        let file = try #require(Self.blocks("yaml", in: "README.md").first)
        let gateway = try Gateway(local(file), folder: folder, environment: ["ORDERS_SECRET": "correct-horse"], readyPort: listener)
        #expect(eventually { (try? RawSocket.connect(port: port, timeout: 1).close()) != nil })
        let block = try #require(Self.blocks("sh", in: "README.md").first { $0.contains("/status/hello") })
        let expected = block.split(separator: "\n").filter { $0.hasPrefix("# ") }.map { String($0.dropFirst(2)) }
        let binaries = URL(fileURLWithPath: try Gateway.binary()).deletingLastPathComponent().path
        let text = "cd '\(gateway.folder.path)'; PATH='\(binaries)':$PATH\n" + local(block).replacing("curl ", with: "curl -s ")
        // The second answer has no line break of its own.
        let lines = try command(["bash", "-c", text], environment: ["ORDERS_SECRET": "correct-horse"])
        for line in expected { #expect(lines.output.contains(line), "\(line)\n\(lines.everything)") }
        #expect(expected.count == 3)
    }

    @Test("validation: each line of the page gets what stands below it")
    func validation() throws {
        let upstream = try ScriptedUpstream()
        let file = try #require(Self.blocks("yaml", in: "docs/validation.md").first).replacing("http://127.0.0.1:9000", with: upstream.url)
        let gateway = try Gateway(file)
        let block = try #require(Self.blocks("sh", in: "docs/validation.md").first).replacing("\\\n", with: "")
        let lines = block.split(separator: "\n").map(String.init)
        try #require(lines.count >= 16 && lines.count.isMultiple(of: 2))
        for index in stride(from: 0, to: lines.count, by: 2) {
            let result = try command(["bash", "-c", lines[index].replacing("127.0.0.1:8080", with: "127.0.0.1:\(gateway.port)")])
            #expect(result.output.contains("\"Bad Request (\(lines[index + 1].dropFirst(2)))\""), "\(lines[index])\n\(result.everything)")
        }
        #expect(upstream.requests.isEmpty)
    }

    // MARK: Commands

    @Test("every command stands in README's table and in the manual page")
    func commands() throws {
        let help = try run(["--help"]).output
        let names = help.matches(of: /(?m)^  ([a-z]+)  +[A-Z]/).map { String($0.1) }.filter { $0 != "help" }
        #expect(names.count > 8)
        let (readme, manual) = (try Self.read("README.md"), try Self.read("docs/sluice.1"))
        for name in names {
            #expect(readme.contains("| `sluice \(name)") || readme.contains(", `sluice \(name)"), "\(name)")
            #expect(manual.contains("\n.SS \(name)\n"), "\(name)")
        }
    }

    @Test("init writes a configuration that check accepts, and replaces no file")
    func initialConfiguration() throws {
        let folder = try Folder()
        let file = folder.file("first.yaml")
        #expect(try run(["init", file]).code == 0)
        let text = folder.read("first.yaml")
        let checked = try run(["check", file])
        #expect(checked.code == 0 && checked.output == "\(file): no problems\n", "\(checked.everything)")
        try folder.write("first.yaml", text + "# mine\n")
        let again = try run(["init", file])
        #expect(again.code == 1 && again.errors == "\(file): cannot be written: the file exists\n", "\(again.everything)")
        #expect(folder.read("first.yaml").hasSuffix("# mine\n"))
        #expect(try run(["init", "-"]).output == text)
        #expect(try run(["init", folder.file("none/first.yaml")]).code == 1)
        let line = "cd '\(folder.path)' && '\(try Gateway.binary())' init && '\(try Gateway.binary())' check sluice.yaml"
        #expect(try command(["bash", "-c", line]).code == 0)
    }

    @Test("what init leaves as comments is accepted too")
    func initialComments() throws {
        let lines = try run(["init", "-"]).output.split(separator: "\n", omittingEmptySubsequences: false)
        let policies = lines.map(String.init).filter { $0.contains("# hmac:") || $0.contains("# jwt:") || $0.contains("# cors:") }
        #expect(policies.count == 3)
        for policy in policies {
            let text = policy.trimmingCharacters(in: CharacterSet(charactersIn: " #"))
            let file = try Folder().write("sluice.yaml", Self.whole(text))
            let result = try run(["check", file], environment: ["API_SECRET": "a secret"])
            #expect(result.code == 0, "\(text): \(result.everything)")
        }
    }

    @Test("completions know every setting's flag, for each command that takes it", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) throws {
        let script = try run(["--generate-completion-script", shell], seconds: 60)
        #expect(script.code == 0)
        let flags = try run(["reference", "settings"]).output.matches(of: /`--([a-z-]+)`/).map { String($0.1) }
        #expect(flags.count > 40)
        for flag in flags { #expect(script.output.ranges(of: flag).count >= 6, "\(flag)") }
        #expect(script.output.contains("refusals"), "the words of a setting")
    }
}
