import Foundation
import Testing

/// The whole gateway, played: seeds of `gateway-simulation`, which is built beside this bundle.
/// Not under sanitizers, which have the C library's names for themselves.
@Suite("Gateway, simulated", .disabled(if: ProcessInfo.processInfo.environment["SLUICE_TEST_SANITIZER"] != nil))
struct GatewaySimulationTests {
    @Test("a thousand seeds: whatever clients, services, clocks and the operator do, the gateway does what the contract says")
    func seeds() throws {
        let run = try Self.play(["--from", "1", "--seeds", "1000"])
        #expect(run.code == 0, "\(run.output.suffix(6000))")
    }

    @Test("a seed is the same play every time")
    func reproducible() throws {
        let first = try Self.play(["--from", "7", "--seeds", "1", "--transcript"])
        #expect(first.output.count > 1000)
        #expect(try Self.play(["--from", "7", "--seeds", "1", "--transcript"]).output == first.output)
    }

    private static func play(_ arguments: [String]) throws -> (code: Int32, output: String) {
        let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let places = [folder, Bundle.main.bundleURL, Bundle.main.bundleURL.deletingLastPathComponent()]
        let program = try #require(places.map { $0.appendingPathComponent("gateway-simulation") }.first { FileManager.default.isExecutableFile(atPath: $0.path) })
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
