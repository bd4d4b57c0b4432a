import SluiceHTTP
import SluicePattern
import Testing

/// Native code and the interpreter count steps each in their own way; every rule here holds for both.
@Suite("Limits of a match", .serialized)
struct MatchLimitTests {
    static let long = 30_000

    static func outcome(_ pattern: String, _ subject: String, steps: Int = MatchScratch.stepsDefault) throws
        -> MatchOutcome
    {
        let regex = try Regex(pattern)
        let scratch = try #require(MatchScratch(steps: steps))
        return with(subject) { scratch.handle.match(regex.handle, $0) }
    }

    @Test(
        "patterns whose work explodes are given up on a path of 30 KB, and finished on a short one",
        arguments: [
            ("(a+)+$", "!"), ("(a|aa)+$", "!"), ("(a|a?)+b$", "b!"), ("(.*)*x", "xy"), ("(.*)(.*)(.*)x", "xy"),
            ("(.*)[^/]*/z", "/zz"), ("(a*)*c?[^a]{2}", "!"),
        ],
        ["", "(*NO_JIT)"])
    func explosion(_ explosive: (pattern: String, tail: String), mode: String) throws {
        let path = String(repeating: "a", count: Self.long) + explosive.tail
        #expect(try Self.outcome(mode + explosive.pattern, path) == .limitExceeded)
        #expect(try Self.outcome(mode + explosive.pattern, "aa" + explosive.tail) == .none)
    }

    @Test(
        "the steps are what ends such a match: with few, a subject is given up that more would decide",
        arguments: ["", "(*NO_JIT)"])
    func steps(mode: String) throws {
        let subject = String(repeating: "a", count: 10) + "!"
        #expect(try Self.outcome(mode + "(a+)+$", subject, steps: 100) == .limitExceeded)
        #expect(try Self.outcome(mode + "(a+)+$", subject, steps: 100_000) == .none)
    }

    @Test(
        "steps shrink as the subject grows: the same work per byte passes on 16,000 bytes, not on 30,000",
        arguments: ["", "(*NO_JIT)"])
    func stepsTimesBytes(mode: String) throws {
        let pattern = mode + "/(.*?)/edit"
        #expect(try Self.outcome(pattern, String(repeating: "/a", count: 8000) + "/edit") == .matched)
        #expect(try Self.outcome(pattern, String(repeating: "/a", count: 15000) + "/edit") == .limitExceeded)
    }

    @Test("ordinary patterns match a path of 30 KB", arguments: ["", "(*NO_JIT)"])
    func longPaths(mode: String) throws {
        let segments = String(repeating: "/a1", count: Self.long / 3)
        let segment = String(repeating: "b", count: Self.long)
        #expect(try Self.outcome(mode + "/api/v2.0/(.*)", "/api/v2.0" + segments) == .matched)
        #expect(try Self.outcome(mode + "/(.*)/edit", segments + "/edit") == .matched)
        #expect(try Self.outcome(mode + "/([^/]+)/([^/]+)/edit", "/x/" + segment + "/edit") == .matched)
        #expect(try Self.outcome(mode + "/([^/]+)/edit", segments + "/edit") == .none)
        #expect(try Self.outcome(mode + "[0-9a-f]{8}-[0-9a-f]{4}", segment) == .none)
    }

    @Test("a match that was given up leaves no groups, and the scratch is fit for the next")
    func afterwards() throws {
        let scratch = try #require(MatchScratch(steps: 100))
        let (explosive, plain) = (try Regex("(a+)+$"), try Regex("(a)(b)"))
        for _ in 0..<3 {
            with("ab") { #expect(scratch.handle.match(plain.handle, $0) == .matched) }
            #expect(scratch.handle.group(2) == 1..<2)
            with(String(repeating: "a", count: 100) + "!") {
                #expect(scratch.handle.match(explosive.handle, $0) == .limitExceeded)
            }
            #expect(scratch.handle.group(0) == nil)
        }
    }

    @Test("steps outside of their range are brought inside: even one step matches a literal")
    func stepRange() throws {
        for steps in [Int.min, 0, 1, Int.max] {
            #expect(try Self.outcome("/a", "/a", steps: steps) == .matched)
        }
        #expect(try Self.outcome("(a+)+$", "aaaaaaaa!", steps: 0) == .limitExceeded)
    }
}
