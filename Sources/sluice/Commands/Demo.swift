import ArgumentParser
import Foundation
import Logging
import SluiceAdmin
import SluiceConfiguration
import SluiceCrypto
import SluiceGateway

/// `sluice demo`: gateway and sample upstream in one process, with lines to try.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a demonstration with built-in defaults: every policy, a sample upstream, and curl lines to try them.",
        discussion: """
            Needs no file and leaves no file. `sluice demo --print-config > sluice.yaml` writes the demo's configuration to a file, \
            to start from; in the demo its upstream is the sample. Ends with Ctrl-C or SIGTERM.

            \(SettingsFlags.discussion)
            """)

    @Option(help: ArgumentHelp("The port of 127.0.0.1 to listen on. The default is SLUICE_LISTEN if it is set, else port 8080.", valueName: "PORT"))
    var port: UInt16?

    @Flag(help: "Print the configuration and exit.")
    var printConfig = false

    @OptionGroup var shownSettings: SettingsCompletions

    func validate() throws {
        if port == 0 { throw ValidationError("--port takes 1 to 65535") }
    }

    func run() throws {
        if printConfig { return try Report.output(DemoConfiguration.text) }
        let settings = try self.settings()
        let control = Control(signals: SignalQueue(), log: .ofProcess(settings), manager: ServiceManager())
        let key = try Self.orReport { () throws(CryptoError) in try DemoKey() }
        let upstream = try Self.startUpstream(key)
        defer { for folder in [Self.stateFolder, Self.certificateFolder] { try? FileManager.default.removeItem(atPath: folder) } }
        let certificates = try Self.certificates()
        let text = DemoConfiguration.text(upstreamPort: upstream.port, listeners: certificates.listeners("\"\(settings.listen)\""))
        let gateway = Gateway(
            settings: settings, configurationFile: "the demo's configuration", log: control.log, counts: CountStore.source(settings)
        ) { problems in
            ConfigurationNode.load(text: text, problems: problems)
        }
        let (admin, _) = try Run.start(gateway, settings, control.log, hint: "sluice demo --port N listens on another port of 127.0.0.1")
        defer { admin?.stop() }
        try Report.output(Self.lines(settings, text, certificates, key))
        _ = control.serve(gateway)
    }

    // MARK: Settings

    /// Loopback, a quiet log and a state folder that goes with the process, wherever the operator has not said otherwise.
    private func settings() throws -> ProcessSettings {
        var settings = try SettingsFlags.settings()
        if let port {
            settings.listen = ListenAddress(ipv4: "127.0.0.1", port: port)
        } else if !SettingsFlags.isGiven("SLUICE_LISTEN") {
            settings.listen = ListenAddress(ipv4: "127.0.0.1", port: 8080)
        }
        if !SettingsFlags.isGiven("SLUICE_LOG_LEVEL") { settings.logLevel = .warning }
        if !SettingsFlags.isGiven("SLUICE_STATE_DIR") { settings.stateDirectory = Self.stateFolder }
        return settings
    }

    private static let stateFolder =
        FileManager.default.temporaryDirectory.appendingPathComponent("sluice-demo-\(ProcessInfo.processInfo.processIdentifier)").path

    private static let certificateFolder = stateFolder + "-certificates"

    // MARK: Start

    private static func certificates() throws -> DemoCertificates {
        do {
            let port = try SampleUpstream.freePort()
            return try DemoCertificates(in: certificateFolder, port: port)
        } catch let error as CryptoError {
            throw Report.problems([error.message])
        } catch let error as SampleUpstream.StartError {
            throw Report.problems(["no port of 127.0.0.1 is free: \(error.message)"])
        }
    }

    private static func startUpstream(_ key: DemoKey) throws -> SampleUpstream {
        do throws(SampleUpstream.StartError) {
            let upstream = try SampleUpstream(keySet: key.keySet)
            upstream.start()
            return upstream
        } catch {
            throw Report.problems(["the sample upstream cannot listen on 127.0.0.1: \(error.message)"])
        }
    }

    private static func orReport<Value>(_ body: () throws(CryptoError) -> Value) throws -> Value {
        do throws(CryptoError) {
            return try body()
        } catch {
            throw Report.problems([error.message])
        }
    }

    private static func lines(_ settings: ProcessSettings, _ text: String, _ certificates: DemoCertificates, _ key: DemoKey) throws -> String {
        let problems = Problems(file: "the demo's configuration")
        guard let tree = ConfigurationNode.load(text: text, problems: problems) else {
            throw Report.problems(problems.all.map(\.description))
        }
        let configuration = GatewayConfiguration.read(tree, problems: problems)
        // A wildcard address is reached on loopback.
        let host = ["0.0.0.0": "127.0.0.1", "::": "[::1]"][settings.listen.host] ?? settings.listen.host
        let authority = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        let program = CommandLine.arguments.first ?? "sluice"
        return try DemoLines(
            base: "http://\(authority):\(settings.listen.port)", program: program, configuration: configuration, certificates: certificates,
            privateKey: key.privateKey
        ).text()
    }
}
