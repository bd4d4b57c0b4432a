import SluiceConfiguration

@testable import SluiceGateway
@testable import SluiceHTTP

/// A rewrite, compiled and applied. The input is pattern, replacement and path, with a line feed between them.
///
/// What reaches the upstream is a path in normal form, or the request is refused; a template takes exactly the paths that a plain
/// comparison of its segments takes; and what is read of the configuration is the same when it is read from YAML.
enum RewriteFuzz: FuzzTarget {
    static let name = "rewrite"

    static func run(_ input: ByteView) {
        guard let text = String(validating: input.buffer, as: UTF8.self) else { return }
        let parts = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let bench = FuzzExchange() else { return }
        let path = withCopy(Array(parts[2].utf8)) { _, view in PathFuzz.normalised(view) }
        guard let path, path.count < 4096 else { return }
        let configuration = Rewrite.Configuration(pattern: Located(value: parts[0]), replacement: Located(value: parts[1]))
        guard let policy = Rewrite.compile(configuration, into: bench.snapshot) else { return require(false, "a rewrite is never nil") }
        bench.takeOver()
        if case .invalid = policy.matcher {
            require(bench.problems.all.count > 0 && !bench.problems.refuseConfiguration, "an invalid rewrite without its problem")
        } else {
            require(bench.problems.isEmpty, "a problem of a valid rewrite")
        }
        _ = bench.evaluate("GET \(String(decoding: path, as: UTF8.self))", fields: []) { exchange in
            check(policy, parts, path, &exchange)
        }
    }

    private static func check(_ policy: Rewrite.Compiled, _ parts: [String], _ path: [UInt8], _ exchange: inout Exchange) {
        let before = exchange.upstreamPath.array
        guard case .proceed = policy.evaluate(&exchange) else { return }
        let result = exchange.upstreamPath
        require(PathFuzz.normalised(result) == result.array, "the upstream gets a path that is not in normal form: \(result.string)")
        if let query = exchange.upstreamQuery {
            require(!query.buffer.contains { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x23 }, "the upstream gets a query that is none: \(query.string)")
        }
        guard case .template = policy.matcher, let template = try? RewriteTemplate.parse(parts[0]) else { return }
        let segments = path.split(separator: 0x2F, omittingEmptySubsequences: false).dropFirst().map { Array($0) }
        let isMatch = segments.count == template.segments.count
            && zip(segments, template.segments).allSatisfy { segment, pattern in
                let prefix = Array(pattern.prefix.utf8)
                let suffix = Array(pattern.suffix.utf8)
                guard pattern.variable != nil else { return segment == prefix }
                return segment.count > prefix.count + suffix.count && segment.starts(with: prefix) && segment.reversed().starts(with: suffix.reversed())
            }
        if !isMatch { require(result.array == before, "a path that does not match was changed") }
    }
}
