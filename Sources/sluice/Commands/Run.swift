import ArgumentParser
import Logging
import SluiceAdmin
import SluiceConfiguration
import SluiceGateway

/// `sluice run`: serves a configuration until a signal ends it.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve. SIGHUP reloads, SIGTERM drains and exits 0, SIGQUIT exits at once.",
        discussion: SettingsFlags.discussion)

    @OptionGroup var source: ConfigurationOption

    func run() throws {
        let settings = try SettingsFlags.settings()
        // Before any thread begins, so that all of them leave the signals to this one.
        let signals = SignalQueue()
        let log = Logger.ofProcess(settings)
        let gateway = Gateway(settings: settings, configurationFile: source.file, log: log, counts: CountStore.source(settings)) { problems in
            ConfigurationNode.load(problems: problems)
        }
        let admin = try Self.start(gateway, settings, log)
        defer { admin?.stop() }
        Self.serve(gateway, signals, log)
    }

    /// Starts admin listener and gateway, or neither. Without the former if nobody has asked for it and another program, perhaps
    /// a second gateway, has its default port.
    ///
    /// - Parameter hint: a last line for a gateway that does not start.
    static func start(
        _ gateway: Gateway, _ settings: ProcessSettings, _ log: Logger, hint: String? = nil
    ) throws -> AdminServer? {
        let admin = try startAdmin(gateway, settings, log)
        do throws(Gateway.Failure) {
            try gateway.start()
        } catch {
            admin?.stop()
            throw Report.problems(error.lines + (hint.map { [$0] } ?? []))
        }
        return admin
    }

    private static func startAdmin(_ gateway: Gateway, _ settings: ProcessSettings, _ log: Logger) throws -> AdminServer? {
        guard let address = settings.adminListen else { return nil }
        do throws(AdminServer.StartError) {
            return try AdminServer(gateway: gateway, address: address)
        } catch {
            guard SettingsFlags.isGiven("SLUICE_ADMIN_LISTEN") else {
                log.warning("no admin listener: \(error.message); set SLUICE_ADMIN_LISTEN to have one")
                return nil
            }
            throw Report.problems(["SLUICE_ADMIN_LISTEN: \(error.message)"])
        }
    }

    /// Obeys signals until one ends the process.
    static func serve(_ gateway: Gateway, _ signals: SignalQueue, _ log: Logger) {
        while true {
            switch signals.next() {
            case .reload:
                do throws(Gateway.Failure) {
                    try gateway.reload()
                } catch {
                    log.error("reload refused; the configuration before it stays in force")
                    for line in error.lines { log.error("\(line)") }
                }
            case .drain: return gateway.drain()
            case .exit: return gateway.stop()
            }
        }
    }
}
