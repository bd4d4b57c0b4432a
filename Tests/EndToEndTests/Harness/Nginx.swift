import Foundation

/// A real nginx, from the system's packages, in a temporary folder on loopback: an upstream that this project did not write.
final class Nginx: Sendable {
    let port: UInt16
    let folder: Folder
    private let process: ChildProcess

    /// - Parameters:
    ///   - listen: further words of the `listen` directive, such as `ssl`.
    ///   - server: the directives of the one server.
    init(listen: String = "", folder: Folder? = nil, _ server: String) throws {
        let folder = try folder ?? Folder()
        let port = try Ports.free()
        let text = """
            daemon off; master_process off; worker_processes 1; pid \(folder.file("nginx.pid")); error_log stderr warn;
            events { worker_connections 256; }
            http {
              access_log \(folder.file("nginx-access.log"));
              client_body_temp_path \(folder.file("t1")); proxy_temp_path \(folder.file("t2")); fastcgi_temp_path \(folder.file("t3"));
              uwsgi_temp_path \(folder.file("t4")); scgi_temp_path \(folder.file("t5"));
              server { listen 127.0.0.1:\(port) \(listen); \(server) }
            }
            """
        try folder.write("nginx.conf", text)
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let program else { throw HarnessError("nginx is missing: install Debian's package nginx-light") }
        process = try ChildProcess([program, "-p", folder.path, "-c", folder.file("nginx.conf"), "-e", "stderr"], folder: folder)
        self.port = port
        self.folder = folder
        let ready = eventually(within: 10) { process.exitCode() != nil || (try? RawSocket.connect(port: port)) != nil }
        guard ready, process.exitCode() == nil else { throw HarnessError("nginx did not start: \(process.standardError)") }
    }
}
