import SluiceConfiguration
import SluicePattern
import Testing

@testable import SluiceGateway

@Suite("Endpoint look-ups: bounds")
struct EndpointSearchTests {
    /// Nodes of a table of one pattern times places of the path.
    private func bound(_ pattern: String, _ path: String) -> Int {
        (pattern.split(separator: "/", omittingEmptySubsequences: false).count)
            * (path.split(separator: "/", omittingEmptySubsequences: false).count)
    }

    @Test(
        "a path that fails at the very end visits no node twice at one place, and one of 4,000 segments is given up",
        arguments: [
            "/**/a/**/b/**/c", "/**/a/**/a/**/a/**/a/**/a/**/c", "/**/**/**/**/c", "/**/a/b/**/{x}/**/?/**/*/**/c",
            String(repeating: "/**/a", count: 31) + "/c",
        ])
    func nestedDoubleStars(pattern: String) {
        let fixture = EndpointFixture([pattern])
        #expect(fixture.problems.isEmpty)
        let path = String(repeating: "/a/b", count: 10)
        #expect(fixture.match(path) == EndpointTable.noMatch)
        #expect(fixture.visits > 10)
        #expect(fixture.visits <= bound(pattern, path))
        let deepEnough = String(repeating: "/a/b", count: 31)
        #expect(fixture.match(deepEnough + "/a/c") == (pattern.hasSuffix("/a/c") || pattern.contains("**/c") ? 0 : EndpointTable.noMatch))
        let long = String(repeating: "/a/b", count: 2_000)
        #expect(fixture.match(long) == EndpointTable.overLimit)
        #expect(fixture.visits <= EndpointTable.visitsMax + 200 + long.utf8.count / 64)
    }

    @Test("many patterns with ** that share their beginning stay within nodes times places")
    func manyDoubleStars() {
        func segments(_ variable: String) -> [String] { ["a", "b", "{\(variable)}", "*"] }
        let patterns = segments("x").flatMap { first in
            segments("y").flatMap { second in segments("z").map { "/**/\(first)/**/\(second)/**/\($0)/end" } }
        }
        let fixture = EndpointFixture(patterns)
        #expect(fixture.problems.isEmpty)
        let path = "/a/b/a/b"
        #expect(fixture.match(path) == EndpointTable.noMatch)
        // Root, **, 4 x (letter, **), 16 x (letter, **), 64 x (letter, end).
        #expect(fixture.visits <= (2 + 8 + 32 + 128) * 5)
    }

    @Test("a plain path visits one node a segment, whatever else the table holds")
    func plainPath() {
        let fixture = EndpointFixture((0..<1_000).map { "/api/v\($0)/x" } + ["/**"])
        #expect(fixture.match("/api/v500/x") == 500)
        #expect(fixture.visits == 4)
    }

    @Test("the longest pattern of nothing but ** ends on a path of 20,000 empty segments, without an answer")
    func depth() {
        let fixture = EndpointFixture([String(repeating: "/**", count: 63) + "/a"])
        #expect(fixture.match(String(repeating: "/", count: 20_000)) == EndpointTable.overLimit)
        #expect(fixture.match("//x/a") == 0)
    }

    @Test("an endpoint that ends with ** takes any path, whatever stands in front of it takes 256 visits and a few, no more")
    func visits() {
        let deep = String(repeating: "/1", count: 10_000)
        #expect(EndpointFixture(["/**"]).match(deep) == 0)
        #expect(EndpointFixture(["/1/**", "/2/**/x"]).match(deep) == 0)
        let fixture = EndpointFixture(["/**/x", "/**"])
        #expect(fixture.match(String(repeating: "/1", count: 240)) == 1)
        #expect(fixture.match(deep) == EndpointTable.overLimit)
    }

    @Test("a mix that compares too much ends the look-up")
    func longMixes() {
        let fixture = EndpointFixture(["/*aaaaaaaab", "/**"])
        #expect(fixture.match("/" + String(repeating: "a", count: 100)) == 1)
        #expect(fixture.match("/" + String(repeating: "a", count: 10_000)) == EndpointTable.overLimit)
        #expect(fixture.match("/" + String(repeating: "c", count: 1_000) + "aaaaaaaab") == 0)
    }

    @Test("what one look-up remembers means nothing to the next")
    func epochs() {
        let fixture = EndpointFixture(["/**/a/**/b"])
        for _ in 0..<3 {
            #expect(fixture.match("/x/a/x/c") == EndpointTable.noMatch)
            #expect(fixture.match("/a/x/b") == 0)
        }
    }

    @Test("when the epochs begin anew, marks of the first one are gone")
    func epochsBeginAnew() {
        let fixture = EndpointFixture(["/**/a/**/b"])
        #expect(fixture.match("/x/a/x/c") == EndpointTable.noMatch)
        fixture.memory.state.pointee.epoch = UInt32.max
        #expect(fixture.match("/a/x/b") == 0)
        #expect(fixture.memory.state.pointee.epoch == 1)
    }

    @Test("a regex that is given up ends the look-up: the less specific endpoint is not the answer")
    func regexGivenUp() {
        let patterns = ["/{x:(a+)+b}", "/**"]
        let path = "/" + String(repeating: "a", count: 40) + "bc"
        #expect(EndpointFixture(patterns, steps: 10).match(path) == EndpointTable.overLimit)
        #expect(EndpointFixture(patterns.reversed(), steps: 10).match(path) == EndpointTable.overLimit)
        #expect(EndpointFixture(patterns, steps: 10).match("/c") == 1)
        #expect(EndpointFixture(patterns + ["/" + String(repeating: "a", count: 40) + "bc"], steps: 10).match(path) == 2)
    }

    @Test("of two regexes the more specific is tried first, in either order of the file: the other is not given up in vain")
    func regexOrder() {
        let patterns = ["/{x:a+bc(zzz)?}", "/{x:(a+)+b}"]
        let path = "/" + String(repeating: "a", count: 40) + "bc"
        #expect(EndpointFixture(patterns, steps: 100).match(path) == 0)
        #expect(EndpointFixture(patterns.reversed(), steps: 100).match(path) == 1)
        #expect(EndpointFixture([patterns[1]], steps: 100).match(path) == EndpointTable.overLimit)
    }

    @Test("under **, a regex is tried at 257 segments of a path, not at 258")
    func regexRepetitions() {
        let fixture = EndpointFixture(["/**/{x:z}/end"])
        #expect(fixture.match(String(repeating: "/1", count: 257)) == EndpointTable.noMatch)
        #expect(fixture.match(String(repeating: "/1", count: 258)) == EndpointTable.overLimit)
    }
}
