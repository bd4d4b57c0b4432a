import Configuration

extension ProcessSettings {
    /// One fault of the process's settings.
    package struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
        /// The variable, or the flag with its dashes.
        package let name: String
        /// Never a password.
        package let found: String
        package let allowed: String

        package init(name: String, found: String, allowed: String) {
            self.name = name
            self.found = found
            self.allowed = allowed
        }

        /// `name: found X, allowed Y`
        package var description: String { "\(name): found \(found), allowed \(allowed)" }
    }

    /// All faults at once, in the order of the table, unknown names last.
    package struct Problems: Error, Sendable, CustomStringConvertible {
        package let all: [Problem]

        package init(all: [Problem]) { self.all = all }

        /// One a line.
        package var description: String { all.map(\.description).joined(separator: "\n") }
    }

    /// Reads every setting.
    ///
    /// - Parameters:
    ///   - environment: all variables of the process; those that do not begin with `SLUICE_` are not looked at.
    ///   - flags: values given on the command line by flag name, with or without dashes; they win.
    package init(environment: [String: String], flags: [String: String] = [:]) throws(Problems) {
        self.init()
        let flags = Dictionary(
            flags.map { (String($0.key.drop { $0 == "-" }), $0.value) }, uniquingKeysWith: { _, last in last })
        let given = Dictionary(uniqueKeysWithValues: flags.map { flag, value in
            (AbsoluteConfigKey(["sluice", flag]), ConfigValue(.string(value), isSecret: false))
        })
        let reader = ConfigReader(providers: [
            InMemoryProvider(name: "flags", values: given),
            EnvironmentVariablesProvider(
                environmentVariables: environment.filter { $0.key.hasPrefix(Setting.prefix) },
                secretsSpecifier: .specific(["SLUICE_REDIS_URL"])),
        ])
        var problems: [Problem] = []
        for setting in Setting.all {
            guard let text = reader.string(forKey: ConfigKey(["sluice", setting.flag])) else { continue }
            if !setting.apply(text, to: &self) {
                let name = flags[setting.flag] == nil ? setting.name : "--" + setting.flag
                problems.append(Problem(name: name, found: setting.shown(text), allowed: setting.allowed))
            }
        }
        let named = environment.filter { $0.key.hasPrefix(Setting.prefix) && !Self.isServiceLink($0.key, $0.value) }
        problems += Self.unknown(Array(named.keys), in: Setting.all.map(\.name))
        problems += Self.unknown(flags.keys.map { "--" + $0 }, in: Setting.all.map { "--" + $0.flag })
        if !problems.isEmpty { throw Problems(all: problems) }
    }

    /// Whether a variable is one of those that Kubernetes, and container links before it, put into every container for a service of the
    /// name `sluice` or `sluice-...`: nobody has mistyped them. `SLUICE_PORT=8080` is none.
    private static func isServiceLink(_ name: String, _ value: String) -> Bool {
        let words = name.split(separator: "_")
        if words.last == "PORT", ["tcp://", "udp://", "sctp://"].contains(where: value.hasPrefix) { return true }
        for (index, word) in words.enumerated().dropFirst() where index + 1 < words.count {
            let next = words[index + 1]
            if word == "SERVICE", (next == "HOST" && index + 2 == words.count) || next == "PORT" { return true }
            // SLUICE_PORT_8080_TCP, with or without _ADDR, _PORT or _PROTO behind it.
            if word == "PORT", UInt16(next) != nil, index + 2 < words.count, ["TCP", "UDP", "SCTP"].contains(words[index + 2]) { return true }
        }
        return false
    }

    private static func unknown(_ names: [String], in known: [String]) -> [Problem] {
        let known = Set(known)
        return names.filter { !known.contains($0) }.sorted().map { name in
            let hint = Spelling.nearest(to: name, in: known).map { " (did you mean \($0)?)" } ?? ""
            return Problem(
                name: Quoting.isPlain(name) ? name : Quoting.quoted(name), found: "an unknown name\(hint)",
                allowed: "the names that `sluice env` prints")
        }
    }

    /// A row of what `sluice env` prints.
    package struct Row: Sendable, Equatable {
        package let name: String
        package let flag: String
        package let meaning: String
        package let unit: String?
        package let allowed: String
        package let defaultValue: String
        package let value: String
    }

    /// Every variable with its default and its value in these settings; passwords are not shown.
    package var table: [Row] {
        let defaults = ProcessSettings()
        return Setting.all.map { setting in
            Row(
                name: setting.name, flag: "--" + setting.flag, meaning: setting.meaning, unit: setting.unit,
                allowed: setting.allowed, defaultValue: setting.text(in: defaults), value: setting.text(in: self))
        }
    }
}
