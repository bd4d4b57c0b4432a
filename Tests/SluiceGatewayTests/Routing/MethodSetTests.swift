import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Method sets")
struct MethodSetTests {
    private let problems = Problems(file: "test.yaml")

    private func read(_ names: [String], _ registry: MethodRegistry = MethodRegistry()) -> MethodSet? {
        registry.methods(located(names.map { located($0) }), problems: problems)
    }

    @Test("listed methods: each has its own bit, HEAD is served where GET is and not where it is not")
    func standardMethods() {
        #expect(read(["GET", "POST"]) == MethodSet(.get).union(MethodSet(.post)))
        #expect(read(["GET"])?.servingHead.intersects(MethodSet(.head)) == true)
        #expect(read(["GET"])?.intersects(MethodSet(.head)) == false)
        #expect(read(["POST"])?.servingHead.intersects(MethodSet(.head)) == false)
        #expect(problems.isEmpty)
    }

    @Test("no methods: every method but OPTIONS and TRACE, tokens that nobody names too")
    func unlisted() {
        let all = MethodRegistry().methods(nil, problems: problems)
        for method in Method.allCases {
            #expect(all?.intersects(MethodSet(method)) == (method != .options && method != .trace))
        }
    }

    @Test("TRACE is served where it is listed")
    func trace() {
        #expect(read(["TRACE"]) == MethodSet(.trace))
    }

    @Test("further tokens: the same bit for the same bytes, the bit of unknown tokens for all others")
    func furtherTokens() {
        let registry = MethodRegistry()
        let purge = read(["PURGE"], registry)
        let report = read(["REPORT", "PURGE"], registry)
        let arena = Arena()
        let table = registry.compile(into: arena)
        withExtendedLifetime(arena) {
            #expect(withView("PURGE") { table.bit(for: .other, token: $0) } == purge)
            #expect(report == withView("REPORT") { table.bit(for: .other, token: $0) }.union(purge!))
            #expect(withView("PURG") { table.bit(for: .other, token: $0) } == MethodSet(.other))
            #expect(withView("purge") { table.bit(for: .other, token: $0) } == MethodSet(.other))
            #expect(withView("PURGE") { table.bit(for: .get, token: $0) } == MethodSet(.get))
        }
        #expect(registry.names(of: report!) == ["PURGE", "REPORT"])
        #expect(problems.isEmpty)
    }

    @Test("lower-case standard methods, bytes that no token holds, an empty name: a problem each; the good one stays")
    func badNames() {
        #expect(read(["get", "Post", "PU T", "", "PUT"]) == MethodSet(.put))
        #expect(
            problems.all.map(\.allowed) == [
                "GET, in upper-case letters: methods are case-sensitive",
                "POST, in upper-case letters: methods are case-sensitive",
                "a method: letters, digits and !#$%&'*+-.^_`|~", "a method: letters, digits and !#$%&'*+-.^_`|~",
            ])
    }

    @Test("an empty list is a problem")
    func emptyList() {
        #expect(read([]) == nil)
        #expect(problems.count == 1)
    }

    @Test("54 further tokens fit, the 55th is a problem")
    func capacity() {
        let registry = MethodRegistry()
        #expect(read((1...54).map { "X\($0)" }, registry) != nil)
        #expect(problems.isEmpty)
        #expect(read(["X54"], registry) == MethodSet(bits: 1 << 63))
        #expect(read(["X55"], registry) == nil)
        #expect(problems.all.map(\.found) == ["the further method \"X55\""])
    }
}
