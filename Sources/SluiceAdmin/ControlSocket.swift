import Foundation
import SluiceEvent
package import SluiceGateway

/// Where commands of this machine ask a running gateway: a Unix socket in its state folder, for its own user and root. A port could be another
/// program's, and a page in a browser could reach it.
package final class ControlSocket: Sendable {
    /// The socket cannot be opened.
    package struct StartError: Error {
        package let message: String
    }

    private let server: ControlServer
    private let path: String

    /// Answers until `stop()`. Makes the folder if there is none.
    ///
    /// - Parameter notes: what is told to who asks: see `QuotaPage.List`.
    package init(folder: String, gateway: Gateway, notes: [String]) throws(StartError) {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw StartError(message: "\(folder): cannot be created")
        }
        let listener: Int32
        do throws(SocketError) {
            (listener, path) = try ControlDoor.open(folder: folder)
        } catch {
            throw StartError(message: "\(folder): a socket cannot be created in it: \(error)")
        }
        do throws(ControlServer.StartError) {
            server = try ControlServer(listener: listener, name: "sluice-control", router: ControlRouter(QuotaPage.routes(gateway, notes: notes) + CallerPage.routes(gateway) + [CallerPage.followRoute(gateway)]))
        } catch {
            ControlDoor.remove(path)
            throw StartError(message: "\(path): \(error.message)")
        }
    }

    package func stop() {
        ControlDoor.remove(path)
        server.stop()
    }
}
