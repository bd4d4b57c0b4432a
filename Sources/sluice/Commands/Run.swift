import ArgumentParser
import Glibc
import Logging
import SluiceAdmin
import SluiceConfiguration
import SluiceEvent
import SluiceGateway
import SluiceHTTP

/// `sluice run`: serves a configuration until a signal ends it.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a configuration. SIGHUP reloads, SIGUSR1 reopens the access log, SIGTERM drains and exits 0, SIGQUIT exits at once.",
        discussion: SettingsFlags.discussion)

    @OptionGroup var source: ConfigurationOption

    @OptionGroup(title: "Settings") var shownSettings: SettingsOptions

    func run() throws {
        let settings = try SettingsFlags.settings()
        // Before any secret is read.
        if !settings.coreDumps { ProcessMemory.forbidDumps() }
        let control = Control(signals: SignalQueue(), log: .ofProcess(settings), manager: ServiceManager())
        let upstreams = source.upstream
        let gateway = Gateway(
            settings: settings, configurationFile: source.file, log: control.log, counts: CountStore.source(settings), callers: CallerSource.source(settings)
        ) { problems in
            ConfigurationOption.load(upstreams: upstreams, problems)
        }
        let (service, wishes) = try control.start(gateway) { try Self.begin(gateway, settings, control) }
        control.manager.watch(gateway)
        let isWhole = control.serve(gateway, takeOver: service.takeOver, wishes: wishes)
        service.takeOver?.stop()
        service.door?.stop()
        service.admin?.stop()
        if !isWhole { _exit(0) }
    }

    /// What serves beside the gateway.
    private struct Service: Sendable {
        let admin: AdminServer?
        let door: ControlSocket?
        let takeOver: TakeOverServer?
    }

    /// On a thread of its own: it may hang in the reading of a file.
    private static func begin(_ gateway: Gateway, _ settings: ProcessSettings, _ control: Control) throws -> Service {
        let log = control.log
        let predecessor = try predecessor(settings)
        for (name, descriptor) in predecessor?.replays ?? [] { gateway.inheritReplays(name, descriptor) }
        let (admin, notes) = try start(
            gateway, settings, log, inherited: ServiceManager.sockets() + (predecessor?.sockets ?? []), isSuccessor: predecessor != nil)
        let door = openDoor(gateway, settings, log, notes)
        if SettingsFlags.isFlag("SLUICE_LISTEN"), !gateway.listens(on: settings.listen) {
            log.warning("--listen has no effect: the configuration names the listeners")
        }
        let takeOver = takeOver(from: predecessor, gateway, admin, settings, log)
        control.manager.ready("serving")
        return Service(admin: admin, door: door, takeOver: takeOver)
    }

    // MARK: Start

    /// Starts admin listener and gateway, or neither. Without the former if nobody has asked for it and another program, perhaps
    /// a second gateway, has its default port: then the notes say so to the commands that ask this gateway.
    ///
    /// - Parameters:
    ///   - inherited: sockets that listen already.
    ///   - isSuccessor: whether another process serves until this one does.
    ///   - hint: a last line for a gateway that does not start.
    static func start(
        _ gateway: Gateway, _ settings: ProcessSettings, _ log: Logger, inherited: [ListeningSocket] = [], isSuccessor: Bool = false,
        hint: String? = nil
    ) throws -> (admin: AdminServer?, notes: [String]) {
        let isAdmin = { (socket: ListeningSocket) in
            settings.adminListen.flatMap { $0.socketAddress }.map { socket.serves($0) } ?? false
        }
        var notes: [String] = []
        let admin = try startAdmin(gateway, settings, log, inherited: inherited.first(where: isAdmin), &notes)
        do throws(Gateway.Failure) {
            try gateway.start(inherited: inherited.filter { !isAdmin($0) }, isSuccessor: isSuccessor)
        } catch {
            admin?.stop()
            throw Report.problems(error.lines + (hint.map { [$0] } ?? []))
        }
        return (admin, notes)
    }

    private static func startAdmin(
        _ gateway: Gateway, _ settings: ProcessSettings, _ log: Logger, inherited: ListeningSocket?, _ notes: inout [String]
    ) throws -> AdminServer? {
        guard let address = settings.adminListen else { return nil }
        let token = try adminToken(settings)
        do throws(AdminServer.StartError) {
            return try AdminServer(gateway: gateway, address: address, hosts: settings.adminHosts, token: token, inherited: inherited)
        } catch {
            guard SettingsFlags.isGiven("SLUICE_ADMIN_LISTEN") else {
                let note = "without an admin listener: \(error.message); to get one, set SLUICE_ADMIN_LISTEN to another address"
                log.warning("running \(note)")
                notes.append("the gateway runs \(note)")
                return nil
            }
            throw Report.problems(["SLUICE_ADMIN_LISTEN: \(error.message)"])
        }
    }

    private static func adminToken(_ settings: ProcessSettings) throws -> AdminToken? {
        guard let path = settings.adminTokenFile else { return nil }
        do throws(AdminToken.Fault) {
            return try AdminToken(file: path)
        } catch {
            throw Report.problems(["SLUICE_ADMIN_TOKEN_FILE: \(path): \(error.message)"])
        }
    }

    /// Where `sluice quota` asks; nil without a state folder, and where none can be made: that keeps no gateway from serving.
    private static func openDoor(_ gateway: Gateway, _ settings: ProcessSettings, _ log: Logger, _ notes: [String]) -> ControlSocket? {
        guard settings.stateDirectory != ProcessSettings.noStateDirectory else { return nil }
        do throws(ControlSocket.StartError) {
            return try ControlSocket(folder: settings.stateDirectory, gateway: gateway, notes: notes)
        } catch {
            log.warning("`sluice quota`, `key` and `plan` cannot ask this process: SLUICE_STATE_DIR \(error.message)")
            return nil
        }
    }

    // MARK: Takeover

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
    /// somebody behind the takeover socket.
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
            log.error("takeover: \(error.message)")
        }
        return server
    }
}

extension ListenAddress {
    /// In the kernel's form.
    fileprivate var socketAddress: SocketAddress? { IPAddress(host).map { SocketAddress($0, port: port) } }
}
