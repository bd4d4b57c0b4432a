import Foundation

/// What `{env: NAME}` and `{file: PATH}` in a configuration refer to.
package struct References: Sendable {
    /// What relative paths in the configuration are relative to: its folder, with a slash at the end; empty for the
    /// process's working directory.
    package let folder: String
    private let environment: [String: String]?

    init(configurationFile: String, environment: [String: String]?) {
        let end = configurationFile.lastIndex(of: "/").map(configurationFile.index(after:))
        folder = String(configurationFile[..<(end ?? configurationFile.startIndex)])
        self.environment = environment
    }

    /// Nil if the variable is not set.
    package func variable(_ name: String) -> String? {
        if let environment { environment[name] } else { ProcessInfo.processInfo.environment[name] }
    }

    /// An absolute path stays; a relative one is taken from `folder`.
    package func resolve(_ path: String) -> String {
        path.hasPrefix("/") ? path : folder + path
    }
}
