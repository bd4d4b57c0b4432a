import Foundation

/// What the build of the gateway under test checks: `SLUICE_TEST_SANITIZER`, which `scripts/sanitize` sets.
enum Sanitizer {
    static let isOn = ProcessInfo.processInfo.environment["SLUICE_TEST_SANITIZER"] != nil
    static let checksThreads = ProcessInfo.processInfo.environment["SLUICE_TEST_SANITIZER"] == "thread"
}
