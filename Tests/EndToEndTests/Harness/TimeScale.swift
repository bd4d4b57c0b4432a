import Foundation
import Testing

/// How much longer than usual everything may take: `SLUICE_TEST_TIME_SCALE`, a whole number from 1. Builds that check memory or
/// threads are slower by some factor that belongs to them and not to the test.
enum TimeScale {
    static let factor: Int = max(1, ProcessInfo.processInfo.environment["SLUICE_TEST_TIME_SCALE"].flatMap { Int($0) } ?? 1)

    /// A bound after which a test gives up waiting; not for times that are themselves what is tested.
    static func patience(_ seconds: Double) -> Double { seconds * Double(factor) }
}

extension Trait where Self == TimeLimitTrait {
    /// How much longer than by itself a test may take in a run of all: its clock runs while it waits for one of the few threads that all share.
    private static var share: Int { 6 }

    /// The longest that one test may take by itself, in minutes of an ordinary build.
    static func minutes(_ count: Int) -> Self { .timeLimit(.minutes(count * share * TimeScale.factor)) }
}
