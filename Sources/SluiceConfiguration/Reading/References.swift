import Foundation

/// What `{env: NAME}` and `{file: PATH}` in a configuration refer to.
package struct References: Sendable {
    private let environment: [String: String]?

    init(environment: [String: String]?) { self.environment = environment }

    /// Nil if the variable is not set.
    package func variable(_ name: String) -> String? {
        if let environment { environment[name] } else { ProcessInfo.processInfo.environment[name] }
    }

    /// An absolute path stays; a relative one is taken from the folder of `file`, or, where that names none, from the working directory.
    static func resolve(_ path: String, beside file: String) -> String {
        let end = file.lastIndex(of: "/").map(file.index(after:)) ?? file.startIndex
        return path.hasPrefix("/") ? path : file[..<end] + path
    }
}
