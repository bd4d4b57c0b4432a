import Foundation
import Glibc

/// Asks until the answer is true or `seconds` have passed; returns the last answer.
func eventually(within seconds: Double = 5, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = monotonicSeconds() + TimeScale.patience(seconds)
    while true {
        if try condition() { return true }
        if monotonicSeconds() >= end { return false }
        pause(0.01)
    }
}

/// Seconds of the monotonic clock.
func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Blocks this thread for a time that the test's subject needs to pass.
func pause(_ seconds: Double) { usleep(UInt32(seconds * 1_000_000)) }

/// Waits until a window that is `seconds` long, aligned to the Unix epoch, has at least `margin` seconds left, so that
/// the requests that follow fall into one window.
func alignToWindow(seconds: Double, margin: Double) {
    let left = seconds - Date().timeIntervalSince1970.truncatingRemainder(dividingBy: seconds)
    if left < margin { pause(left + 0.01) }
}
