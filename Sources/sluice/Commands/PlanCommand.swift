import ArgumentParser
import SluiceCallers

/// `sluice plan`: what callers can be held to.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Make, show and change plans: limits for callers.", discussion: CallerChange.discussion,
        subcommands: [Create.self, List.self, Set.self, Delete.self])

    struct Limits: ParsableArguments {
        @Option(help: ArgumentHelp("Most requests of one caller in any second, 1 to \(Plan.perSecondRange.upperBound); 0: no limit.", valueName: "NUMBER"))
        var requestsPerSecond: UInt64?

        @Option(help: ArgumentHelp("Most requests of one caller in a day or a month. Needs --per.", valueName: "NUMBER"))
        var quota: UInt64?

        @Option(help: ArgumentHelp("day or month, in UTC: when the quota begins again; none takes the quota away.", valueName: "PERIOD"), completion: .list(["day", "month", "none"]))
        var per: String?

        func request(_ name: String) -> CallerRequest {
            var request = CallerRequest(name: name)
            request.requestsPerSecond = requestsPerSecond
            request.quota = quota
            request.per = per
            return request
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a plan.")

        @Argument(help: "Its name: \(CallerRules.nameAllowed).")
        var name: String

        @OptionGroup var limits: Limits
        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.createPlan, limits.request(name)), json: output.json) }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show all plans.")

        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.listPlans, CallerRequest()), json: output.json) }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Change a plan's limits, for all callers that have it.")

        @Argument(help: "Its name.")
        var name: String

        @OptionGroup var limits: Limits
        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.setPlan, limits.request(name)), json: output.json) }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget a plan that no caller has.")

        @Argument(help: "Its name.")
        var name: String

        @OptionGroup var output: CallerOutput

        func run() throws { try CallerChange.print(try CallerChange.perform(.deletePlan, CallerRequest(name: name)), json: output.json, done: "deleted") }
    }
}
