import Foundation
import Testing

/// `sluice demo`: what it prints works as it is pasted.
@Suite("Demo", .loopback, .minutes(5))
struct DemoTests {
    /// A line that the demo prints, and the status that it announces for its last response.
    private struct Line {
        let title: String
        let command: String
        let status: String
    }

    private struct Demo {
        let process: ChildProcess
        let folder: Folder
        let port: UInt16

        init(_ arguments: [String] = []) throws {
            folder = try Folder()
            port = try Ports.free()
            process = try ChildProcess(
                [DemoTests.binary(), "demo", "--port", "\(port)"] + arguments, environment: ["SLUICE_ADMIN_LISTEN": "off"], folder: folder)
            let started = process
            #expect(eventually(within: 20) { started.exitCode() != nil || started.standardOutput.contains("Ctrl-C") })
            #expect(process.exitCode() == nil, "\(process.standardError)")
        }

        var lines: [Line] {
            let text = process.standardOutput.components(separatedBy: "\n")
            return zip(text, text.dropFirst()).compactMap { title, command in
                guard title.hasPrefix("# "), let arrow = title.range(of: " -> ", options: .backwards) else { return nil }
                return Line(title: String(title[..<arrow.lowerBound]), command: command, status: String(title[arrow.upperBound...]))
            }
        }
    }

    private static func binary() throws -> String { try Gateway.binary() }

    @Test("every printed line, run verbatim by bash, ends with the status that is announced beside it")
    func printedLines() throws {
        let demo = try Demo()
        let lines = demo.lines
        #expect(lines.count >= 20, "\(demo.process.standardOutput)")
        for line in lines {
            let result = try command(["bash", "-c", line.command])
            let statuses = result.output.components(separatedBy: "\n").filter { $0.hasPrefix("HTTP/1.1 ") }.map { $0.split(separator: " ")[1] }
            #expect(statuses.last.map(String.init) == line.status, "\(line.title)\n\(line.command)\n\(result.everything)")
        }
        demo.process.signal(SIGTERM)
        #expect(demo.process.waitForExit(10) == 0)
        #expect(demo.process.standardError == "", "a demo has nothing to complain about")
    }

    @Test("the lines show what they promise: the rewritten path, the changed headers, the forwarded claim")
    func promises() throws {
        let demo = try Demo()
        let promises = [
            ("/demo/echo/a?b=c", ["\"target\": \"/base/echo/a?b=c\"", "X-Forwarded-For: 127.0.0.1"]),
            ("/demo/v1.0/members/7", ["\"target\": \"/base/members/7\""]),
            ("/demo/templates/2/logo", ["\"target\": \"/base/templates/logo/2\""]),
            ("/demo/headers", ["X-Gateway: sluice", "X-Served-By: sluice"]),
            ("page=0'", ["Bad Request (query parameter page: too small)"]), ("page[]", ["Bad Request (query parameter page: under another spelling)"]),
            ("\"count\":0", ["Bad Request (/items/0/count: too small)"]),
        ]
        for (target, texts) in promises {
            let line = try #require(demo.lines.first { $0.command.contains(target) })
            let output = try command(["bash", "-c", line.command]).output
            for text in texts { #expect(output.contains(text), "\(text)\n\(output)") }
        }
        let headers = try #require(demo.lines.first { $0.command.contains("/demo/headers") })
        let output = try command(["bash", "-c", headers.command]).output
        #expect(!output.contains("X-Debug") && !output.contains("X-Sample"), "\(output)")
        let token = try #require(demo.lines.first { $0.title.contains("subject") })
        #expect(try command(["bash", "-c", token.command]).output.contains("X-User: alice"))
        let certificate = try #require(demo.lines.first { $0.title.contains("X-Forwarded-Client-Cert") })
        #expect(try command(["bash", "-c", certificate.command]).output.contains("Subject=\\\"CN=alice,O=Example\\\";URI=spiffe://example.com/alice"))
    }

    @Test("a port that is taken: exit 1, a message that names --port, and nothing printed or left running")
    func takenPort() throws {
        let demo = try Demo()
        let second = try run(["demo", "--port", "\(demo.port)"])
        #expect(second.code == 1 && second.errors.contains("--port") && second.errors.contains("\(demo.port)"), "\(second.everything)")
        #expect(second.output == "")
        demo.process.signal(SIGINT)
        #expect(demo.process.waitForExit(10) == 0, "Ctrl-C ends the demo in order")
    }

    @Test("--print-config prints a configuration without problems, which sign and token take")
    func printedConfiguration() throws {
        let folder = try Folder()
        let printed = try run(["demo", "--print-config"])
        #expect(printed.code == 0)
        let file = try folder.write("sluice.yaml", printed.output)
        let checked = try run(["check", "--config", file])
        #expect(checked.code == 0, "\(checked.everything)")
        #expect(try run(["sign", "--config", file, "--domain", "signed", "GET", "/signed/a"]).code == 0)
        #expect(try run(["token", "--config", file, "--domain", "token"]).code == 0)
    }

    @Test("the demo leaves no state folder behind in the working directory's or the system's temporary folder")
    func nothingLeft() throws {
        let demo = try Demo()
        let names = ["", "-certificates"].map { "sluice-demo-\(demo.process.pid)\($0)" }
        demo.process.signal(SIGTERM)
        #expect(demo.process.waitForExit(10) == 0)
        for name in names {
            let path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }
}
