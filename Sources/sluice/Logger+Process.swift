import Foundation
import Logging
import SluiceConfiguration
import SluiceEvent

extension Logger {
    /// The process's log, on standard error: standard output may be the access log's.
    static func ofProcess(_ settings: ProcessSettings) -> Logger {
        var logger = Logger(label: "sluice") { ProcessLogHandler(label: $0) }
        logger.logLevel = Logger.Level(rawValue: settings.logLevel.rawValue) ?? .info
        return logger
    }
}

/// One line an event, as swift-log's own handler writes it, but through an output that keeps nobody waiting.
private struct ProcessLogHandler: LogHandler {
    private static let output = LogOutput(STDERR_FILENO)

    let label: String
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String) { self.label = label }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let shown = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        Self.output.write("\(Self.timestamp) \(event.level) \(label):\(shown) [\(event.source)] \(event.message)\n")
    }

    /// The local time with its offset.
    private static var timestamp: String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S%z", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
