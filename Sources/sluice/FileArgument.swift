/// The configuration as an argument: `sluice check sluice.yaml` for `sluice check --config sluice.yaml`.
///
/// It is put behind `--config` before a command reads its arguments, because `explain` and `sign` have other arguments behind it.
enum FileArgument {
    /// How many arguments each command takes behind the file.
    private static let argumentsBehind = ["run": 0, "check": 0, "token": 0, "export": 0, "explain": 2, "sign": 2]
    /// Options whose value is the next argument.
    private static let valued: Set = [
        "--config", "--upstream", "--extension", "--domain", "--endpoint", "-H", "--header", "--client", "--timestamp", "--claim", "--private-key", "--key-id", "--issuer", "--lifetime", "-o", "--output",
    ]

    static func named(_ arguments: [String]) -> [String] {
        guard let behind = arguments.first.flatMap({ argumentsBehind[$0] }),
            !arguments.contains(where: { $0 == "--config" || $0.hasPrefix("--config=") })
        else { return arguments }
        var places: [Int] = []
        var index = 1
        while index < arguments.count, arguments[index] != "--" {
            let argument = arguments[index]
            if argument.hasPrefix("-"), argument != "-" {
                index += valued.contains(argument) ? 2 : 1
            } else {
                places.append(index)
                index += 1
            }
        }
        guard places.count > behind, let first = places.first else { return arguments }
        var named = arguments
        named.insert("--config", at: first)
        return named
    }
}
