import Foundation
import Testing

/// What scripts/package and deploy/ are made of, without making it: that takes root and Debian's archive
/// (scripts/package test-deb and test-oci).
@Suite("Packages", .loopback, .minutes(2))
struct PackageTests {
    private static let root = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardized

    private static func read(_ name: String) throws -> String { try String(contentsOf: root.appending(path: name), encoding: .utf8) }

    private static func isThere(_ name: String) -> Bool { FileManager.default.fileExists(atPath: root.appending(path: name).path) }

    @Test("the scripts are read by their shells, and by shellcheck where it is installed")
    func scripts() throws {
        let maintainer = ["postinst", "prerm", "postrm"].map { "packaging/debian/" + $0 }
        for name in ["scripts/package"] + maintainer {
            let path = Self.root.appending(path: name).path
            #expect(FileManager.default.isExecutableFile(atPath: path), "\(name)")
            let read = try command([name.hasPrefix("scripts/") ? "bash" : "sh", "-n", path])
            #expect(read.code == 0, "\(read.everything)")
            let judged = try command(["sh", "-c", "! command -v shellcheck >/dev/null || shellcheck \"$0\"", path])
            #expect(judged.code == 0, "\(judged.everything)")
        }
    }

    @Test("every file that scripts/package and the manifests name is there")
    func files() throws {
        let script = try Self.read("scripts/package")
        let named = Set(script.matches(of: /(?:packaging|docker|docs)\/[A-Za-z0-9\/.-]*[A-Za-z0-9]/).map { String($0.0) })
        #expect(named.count >= 8, "\(named.sorted())")
        for name in named { #expect(Self.isThere(name), "\(name)") }
        let resources = try Self.read("deploy/kubernetes/kustomization.yaml").matches(of: /- ([a-z]+\.yaml)/).map { String($0.1) }
        #expect(resources.count == 5)
        for name in resources { #expect(Self.isThere("deploy/kubernetes/" + name), "\(name)") }
    }

    @Test("the version that is packaged is the program's")
    func version() throws {
        let version = try run(["--version"]).output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try Self.read("Sources/sluice/Sluice.swift").contains("version: \"\(version)\""))
        for name in ["docs/install.md", "README.md"] { #expect(try Self.read(name).contains("sluice_\(version)_amd64.deb"), "\(name)") }
        #expect(try Self.read("deploy/kubernetes/kustomization.yaml").contains("newTag: \(version)"))
    }

    @Test("`sluice check` accepts the configurations of the package and of the ConfigMap")
    func configurations() throws {
        let map = try Self.read("deploy/kubernetes/configmap.yaml").components(separatedBy: "\n  sluice.yaml: |\n")
        try #require(map.count == 2)
        let embedded = map[1].split(separator: "\n", omittingEmptySubsequences: false).map { $0.dropFirst(4) }.joined(separator: "\n")
        for text in [try Self.read("packaging/sluice.yaml"), embedded] {
            let result = try run(["check", Folder().write("sluice.yaml", text)], environment: ["SLUICE_STATE_DIR": "off"])
            #expect(result.code == 0, "\(text)\n\(result.everything)")
        }
    }

    @Test("a pod and a service have longer to end than the gateway needs to drain")
    func drain() throws {
        func number(_ name: String, _ pattern: Regex<(Substring, Substring)>) throws -> Int {
            let match = try #require(Self.read(name).firstMatch(of: pattern), "\(name)")
            return try #require(Int(match.1))
        }
        let deployment = "deploy/kubernetes/deployment.yaml"
        let drain = try number(deployment, /SLUICE_DRAIN_TIMEOUT_MS, value: "(\d+)"/) / 1000
        let pause = try number(deployment, /sleep: \{seconds: (\d+)\}/)
        #expect(try number(deployment, /terminationGracePeriodSeconds: (\d+)/) > pause + drain)
        #expect(try number("docker/systemd/sluice.service", /TimeoutStopSec=(\d+)/) > 30)
    }

    @Test("the unit checks the configuration before a start and before a reload")
    func unit() throws {
        let lines = try Self.read("docker/systemd/sluice.service").split(separator: "\n")
        let check = "/usr/bin/sluice check --config /etc/sluice/sluice.yaml"
        #expect(lines.contains("ExecStartPre=\(check)"))
        let reload = lines.filter { $0.hasPrefix("ExecReload=") }
        #expect(reload == ["ExecReload=\(check)", "ExecReload=/bin/kill -HUP $MAINPID"])
    }
}
