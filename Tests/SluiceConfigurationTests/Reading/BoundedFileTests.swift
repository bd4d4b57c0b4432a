import Foundation
import SluiceConfiguration
import Testing

@Suite("Files read whole")
struct BoundedFileTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-files-\(UUID().uuidString)").path

    private func inFolder(_ body: (String) throws -> Void) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    /// What is read, or the fault.
    private func outcome(
        _ path: String, bytesMax: Int = 100, kind: BoundedFile.Kind = .file, silenceMilliseconds: Int32 = 200
    ) -> String {
        do {
            return String(decoding: try BoundedFile.read(path, bytesMax: bytesMax, kind: kind, silenceMilliseconds: silenceMilliseconds), as: UTF8.self)
        } catch {
            return "fault: \(error.found)"
        }
    }

    @Test("a byte order mark at the beginning is no part of the text, one further on is")
    func byteOrderMark() throws {
        try inFolder { folder in
            for (bytes, text) in [([0xEF, 0xBB, 0xBF, 0x61], "a"), ([0xEF, 0xBB, 0xBF], ""), ([0xEF, 0xBB], "\u{FFFD}"), ([0x61, 0xEF, 0xBB, 0xBF], "a\u{FEFF}")] as [([UInt8], String)] {
                try Data(bytes).write(to: URL(fileURLWithPath: folder + "/marked"))
                #expect(outcome(folder + "/marked") == text)
            }
        }
    }

    @Test("a regular file, also behind a link, up to the bound and not beyond")
    func regular() throws {
        try inFolder { folder in
            try "12345".write(toFile: folder + "/five", atomically: false, encoding: .utf8)
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "five")
            for kind in [BoundedFile.Kind.file, .argument] {
                #expect(outcome(folder + "/five", bytesMax: 5, kind: kind) == "12345")
                #expect(outcome(folder + "/link", bytesMax: 5, kind: kind) == "12345")
                #expect(outcome(folder + "/five", bytesMax: 4, kind: kind) == "fault: more than 4 bytes")
                #expect(outcome(folder + "/absent", kind: kind) == "fault: no such file or directory")
                #expect(outcome(folder, kind: kind) == "fault: a folder, not a regular file")
            }
        }
    }

    // Either test would wait for ever where it fails. The limit is long because its clock runs while a test waits for one of the few threads that all share.

    @Test("a FIFO that nobody writes into, a device and a socket keep nobody waiting: they are no files", .timeLimit(.minutes(60)))
    func others() throws {
        try inFolder { folder in
            #expect(mkfifo(folder + "/fifo", 0o600) == 0)
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "fifo")
            #expect(outcome(folder + "/fifo") == "fault: a pipe, not a regular file")
            #expect(outcome(folder + "/link") == "fault: a pipe, not a regular file")
            #expect(outcome("/dev/zero") == "fault: a device, not a regular file")
        }
    }

    @Test("on the command line a pipe is read to its end, when its writer comes late too; one that stays silent is a fault", .timeLimit(.minutes(60)))
    func pipes() throws {
        try inFolder { folder in
            let fifo = folder + "/fifo"
            #expect(mkfifo(fifo, 0o600) == 0)
            let writer = Thread {
                let descriptor = open(fifo, O_WRONLY)
                _ = write(descriptor, "pi", 2)
                usleep(50_000)
                _ = write(descriptor, "pe", 2)
                close(descriptor)
            }
            writer.start()
            #expect(outcome(fifo, kind: .argument, silenceMilliseconds: 20_000) == "pipe")
            #expect(outcome(fifo, kind: .argument, silenceMilliseconds: 1000) == "fault: a pipe that says nothing for 1 seconds")
            #expect(outcome("/dev/zero", kind: .argument) == "fault: more than 100 bytes")
            #expect(outcome("/dev/null", kind: .argument) == "")
            // A pipe whose writer has gone already, as that of `<(...)` often has.
            var ends: [Int32] = [-1, -1]
            #expect(pipe(&ends) == 0)
            #expect(write(ends[1], "done", 4) == 4)
            close(ends[1])
            #expect(outcome("/dev/fd/\(ends[0])", kind: .argument) == "done")
            close(ends[0])
        }
    }
}
