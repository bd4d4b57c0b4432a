import ArgumentParser
import SluiceConfiguration
import SluiceGateway

/// `sluice sign`: the header lines that a domain's HMAC policy accepts.
struct Sign: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the header lines that authenticate a request under a domain's HMAC policy.",
        discussion: """
            Prints one header on each line. For example:

              sluice sign --config sluice.yaml --domain orders GET /orders/v1/members/7 \\
                | curl -H @- http://127.0.0.1:8080/orders/v1/members/7

            It prints the compact form, or the named form if --named is given or the policy requires headers. The named form also \
            signs and prints the lines given with -H, and Host if the policy requires it: do not give them to curl again.
            """)

    @OptionGroup var source: ConfigurationOption

    @Option(help: ArgumentHelp("The domain's key.", valueName: "KEY"))
    var domain: String

    @Option(help: ArgumentHelp(
        "An endpoint of the domain that has credentials of its own: its path as configured, or its methods and its path, as in \"GET,POST /a\".",
        valueName: "ENDPOINT"))
    var endpoint: String?

    @Argument(help: "The method, as it will be sent.")
    var method: String

    @Argument(help: "The request target as it will be sent (path and query, domain key included), or the whole URL.")
    var target: String

    @Option(help: ArgumentHelp("The time of the signature, for example 2026-01-31T09:00:00Z. The default is now.", valueName: "TIME"))
    var timestamp: String?

    @OptionGroup var headers: HeaderOption

    @Flag(help: "Use the named form (`Authorization: hmac ...` with x-nhn-date). It signs the lines given with -H.")
    var named = false

    func run() throws {
        let fields = try headers.fields()
        let credentials = try DomainCredentials.load(source, domain: domain, endpoint: endpoint)
        let lines: [String]
        do throws(DomainCredentials.Fault) {
            lines = try credentials.hmacLines(
                method: method, target: target, timestamp: timestamp, fields: fields, isNamed: named)
        } catch {
            throw error.report
        }
        try Report.output(lines.map { $0 + "\n" }.joined())
    }
}

extension DomainCredentials {
    /// The credentials of a domain of the file, or of one of its endpoints. Exits with every problem if the file cannot be used.
    static func load(_ source: ConfigurationOption, domain: String, endpoint: String?) throws -> DomainCredentials {
        let problems = Problems(file: source.file)
        let tree = source.load(problems)
        let configuration = tree.map { GatewayConfiguration.read($0, problems: problems) }
        guard let configuration, !problems.refuseConfiguration else { throw Report.problems(problems.all.map(\.description)) }
        do throws(Fault) {
            return try DomainCredentials(configuration, domain: domain, endpoint: endpoint)
        } catch {
            if error.isOfArguments { throw error.report }
            throw Report.problems(["\(source.file): \(error.message)"])
        }
    }
}

extension DomainCredentials.Fault {
    /// Prints the fault; the exit code says whether arguments or configuration are to be changed.
    var report: ExitCode { isOfArguments ? Report.unusable([message]) : Report.problems([message]) }
}
