import ArgumentParser
import Foundation

/// `sluice init`: a small configuration to start from.
struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a small commented configuration to start from.",
        discussion: "Never replaces a file. `sluice check FILE` and `sluice run FILE` take the file as it is.")

    @Argument(help: ArgumentHelp("The file to write; - for standard output.", valueName: "FILE"))
    var file = "sluice.yaml"

    func run() throws {
        guard file != "-" else { return try Report.output(InitialConfiguration.text) }
        // Created by this call or not at all: a file that appears meanwhile is not replaced either.
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let reason = errno == EEXIST ? "the file exists" : String(cString: strerror(errno)).lowercased()
            throw Report.problems(["\(file): cannot be written: \(reason)"])
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: Data(InitialConfiguration.text.utf8))
        } catch {
            throw Report.problems(["\(file): cannot be written"])
        }
        try Report.output("\(file) is written. Next: sluice run \(file)\n")
    }
}
