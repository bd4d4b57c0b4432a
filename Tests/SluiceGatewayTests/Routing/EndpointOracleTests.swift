import SluiceConfiguration
import Testing

@testable import SluiceGateway

/// The rule written down plainly, with no trie: every pattern against the path, then the best of those that match.
private struct PlainEndpoint {
    struct Segment: Equatable {
        /// Place in the order of specificity, from 0.
        var kind: Int
        var text: String
        var letters: Int
        var takes: @Sendable (Substring) -> Bool

        static func == (left: Segment, right: Segment) -> Bool { left.kind == right.kind && left.text == right.text }
    }

    static let alphabet: [Segment] =
        ["a", "b", "ab", "aa", ""].map { letters in Segment(kind: 0, text: letters, letters: letters.count) { $0 == letters } } + [
            Segment(kind: 1, text: "[ab]", letters: 0) { $0 == "a" || $0 == "b" },
            Segment(kind: 1, text: "a+", letters: 0) { !$0.isEmpty && $0.allSatisfy { $0 == "a" } },
            Segment(kind: 1, text: ".*b", letters: 0) { $0.last == "b" },
            Segment(kind: 2, text: "a*", letters: 1) { $0.first == "a" },
            Segment(kind: 2, text: "*b", letters: 1) { $0.last == "b" },
            Segment(kind: 2, text: "a?", letters: 1) { $0.first == "a" && $0.count == 2 },
            Segment(kind: 2, text: "?", letters: 0) { $0.count == 1 },
            Segment(kind: 3, text: "", letters: 0) { !$0.isEmpty },
            Segment(kind: 4, text: "", letters: 0) { _ in true },
            Segment(kind: 5, text: "", letters: 0) { _ in true },
            Segment(kind: 5, text: "", letters: 0) { _ in true },
            Segment(kind: 5, text: "", letters: 0) { _ in true },
        ]

    var segments: [Segment]
    /// Empty: all but OPTIONS.
    var methods: Set<String>

    static func random(using random: inout SplitMix64) -> PlainEndpoint {
        PlainEndpoint(
            segments: (0..<Int.random(in: 1...5, using: &random)).map { _ in alphabet.randomElement(using: &random)! },
            methods: [[], ["GET"], ["POST"], ["HEAD"], ["GET", "POST"], ["OPTIONS"]].randomElement(using: &random)!)
    }

    /// As it is written in a configuration.
    var pattern: String {
        segments.enumerated().map { index, segment in
            switch segment.kind {
            case 1: "/{v\(index):\(segment.text)}"
            case 3: "/{v\(index)}"
            case 4: "/*"
            case 5: "/**"
            default: "/\(segment.text)"
            }
        }.joined()
    }

    func serves(_ method: String, besides others: [PlainEndpoint]) -> Bool {
        if methods.isEmpty { return method != "OPTIONS" }
        if methods.contains(method) { return true }
        return method == "HEAD" && methods.contains("GET")
            && !others.contains { $0.segments == segments && ($0.methods.isEmpty || $0.methods.contains("HEAD")) }
    }

    func conflicts(with other: PlainEndpoint) -> Bool {
        guard segments == other.segments else { return false }
        if methods.isEmpty { return other.methods != ["OPTIONS"] }
        if other.methods.isEmpty { return methods != ["OPTIONS"] }
        return !methods.isDisjoint(with: other.methods)
    }

    func matches(_ path: String) -> Bool {
        Self.matches(segments[...], path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)[...])
    }

    private static func matches(_ segments: ArraySlice<Segment>, _ path: ArraySlice<Substring>) -> Bool {
        guard let first = segments.first else { return path.isEmpty }
        if first.kind == 5 {
            return matches(segments.dropFirst(), path) || (!path.isEmpty && matches(segments, path.dropFirst()))
        }
        guard let segment = path.first else { return false }
        return first.takes(segment) && matches(segments.dropFirst(), path.dropFirst())
    }

    func isMoreSpecific(than other: PlainEndpoint) -> Bool {
        let kinds = segments.map(\.kind)
        let otherKinds = other.segments.map(\.kind)
        for (mine, others) in zip(kinds, otherKinds) where mine != others { return mine < others }
        if kinds.count != otherKinds.count { return kinds.count > otherKinds.count }
        for (mine, others) in zip(segments, other.segments) where mine.text != others.text {
            if mine.letters != others.letters { return mine.letters > others.letters }
            if mine.text.count != others.text.count { return mine.text.count > others.text.count }
            return mine.text < others.text
        }
        return false
    }
}

@Suite("Endpoint tables beside the plain rule")
struct EndpointOracleTests {
    @Test("4,000 random tables, 12 paths each: the same endpoint as by the plain rule, in whatever order they are listed")
    func randomTables() {
        var random = SplitMix64(state: 2_026)
        var hits = 0
        var misses = 0
        for _ in 0..<4_000 {
            var endpoints: [PlainEndpoint] = []
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                let endpoint = PlainEndpoint.random(using: &random)
                if !endpoints.contains(where: { $0.conflicts(with: endpoint) }) { endpoints.append(endpoint) }
            }
            endpoints.shuffle(using: &random)
            let fixture = EndpointFixture(endpoints.map { ($0.methods.sorted().joined(separator: " "), $0.pattern) })
            #expect(fixture.problems.isEmpty, "\(fixture.problems.all)")
            for _ in 0..<12 {
                let segments = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                    ["a", "b", "ab", "aa", "", "c"].randomElement(using: &random)!
                }
                let path = "/" + segments.joined(separator: "/")
                let method = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "BREW"].randomElement(using: &random)!
                let best = endpoints.indices
                    .filter { endpoints[$0].serves(method, besides: endpoints) && endpoints[$0].matches(path) }
                    .min { endpoints[$0].isMoreSpecific(than: endpoints[$1]) }
                let found = fixture.match(path, method)
                if found != best ?? EndpointTable.noMatch {
                    Issue.record(
                        "\(method) \(path) of \(endpoints.map { ($0.methods, $0.pattern) }): \(found), not \(best ?? -1)")
                    return
                }
                if best == nil { misses += 1 } else { hits += 1 }
            }
        }
        #expect(hits > 10_000 && misses > 5_000, "\(hits) hits, \(misses) misses")
    }
}
