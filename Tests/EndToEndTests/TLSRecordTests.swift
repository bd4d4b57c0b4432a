import Foundation
import Testing

/// What waits inside of TLS, and what is told through it: seen by Python's `ssl`, with the records in the test's hands.
@Suite("TLS by the record", .loopback, .minutes(5))
struct TLSRecordTests {
    private struct Site {
        let gateway: Gateway
        let port: UInt16
        let folder: Folder
    }

    private func site(upstream: String, environment: [String: String] = [:]) throws -> Site {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("one", for: ["one.test"], in: folder)
        let port = try Ports.free()
        let tls = "{certificate: \"\(folder.file("one.pem"))\", key: {file: \"\(folder.file("one.key"))\"}}"
        let gateway = try Gateway(
            configuration(upstream: upstream, top: ["listeners:", "  - address: 127.0.0.1:\(port)", "    tls: \(tls)"], [EndpointText("/**")]),
            environment: environment, readyPort: port)
        return Site(gateway: gateway, port: port, folder: folder)
    }

    /// Runs `steps` in Python with a handshake done: `tls` writes and reads into memory, `flush()` sends what it has written, in one piece;
    /// `rest()` reads to the end and says how that came: `told` by close_notify, `cut` without.
    private func client(_ site: Site, _ steps: String) throws -> String {
        let script = """
            import socket, ssl, sys
            plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
            context = ssl.create_default_context(cafile=sys.argv[2])
            into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(into, out, server_hostname="one.test")
            def flush():
                data = out.read()
                if data: plain.sendall(data)
            def pull():
                data = plain.recv(65536)
                if data: into.write(data)
                else: into.write_eof()
            def until(call):
                while True:
                    try: return call()
                    except ssl.SSLWantReadError:
                        flush()
                        pull()
            def end_sending():
                try: tls.unwrap()
                except ssl.SSLWantReadError: pass
                flush()
            def rest():
                data = b""
                try:
                    while True:
                        more = until(lambda: tls.read(65536))
                        if not more: return data, "told"
                        data += more
                except ssl.SSLZeroReturnError: return data, "told"
                except (ssl.SSLEOFError, ConnectionError): return data, "cut"
            until(tls.do_handshake)
            flush()
            \(steps)
            """
        let result = try command(["/usr/bin/env", "python3", "-c", script, "\(site.port)", site.folder.file("ca.pem")])
        guard result.code == 0 else { throw HarnessError(result.everything) }
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static let request = "b'GET /api/x HTTP/1.1\\r\\nHost: one.test\\r\\n\\r\\n'"

    @Test("a request that TLS has read ahead is answered, whatever news the socket has during the one before it")
    func readAhead() throws {
        let upstream = try ScriptedUpstream { call in
            usleep(300_000)
            try call.reply(200, body: "upstream")
        }
        let site = try site(upstream: upstream.url, environment: ["SLUICE_IDLE_TIMEOUT_MS": "2000"])
        // Two records in one piece. A byte out of band is news without anything to read.
        let shown = try client(site, """
            for _ in range(2): tls.write(\(Self.request))
            flush()
            import time; time.sleep(0.1)
            plain.send(b"!", socket.MSG_OOB)
            print(rest()[0].count(b"upstream"))
            """)
        #expect(shown == "2")
    }

    @Test("a tunnel: the service's end is told to the client, one that has ended its side first too")
    func tunnel() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
            if call.request.target.hasSuffix("/last") { while try !call.some().isEmpty {} }
            try call.send("bye")
            call.close()
        }
        let site = try site(upstream: upstream.url)
        for (path, between) in [("first", "pass"), ("last", "end_sending()")] {
            let shown = try client(site, """
                tls.write(b'GET /api/\(path) HTTP/1.1\\r\\nHost: one.test\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n'); flush(); \(between)
                data, end = rest(); print(data[-3:], end)
                """)
            #expect(shown == "b'bye' told", "\(path)")
        }
    }
}
