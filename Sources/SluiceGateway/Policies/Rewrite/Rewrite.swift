import SluiceConfiguration
import SluiceHTTP
import SluicePattern

/// Changes the path that the upstream sees, and, where the replacement has a query, the query too.
///
/// `pattern` is a regular expression that must match the whole path, or a template such as `/{version}/{path}`;
/// `RewriteTemplate.isTemplate` tells them apart. A path that does not match is left alone. Groups are inserted as they
/// stand in the normalised path, escapes and all, and in a query with what would begin another parameter escaped too; the path is normalised
/// again and gets a leading slash where a group at its beginning brought none, so that the upstream reads the one path that the gateway means.
/// Letters outside ASCII mean in pattern and replacement what they mean in a path (`PatternText`).
///
/// Refuses with `.rewritePatternInvalid` and `.rewriteReplacementInvalid`: always, where the configuration is at fault
/// (a problem of this endpoint only), and with the former where a match takes more than its bound. Refuses with
/// `.invalidTarget` a result that is not a path, climbs above the root or is too long for the exchange. Never suspends.
enum Rewrite: Policy {
    static let key = "rewrite"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .endpoint, meaning: "Changes the path that the upstream gets.")],
        form: .mapping([
            .init("pattern", .text("regular expression, or a template"), .required, "What the whole path must match. Other paths are not changed."),
            .init("to", .text("replacement"), .required,
                "The new path, and after `?` a query. `%1` to `%9` are the pattern's groups. A template has `{name}` instead."),
            .init("query", .word(["replace", "add"]), .byDefault("replace"),
                "Whether the query in `to` stands in place of the request's, or is added behind it."),
        ]),
        refusals: [.rewritePatternInvalid, .rewriteReplacementInvalid])

    static func describePassing(_ exchange: borrowing Exchange) -> String {
        let before = Exchange.target(exchange.path, exchange.query)
        let after = Exchange.target(exchange.upstreamPath, exchange.upstreamQuery)
        return before == after ? "proceed: the path stays as it is" : "proceed: \(before) becomes \(after)"
    }

    struct Configuration: Equatable, Sendable {
        /// A regular expression (pcre2pattern(3)) or a template.
        var pattern: Located<String>
        /// The path, and after a question mark the query. Groups are `%0` to `%9` (`%%` is a percent sign), or `{name}`.
        var replacement: Located<String>
        /// Whether the replacement's query comes behind the request's, and not in its place.
        var addsQuery = false
    }

    struct Compiled: CompiledPolicy {
        enum Matcher: BitwiseCopyable {
            case expression(Regex.Handle)
            case template(RewriteTemplate.Compiled)
            /// The configuration is at fault: every request is refused with this row.
            case invalid(Refusal.Row)
        }

        let matcher: Matcher
        let replacement: RewriteReplacement.Compiled

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            var captures = RewriteCaptures()
            switch matcher {
            case .invalid(let row):
                return .refuse(Refusal(row))
            case .template(let template):
                guard template.match(exchange.path, into: &captures) else { return .proceed }
            case .expression(let expression):
                let scratch = exchange.context.pointee.matchScratch
                switch scratch.match(expression, exchange.path) {
                case .none: return .proceed
                case .limitExceeded: return .refuse(Refusal(.rewritePatternInvalid))
                case .matched: captures.takeGroups(of: scratch)
                }
            }
            return replacement.apply(captures, to: &exchange) ? .proceed : .refuse(.invalidTarget)
        }

        /// Whether a path would be changed. A pattern that is at fault matches every path: each is refused.
        func matches(_ path: ByteView, _ scratch: MatchScratch.Handle) -> MatchOutcome {
            switch matcher {
            case .invalid: return .matched
            case .expression(let expression): return scratch.match(expression, path)
            case .template(let template):
                var captures = RewriteCaptures()
                return template.match(path, into: &captures) ? .matched : .none
            }
        }
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        let pattern = reader.requiredString("pattern")
        let replacement = reader.requiredString("to")
        let query = reader.enumeration("query", ["replace", "add"])
        reader.finish()
        guard let pattern, let replacement, problems.count == before else {
            // Not compiled then, and a run tells of every problem.
            if let pattern { _ = try? compile(pattern, into: Arena(), problems) }
            return nil
        }
        return Configuration(pattern: pattern, replacement: replacement, addsQuery: query?.value == "add")
    }

    /// Never nil: a fault is the endpoint's alone, and is answered by it. The pattern's fault wins over the replacement's.
    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        let matcher: Compiled.Matcher
        let references: RewriteReplacement.References
        do throws(RewriteFault) {
            (matcher, references) = try compile(configuration.pattern, into: snapshot.arena, snapshot.problems)
        } catch {
            return refusing(.rewritePatternInvalid, snapshot.arena)
        }
        do throws(RewriteFault) {
            let replacement = try RewriteReplacement.parse(configuration.replacement.value, references: references)
            return Compiled(matcher: matcher, replacement: replacement.compiled(into: snapshot.arena, addsQuery: configuration.addsQuery))
        } catch {
            report(error, at: configuration.replacement, to: snapshot.problems)
            return refusing(.rewriteReplacementInvalid, snapshot.arena)
        }
    }

    /// The compiled pattern; a fault is reported at its place.
    private static func compile(
        _ pattern: Located<String>, into arena: Arena, _ problems: Problems
    ) throws(RewriteFault) -> (Compiled.Matcher, RewriteReplacement.References) {
        do throws(RewriteFault) {
            return try compile(pattern: pattern.value, into: arena)
        } catch {
            report(error, at: pattern, to: problems)
            throw error
        }
    }

    private static func compile(
        pattern: String, into arena: Arena
    ) throws(RewriteFault) -> (Compiled.Matcher, RewriteReplacement.References) {
        if RewriteTemplate.isTemplate(pattern) {
            let template = try RewriteTemplate.parse(pattern)
            let references = RewriteReplacement.References.variables(template.variables)
            return (.template(template.compiled(into: arena)), references)
        }
        guard !pattern.isEmpty else { throw RewriteFault(allowed: "a regular expression or a template") }
        do throws(PatternError) {
            let (source, isUnicode) = PatternText.normalised(pattern)
            let expression = try Regex(source, isUnicode: isUnicode)
            arena.own(expression)
            return (.expression(expression.handle), .groups(upTo: expression.handle.captureCount))
        } catch {
            throw RewriteFault(allowed: "a regular expression (\(error)), or a template such as /{version}/{path}")
        }
    }

    private static func report(_ fault: RewriteFault, at place: Located<String>, to problems: Problems) {
        problems.add(at: place, found: Quoting.quoted(place.value), allowed: fault.allowed, scope: .endpoint)
    }

    private static func refusing(_ row: Refusal.Row, _ arena: Arena) -> Compiled {
        Compiled(
            matcher: .invalid(row), replacement: RewriteReplacement(path: [], query: nil).compiled(into: arena))
    }
}

/// What is wrong with a pattern or a replacement, said as what would be right.
struct RewriteFault: Error, Equatable {
    let allowed: String
}
