/// Durations in buckets of fixed bounds, as Prometheus wants them: recording is a few comparisons and two additions.
struct DurationHistogram: BitwiseCopyable, Sendable {
    /// Upper bounds in microseconds, each four tenths of a decade or less above the one before.
    static let boundsMicroseconds: [UInt64] = [
        100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
        10_000_000,
    ]

    /// Counts per bucket, the last for what is above all bounds.
    var counts: InlineArray<17, UInt64> = .init(repeating: 0)
    var sumNanoseconds: UInt64 = 0

    @inline(__always)
    mutating func record(_ nanoseconds: UInt64) {
        counts[Self.bucket(nanoseconds / 1000)] &+= 1
        sumNanoseconds &+= nanoseconds
    }

    /// Written out: the bounds are a decade's thirds, and most durations fall into the first few.
    @inline(__always)
    private static func bucket(_ microseconds: UInt64) -> Int {
        if microseconds <= 1000 {
            return microseconds <= 100 ? 0 : microseconds <= 250 ? 1 : microseconds <= 500 ? 2 : 3
        }
        if microseconds <= 25_000 {
            return microseconds <= 2500 ? 4 : microseconds <= 5000 ? 5 : microseconds <= 10_000 ? 6 : 7
        }
        if microseconds <= 500_000 {
            return microseconds <= 50_000 ? 8 : microseconds <= 100_000 ? 9 : microseconds <= 250_000 ? 10 : 11
        }
        if microseconds <= 10_000_000 {
            return microseconds <= 1_000_000 ? 12 : microseconds <= 2_500_000 ? 13 : microseconds <= 5_000_000 ? 14 : 15
        }
        return 16
    }

    /// Adds another worker's.
    mutating func add(_ other: DurationHistogram) {
        for index in 0..<17 { counts[index] &+= other.counts[index] }
        sumNanoseconds &+= other.sumNanoseconds
    }
}
