import Foundation
import Testing

/// The codec beside llhttp and h11, on a fixed series of messages. The two come from PyPI: `scripts/dependencies test` fetches them,
/// and without them, which it says, there is nothing to compare with.
@Suite("Differential", .loopback, .minutes(5))
struct DifferentialTests {
    private static let conformance = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Conformance")
    private static let parsers = conformance.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent(".build-differential/venv/bin/python").path

    @Test(
        "every disagreement with llhttp and h11 has a known reason, with its rule",
        .enabled(if: FileManager.default.isExecutableFile(atPath: parsers), "no parsers: scripts/dependencies test fetches them"))
    func codec() throws {
        let driver = URL(fileURLWithPath: try Gateway.builtBinary("codec-driver")).path
        let script = Self.conformance.appendingPathComponent("differential.py").path
        let result = try command(
            [Self.parsers, script, "--driver", driver, "--count", "15000", "--seed", "1"], environment: ["PATH": "/usr/bin:/bin"], seconds: 90)
        #expect(result.code == 0, "\(result.everything.suffix(4000))")
        #expect(result.output.contains("llhttp: 15000 messages") && result.output.contains("h11: 15000 messages"))
    }
}
