import ArgumentParser
import Logging
import SluiceAdmin
import SluiceConfiguration
import SluiceEvent
import SluiceGateway
import SluiceHTTP

/// `sluice run`: serves a configuration until a signal ends it.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve. SIGHUP reloads, SIGTERM drains and exits 0, SIGQUIT exits at once.",
        discussion: SettingsFlags.discussion)

    @OptionGroup var source: ConfigurationOption

    func run() throws {
        let settings = try SettingsFlags.settings()
        // Before any secret is read.
        if !settings.coreDumps { ProcessMemory.forbidDumps() }
        // Before any thread begins, so that all of them leave the signals to this one.
        let signals = SignalQueue()
        let log = Logger.ofProcess(settings)
        let manager = ServiceManager()
        let predecessor = try Self.predecessor(settings)
        let gateway = Gateway(settings: settings, configurationFile: source.file, log: log, counts: CountStore.source(settings)) { problems in
            ConfigurationNode.load(problems: problems)
        }
        for (name, descriptor) in predecessor?.replays ?? [] { gateway.inheritReplays(name, descriptor) }
        let admin = try Self.start(gateway, settings, log, inherited: ServiceManager.sockets() + (predecessor?.sockets ?? []), isSuccessor: predecessor != nil)
        defer { admin?.stop() }
        if SettingsFlags.isFlag("SLUICE_LISTEN"), !gateway.listens(on: settings.listen) {
            log.warning("--listen has no effect: the configuration names the listeners")
        }
        let takeOver = Self.takeOver(from: predecessor, gateway, admin, settings, log)
        defer { takeOver?.stop() }
        manager.ready("serving")
        manager.watch(gateway)
        Self.serve(gateway, signals, log, manager, takeOver)
    }

    // MARK: Start

    /// Starts admin listener and gateway, or neither. Without the former if nobody has asked for it and another program, perhaps
    /// a second gateway, has its default port.
    ///
    /// - Parameters:
    ///   - inherited: sockets that listen already.
    ///   - isSuccessor: whether another process serves until this one does.
    ///   - hint: a last line for a gateway that does not start.
    static func start(
        _ gateway: Gateway, _ settings: ProcessSettings, _ log: Logger, inherited: [ListeningSocket] = [], isSuccessor: Bool = false,
        hint: String? = nil
    ) throws -> AdminServer? {
        let isAdmin = { (socket: ListeningSocket) in
            settings.adminListen.flatMap { $0.socketAddress }.map { socket.serves($0) } ?? false
        }
        let admin = try startAdmin(gateway, settings, log, inherited: inherited.first(where: isAdmin))
        do throws(Gateway.Failure) {
            try gateway.start(inherited: inherited.filter { !isAdmin($0) }, isSuccessor: isSuccessor)
        } catch {
            admin?.stop()
            throw Report.problems(error.lines + (hint.map { [$0] } ?? []))
        }
        return admin
    }

    private static func startAdmin(
        _ gateway: Gateway, _ settings: ProcessSettings, _ log: Logger, inherited: ListeningSocket?
    ) throws -> AdminServer? {
        guard let address = settings.adminListen else { return nil }
        do throws(AdminServer.StartError) {
            return try AdminServer(gateway: gateway, address: address, inherited: inherited)
        } catch {
            guard SettingsFlags.isGiven("SLUICE_ADMIN_LISTEN") else {
                log.warning("no admin listener: \(error.message); set SLUICE_ADMIN_LISTEN to have one")
                return nil
            }
            throw Report.problems(["SLUICE_ADMIN_LISTEN: \(error.message)"])
        }
    }

    // MARK: Take-over

    /// The process that this one is to replace; nil if there is none.
    private static func predecessor(_ settings: ProcessSettings) throws -> TakeOverClient? {
        guard let path = settings.takeoverSocket else { return nil }
        if let obstacle = DescriptorChannel.obstacle(at: path) {
            throw Report.problems(["SLUICE_TAKEOVER_SOCKET: \(path): \(obstacle)"])
        }
        do throws(TakeOver.Failure) {
            return try TakeOverClient(path)
        } catch {
            throw Report.problems(["SLUICE_TAKEOVER_SOCKET: \(error.message)"])
        }
    }

    /// Waits for the process after this one, and tells the one before it that this one serves. In this order, so that there is always
    /// somebody behind the take-over socket.
    private static func takeOver(
        from predecessor: TakeOverClient?, _ gateway: Gateway, _ admin: AdminServer?, _ settings: ProcessSettings, _ log: Logger
    ) -> TakeOverServer? {
        guard let path = settings.takeoverSocket else { return nil }
        var server: TakeOverServer?
        do throws(TakeOver.Failure) {
            server = try TakeOverServer(path, gateway: gateway, admin: admin, log: log)
        } catch {
            // Serving matters more than being replaced without a gap.
            log.error("SLUICE_TAKEOVER_SOCKET: \(error.message)")
        }
        do throws(TakeOver.Failure) {
            try predecessor?.ready(used: gateway.listeningIdentities)
        } catch {
            log.error("take-over: \(error.message)")
        }
        return server
    }

    // MARK: Signals

    /// Obeys signals until one ends the process.
    static func serve(
        _ gateway: Gateway, _ signals: SignalQueue, _ log: Logger, _ manager: ServiceManager, _ takeOver: TakeOverServer? = nil
    ) {
        while true {
            switch signals.next() {
            case .reload:
                manager.reloading()
                do throws(Gateway.Failure) {
                    try gateway.reload()
                    manager.ready("serving")
                } catch {
                    log.error("reload refused; the configuration before it stays in force")
                    for line in error.lines { log.error("\(line)") }
                    manager.ready("serving; the last reload was refused")
                }
            case .drain:
                if let successor = takeOver?.successor {
                    manager.replaced(by: successor.process)
                    return gateway.drain(leaving: successor.identities, unless: signals.isHurried)
                }
                manager.stopping("draining")
                takeOver?.stop()
                return gateway.drain(unless: signals.isHurried)
            case .exit:
                manager.stopping("ending at once")
                return gateway.stop()
            }
        }
    }
}

extension ListenAddress {
    /// In the kernel's form.
    fileprivate var socketAddress: SocketAddress? { IPAddress(host).map { SocketAddress($0, port: port) } }
}
