/// One `SLUICE_*` variable: all that is known about it stands in its row of `Setting.all`.
package struct Setting: Sendable {
    typealias Path<Value> = any WritableKeyPath<ProcessSettings, Value> & Sendable

    /// Where the value goes, and what may be written.
    enum Kind: Sendable {
        case integer(Path<Int>, ClosedRange<Int>)
        case address(Path<ListenAddress>)
        /// `off` for none.
        case optionalAddress(Path<ListenAddress?>)
        /// Host names with commas between them.
        case hostNames(Path<[String]>)
        case redis(Path<RedisURL?>)
        case redisAway(Path<ProcessSettings.RedisAway>)
        case quotaAway(Path<ProcessSettings.QuotaAway>)
        case rateLimitFields(Path<ProcessSettings.RateLimitFields>)
        case clientClose(Path<ProcessSettings.ClientClose>)
        case unusualFields(Path<ProcessSettings.UnusualFields>)
        case logLevel(Path<ProcessSettings.LogLevel>)
        case accessLog(Path<ProcessSettings.AccessLogTarget>)
        /// `on` or `off`.
        case flag(Path<Bool>)
        case path(Path<String>)
        /// `off` for none.
        case optionalPath(Path<String?>)
    }

    /// For example `SLUICE_WORKERS`.
    package let name: String
    let kind: Kind
    /// Nil for what has none.
    package let unit: String?
    package let meaning: String

    init(_ name: String, _ kind: Kind, unit: String? = nil, _ meaning: String) {
        self.name = name
        self.kind = kind
        self.unit = unit
        self.meaning = meaning
    }

    static let prefix = "SLUICE_"

    /// The name of the command-line flag without its dashes, for example `workers`.
    package var flag: String {
        name.dropFirst(Self.prefix.count).lowercased().replacing("_", with: "-")
    }

    /// The words that may be written, for completions; nil where others may be.
    package var words: [String]? {
        switch kind {
        case .redisAway: ProcessSettings.RedisAway.allCases.map(\.rawValue)
        case .quotaAway: ProcessSettings.QuotaAway.allCases.map(\.rawValue)
        case .rateLimitFields: ProcessSettings.RateLimitFields.allCases.map(\.rawValue)
        case .clientClose: ProcessSettings.ClientClose.allCases.map(\.rawValue)
        case .unusualFields: ProcessSettings.UnusualFields.allCases.map(\.rawValue)
        case .logLevel: ProcessSettings.LogLevel.allCases.map(\.rawValue)
        case .flag: ["on", "off"]
        default: nil
        }
    }

    /// Whether a path may be written.
    package var takesPath: Bool {
        switch kind {
        case .path, .optionalPath, .accessLog: true
        default: false
        }
    }

    /// What may be written, for example `an integer from 1 to 1024 (threads)`.
    package var allowed: String {
        switch kind {
        case .integer(_, let range): "an integer from \(range.lowerBound) to \(range.upperBound)" + (unit.map { " (\($0))" } ?? "")
        case .address: ListenAddress.allowed
        case .optionalAddress: "\(ListenAddress.allowed), or off"
        case .hostNames: "host names with commas between them"
        case .redis: RedisURL.allowed
        case .accessLog: "off, - for standard output, or the path of a file"
        case .redisAway, .quotaAway, .rateLimitFields, .clientClose, .unusualFields, .logLevel, .flag: Quoting.alternatives(words ?? [])
        case .path: "a path"
        case .optionalPath: "a path, or off"
        }
    }

    /// The default for documents, which are the same on every machine; `none` for what is not set.
    package var defaultText: String {
        name == "SLUICE_WORKERS" ? "the number of processors" : text(in: ProcessSettings())
    }

    /// The value as it would be written, without passwords; `none` for what is not set.
    package func text(in settings: ProcessSettings) -> String {
        switch kind {
        case .integer(let path, _): "\(settings[keyPath: path])"
        case .address(let path): "\(settings[keyPath: path])"
        case .optionalAddress(let path): settings[keyPath: path].map { "\($0)" } ?? "off"
        case .hostNames(let path): settings[keyPath: path].isEmpty ? "none" : settings[keyPath: path].joined(separator: ",")
        case .redis(let path): settings[keyPath: path].map { "\($0)" } ?? "none"
        case .redisAway(let path): settings[keyPath: path].rawValue
        case .quotaAway(let path): settings[keyPath: path].rawValue
        case .rateLimitFields(let path): settings[keyPath: path].rawValue
        case .clientClose(let path): settings[keyPath: path].rawValue
        case .unusualFields(let path): settings[keyPath: path].rawValue
        case .logLevel(let path): settings[keyPath: path].rawValue
        case .flag(let path): settings[keyPath: path] ? "on" : "off"
        case .path(let path): settings[keyPath: path]
        case .optionalPath(let path): settings[keyPath: path] ?? "off"
        case .accessLog(let path):
            switch settings[keyPath: path] {
            case .off: "off"
            case .standardOutput: "-"
            case .file(let file): file
            }
        }
    }

    /// What a problem may show of a bad value: nothing of what may hold a password.
    func shown(_ text: String) -> String {
        if text.isEmpty { return "empty text" }
        if case .redis = kind { return "text that is not such a URL" }
        return Quoting.quoted(text)
    }

    /// False if `text` is not allowed; `settings` is then unchanged.
    func apply(_ text: String, to settings: inout ProcessSettings) -> Bool {
        guard !text.isEmpty else { return false }
        switch kind {
        case .integer(let path, let range):
            let isDecimal = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            return set(path, isDecimal ? Int(text).flatMap { range.contains($0) ? $0 : nil } : nil, &settings)
        case .address(let path): return set(path, ListenAddress(text), &settings)
        case .optionalAddress(let path):
            return set(path, text == "off" ? .some(nil) : ListenAddress(text).map(Optional.some), &settings)
        case .hostNames(let path): return set(path, Self.hostNames(text), &settings)
        case .redis(let path): return set(path, RedisURL(text).map(Optional.some), &settings)
        case .redisAway(let path): return set(path, ProcessSettings.RedisAway(rawValue: text), &settings)
        case .quotaAway(let path): return set(path, ProcessSettings.QuotaAway(rawValue: text), &settings)
        case .rateLimitFields(let path): return set(path, ProcessSettings.RateLimitFields(rawValue: text), &settings)
        case .clientClose(let path): return set(path, ProcessSettings.ClientClose(rawValue: text), &settings)
        case .unusualFields(let path): return set(path, ProcessSettings.UnusualFields(rawValue: text), &settings)
        case .logLevel(let path): return set(path, ProcessSettings.LogLevel(rawValue: text), &settings)
        case .flag(let path): return set(path, ["on": true, "off": false][text], &settings)
        case .path(let path): return set(path, text.utf8.contains(0) ? nil : text, &settings)
        case .optionalPath(let path):
            return set(path, text == "off" ? .some(nil) : text.utf8.contains(0) || text == "on" ? nil : .some(text), &settings)
        case .accessLog(let path):
            let target: ProcessSettings.AccessLogTarget? =
                switch text {
                case "off": .off
                // Whoever writes these does not mean a file of that name, for which there is ./on.
                case "on", "stdout": nil
                case "-": .standardOutput
                default: .file(text)
                }
            return set(path, target, &settings)
        }
    }

    /// In lower case; nil if one of them is none, as `name:port` or a URL.
    private static func hostNames(_ text: String) -> [String]? {
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map {
            String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()).lowercased()
        }
        let isName = { (name: String) in
            (1...253).contains(name.utf8.count) && name.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || "-._".utf8.contains($0)
            }
        }
        return names.allSatisfy(isName) ? names.map { $0.hasSuffix(".") ? String($0.dropLast()) : $0 } : nil
    }

    private func set<Value>(_ path: Path<Value>, _ value: Value?, _ settings: inout ProcessSettings) -> Bool {
        guard let value else { return false }
        settings[keyPath: path] = value
        return true
    }
}
