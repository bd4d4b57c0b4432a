import ArgumentParser
import SluiceConfiguration
import SluiceGateway

/// `sluice explain`: one request through the compiled chain, on paper.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what happens to one request, without sending it: what matches, what each policy says, and the result.",
        discussion: """
            The configuration is compiled as for `sluice run`, and the same policies are asked. Ceilings and quotas count from \
            zero. If a step waits for a key set, it is fetched; nothing else is sent.

            The last line begins with `verdict:`, for example `verdict: proxy GET http://127.0.0.1:9000/base/x`, \
            `verdict: 200 mock` or `verdict: 404 4041007 URL Not Found`. Exits 0 if the request would be proxied or answered as \
            configured, 3 if it would be refused, 1 if the configuration cannot be served, 2 if arguments cannot be used.

            \(SettingsFlags.discussion)
            """)

    @OptionGroup var source: ConfigurationOption

    @OptionGroup var shownSettings: SettingsCompletions

    @Argument(help: "The method, as it would be sent.")
    var method: String

    @Argument(help: "The URL or a path. Host is the URL's host, or localhost for a path, unless -H sets it.")
    var url: String

    @OptionGroup var headers: HeaderOption

    @Option(help: ArgumentHelp("The address that the request would come from.", valueName: "ADDRESS"))
    var client: String = "127.0.0.1"

    @Option(help: ArgumentHelp("PEM file of the certificate that the client would show, with its chain. The URL must be https://.", valueName: "FILE"),
        completion: .file())
    var certificate: String?

    @Option(help: ArgumentHelp("File with the request's body, for `validate`; - is standard input. Its length is added to the head.", valueName: "FILE"), completion: .file())
    var body: String?

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() throws {
        let settings = try SettingsFlags.settings()
        let request = try Self.request(method, url, try headers.fields(), client, certificate, try bodyBytes())
        let problems = Problems(file: source.file)
        guard let tree = source.load(problems) else { throw Report.problems(problems.all.map(\.description)) }
        do {
            guard let explainer = try Explainer(tree, settings: settings, callers: CallerSource.source(settings), problems: problems) else {
                throw Report.problems(problems.all.map(\.description))
            }
            let explanation = try explainer.explain(request)
            try Report.output(json ? Self.json(explanation) : Self.text(explanation))
            if !explanation.passes { throw ExitCode(3) }
        } catch let error as Explainer.SetupError {
            throw Report.problems([error.message])
        }
    }

    private func bodyBytes() throws -> [UInt8]? {
        guard let body else { return nil }
        do throws(BoundedFile.Fault) {
            return try BoundedFile.read(body == "-" ? "/dev/stdin" : body, bytesMax: Self.bodyBytesMax, kind: .argument)
        } catch {
            throw Report.unusable(["\(body): \(error.found)"])
        }
    }

    /// The most that a gateway can be set to validate.
    private static let bodyBytesMax = 64 << 20

    private static func request(
        _ method: String, _ url: String, _ fields: [(name: String, value: String)], _ client: String, _ certificate: String?, _ body: [UInt8]?
    ) throws -> ExplainedRequest {
        do throws(DomainCredentials.Fault) {
            return try ExplainedRequest(method: method, url: url, fields: fields, client: client, certificateFile: certificate, body: body)
        } catch {
            throw error.report
        }
    }

    private static func text(_ explanation: Explanation) -> String {
        var lines: [String] = []
        for fact in explanation.facts {
            lines.append(padded(fact.label, 10) + (fact.lines.first ?? ""))
            lines += fact.lines.dropFirst().map { padded("", 10) + $0 }
        }
        if !explanation.steps.isEmpty { lines.append("chain") }
        let width = (explanation.steps.map(\.policy.count).max() ?? 0) + 2
        lines += explanation.steps.map { "  " + padded($0.policy, width) + $0.verdict }
        lines.append(explanation.messageTitle)
        lines += explanation.message.map { $0.isEmpty ? "" : "  " + $0 }
        lines.append("verdict: \(explanation.verdict)")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func json(_ explanation: Explanation) -> String {
        func text(_ text: String) -> ConfigurationNode { ConfigurationNode(.string(text)) }
        func list(_ lines: [String]) -> ConfigurationNode { ConfigurationNode(.sequence(lines.map(text))) }
        func mapping(_ entries: [(String, ConfigurationNode)]) -> ConfigurationNode {
            ConfigurationNode(.mapping(entries.map { .init(key: $0.0, keyPosition: .start, value: $0.1) }))
        }
        let steps = explanation.steps.map { mapping([("policy", text($0.policy)), ("verdict", text($0.verdict))]) }
        return ConfigurationWriter.json(mapping([
            ("facts", mapping(explanation.facts.map { ($0.label, list($0.lines)) })),
            ("chain", ConfigurationNode(.sequence(steps))),
            ("message", mapping([("kind", text(explanation.messageTitle)), ("lines", list(explanation.message))])),
            ("verdict", text(explanation.verdict)), ("passes", ConfigurationNode(.bool(explanation.passes))),
        ]))
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
