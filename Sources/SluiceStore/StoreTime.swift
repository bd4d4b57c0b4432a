import Foundation

/// The clocks that a file of counts goes by, in microseconds.
package struct StoreTime: Sendable {
    /// Since the Unix epoch; may step.
    package var wall: @Sendable () -> Int
    /// Since any moment; never steps.
    package var monotonic: @Sendable () -> Int

    package init(wall: @escaping @Sendable () -> Int, monotonic: @escaping @Sendable () -> Int) {
        self.wall = wall
        self.monotonic = monotonic
    }

    /// Those of the machine.
    package static let machine = StoreTime(wall: { read(CLOCK_REALTIME) }, monotonic: { read(CLOCK_MONOTONIC) })

    private static func read(_ clock: clockid_t) -> Int {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int(time.tv_sec) * 1_000_000 + Int(time.tv_nsec) / 1000
    }
}
