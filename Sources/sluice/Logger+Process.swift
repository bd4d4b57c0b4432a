import Logging
import SluiceConfiguration

extension Logger {
    /// The process's log, on standard error: standard output may be the access log's.
    static func ofProcess(_ settings: ProcessSettings) -> Logger {
        var logger = Logger(label: "sluice") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: settings.logLevel.rawValue) ?? .info
        return logger
    }
}
