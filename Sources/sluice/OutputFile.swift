import ArgumentParser
import Foundation

/// `-o FILE`.
struct OutputFile: ParsableArguments {
    @Option(name: [.customShort("o"), .customLong("output")], help: ArgumentHelp(
        "Where to write. The default is standard output. The file is replaced whole or not at all.", valueName: "FILE"))
    var file: String?

    /// Writes the text. A reader of the file sees the old text or the new one, never a part.
    /// - Parameter isPrivate: whether a new file is its owner's alone.
    func write(_ text: String, isPrivate: Bool = false) throws {
        guard let file, file != "-" else { return try Report.output(text) }
        let mask = umask(0o077)
        if !isPrivate { umask(mask) }
        defer { umask(mask) }
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
        } catch {
            throw Report.problems(["\(file): cannot be written: \(Self.reason(error))"])
        }
    }

    private static func reason(_ error: any Error) -> String {
        let error = error as NSError
        guard let cause = error.userInfo[NSUnderlyingErrorKey] as? POSIXError else { return error.localizedDescription }
        return String(cString: strerror(cause.code.rawValue)).lowercased()
    }
}
