import SluiceConfiguration
import SluiceHTTP

/// A list of policies whose types the compiler knows: each question that a request asks of a step is one jump, with the policy's own code
/// inlined behind it, and nothing is looked up, retained or called through a table of witnesses.
///
/// A row's number is its place in the order.
protocol PolicyRows {
    static var count: UInt8 { get }
    static var all: [any Policy.Type] { get }
    /// The number of a policy's row; 255 for one that has none.
    static func number<Kind: Policy>(of policy: Kind.Type) -> UInt8

    // What a request asks of one step.
    static func evaluate(_ step: Step, _ exchange: inout Exchange) -> Verdict
    static func isPresented(_ step: Step, _ exchange: borrowing Exchange) -> Bool
    static func writeOtherChallenges(_ step: Step, _ writer: inout HeadWriter, besides row: Refusal.Row)
    static func limitPolicy(_ step: Step) -> ByteView?
    static func writeLimit(_ step: Step, _ writer: inout HeadWriter, _ exchange: borrowing Exchange, isRefusing: Bool)
    static func secondsToWait(_ step: Step, _ exchange: borrowing Exchange) -> UInt64?

    // What is asked once for each configuration.
    static func read(_ reader: MappingReader, at level: PolicyDeclaration.Level, into settings: inout PolicySettings)
    static func steps(at site: PolicySite) -> [Step]
}

/// The list without a row.
enum NoPolicyRows: PolicyRows {
    @inline(__always)
    static var count: UInt8 { 0 }
    static var all: [any Policy.Type] { [] }

    @inline(__always)
    static func number<Kind: Policy>(of policy: Kind.Type) -> UInt8 { 255 }

    @inline(__always)
    static func evaluate(_ step: Step, _ exchange: inout Exchange) -> Verdict { .proceed }

    @inline(__always)
    static func isPresented(_ step: Step, _ exchange: borrowing Exchange) -> Bool { false }

    @inline(__always)
    static func writeOtherChallenges(_ step: Step, _ writer: inout HeadWriter, besides row: Refusal.Row) {}

    @inline(__always)
    static func limitPolicy(_ step: Step) -> ByteView? { nil }

    @inline(__always)
    static func writeLimit(_ step: Step, _ writer: inout HeadWriter, _ exchange: borrowing Exchange, isRefusing: Bool) {}

    @inline(__always)
    static func secondsToWait(_ step: Step, _ exchange: borrowing Exchange) -> UInt64? { nil }

    static func read(_ reader: MappingReader, at level: PolicyDeclaration.Level, into settings: inout PolicySettings) {}
    static func steps(at site: PolicySite) -> [Step] { [] }
}

/// Some rows, and one behind them.
enum PolicyRowsThen<Before: PolicyRows, Last: Policy>: PolicyRows {
    @inline(__always)
    static var count: UInt8 { Before.count &+ 1 }
    static var all: [any Policy.Type] { Before.all + [Last.self] }

    @inline(__always)
    static func number<Kind: Policy>(of policy: Kind.Type) -> UInt8 { policy == Last.self ? Before.count : Before.number(of: policy) }

    @inline(__always)
    static func evaluate(_ step: Step, _ exchange: inout Exchange) -> Verdict {
        isOwn(step) ? compiled(step).pointee.evaluate(&exchange) : Before.evaluate(step, &exchange)
    }

    @inline(__always)
    static func isPresented(_ step: Step, _ exchange: borrowing Exchange) -> Bool {
        isOwn(step) ? compiled(step).pointee.isPresented(by: exchange) : Before.isPresented(step, exchange)
    }

    @inline(__always)
    static func writeOtherChallenges(_ step: Step, _ writer: inout HeadWriter, besides row: Refusal.Row) {
        if isOwn(step) {
            compiled(step).pointee.writeOtherChallenges(&writer, besides: row)
        } else {
            Before.writeOtherChallenges(step, &writer, besides: row)
        }
    }

    @inline(__always)
    static func limitPolicy(_ step: Step) -> ByteView? { isOwn(step) ? compiled(step).pointee.limitPolicy : Before.limitPolicy(step) }

    @inline(__always)
    static func writeLimit(_ step: Step, _ writer: inout HeadWriter, _ exchange: borrowing Exchange, isRefusing: Bool) {
        if isOwn(step) {
            compiled(step).pointee.writeLimit(&writer, exchange, isRefusing: isRefusing)
        } else {
            Before.writeLimit(step, &writer, exchange, isRefusing: isRefusing)
        }
    }

    @inline(__always)
    static func secondsToWait(_ step: Step, _ exchange: borrowing Exchange) -> UInt64? {
        isOwn(step) ? compiled(step).pointee.secondsToWait(exchange) : Before.secondsToWait(step, exchange)
    }

    static func read(_ reader: MappingReader, at level: PolicyDeclaration.Level, into settings: inout PolicySettings) {
        Before.read(reader, at: level, into: &settings)
        guard Last.declaration.places.contains(where: { $0.level == level }) else { return }
        settings.read(Last.self, reader)
    }

    static func steps(at site: PolicySite) -> [Step] {
        let before = Before.steps(at: site)
        guard Last.declaration.isStep, let compiled = Last.compiled(at: site) else { return before }
        return before + [Step(number: Before.count, compiled: UnsafeRawPointer(compiled))]
    }

    @inline(__always)
    private static func isOwn(_ step: Step) -> Bool { step.number == Before.count }

    @inline(__always)
    private static func compiled(_ step: Step) -> UnsafePointer<Last.Compiled> { step.compiled.assumingMemoryBound(to: Last.Compiled.self) }
}

/// Makes `PolicyRows` of policies that are written one below the other.
@resultBuilder
enum PolicyOrder {
    @inline(__always)
    static func buildPartialBlock<First: Policy>(first: First.Type) -> PolicyRowsThen<NoPolicyRows, First>.Type { PolicyRowsThen<NoPolicyRows, First>.self }

    @inline(__always)
    static func buildPartialBlock<Before: PolicyRows, Next: Policy>(
        accumulated: Before.Type, next: Next.Type
    ) -> PolicyRowsThen<Before, Next>.Type { PolicyRowsThen<Before, Next>.self }
}
