import SluiceConfiguration
import SluiceHTTP
import SluicePattern

@testable import SluiceGateway

/// A value as if it stood on this line of a file.
func located<Value>(_ value: Value, line: Int = 1) -> Located<Value> {
    Located(value: value, position: SourcePosition(line: line, column: 1), keyPath: "test")
}

/// Calls `body` with the bytes of a text.
func withView<Result>(_ text: String, _ body: (ByteView) -> Result) -> Result {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
        body(bytes.baseAddress.map { ByteView(base: $0, count: bytes.count) } ?? .empty)
    }
}

/// An endpoint table with all that a look-up needs. Endpoint `n` stands on line `n + 1`.
struct EndpointFixture {
    let arena = Arena()
    let problems = Problems(file: "test.yaml")
    let table: EndpointTable
    let methods: MethodTable
    let memory: RouteMemory
    let scratch: MatchScratch

    /// - Parameter endpoints: methods, separated by blanks (none: not given), and pattern.
    init(_ endpoints: [(methods: String, pattern: String)], steps: Int = MatchScratch.stepsDefault) {
        let registry = MethodRegistry()
        let sources = endpoints.enumerated().map { index, endpoint in
            let names = endpoint.methods.split(separator: " ").map { located(String($0), line: index + 1) }
            return EndpointSource(
                pattern: located(endpoint.pattern, line: index + 1),
                methods: names.isEmpty ? nil : located(names, line: index + 1))
        }
        table = EndpointTable.compile(sources, registry: registry, into: arena, problems: problems)
        methods = registry.compile(into: arena)
        memory = RouteMemory(capacity: table.memoryCapacity)
        scratch = MatchScratch(steps: steps)!
    }

    /// Endpoints that serve every method but OPTIONS.
    init(_ patterns: [String], steps: Int = MatchScratch.stepsDefault) {
        self.init(patterns.map { ("", $0) }, steps: steps)
    }

    func match(_ path: String, _ method: String = "GET") -> Int {
        let known = ["GET": Method.get, "HEAD": .head, "POST": .post, "OPTIONS": .options, "PUT": .put][method] ?? .other
        let bit = withView(method) { methods.bit(for: known, token: $0) }
        return withView(path) { path in
            withExtendedLifetime((arena, memory, scratch)) {
                table.match(path: path, method: bit, memory: memory.state, scratch: scratch.handle)
            }
        }
    }

    /// Nodes that the last look-up visited.
    var visits: Int { memory.state.pointee.visits }
}

/// The same numbers in every run.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
