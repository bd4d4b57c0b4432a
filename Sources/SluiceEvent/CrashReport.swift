import CLibevent
import Glibc

/// What a crash leaves on standard error: one line with the signal, the thread and places in the program (`CShims/CLibevent/crash.h`).
///
/// The Swift runtime's own report starts a program that prints registers and memory: pieces of requests, tokens and keys, in a log.
package enum CrashReport {
    /// The variable by which an operator asks for the runtime's report all the same.
    private static let variable = "SWIFT_BACKTRACE"

    /// Takes the place of the runtime's handlers, unless its variable is set. For the main thread, before anything else.
    package static func install() {
        guard getenv(variable) == nil else { return }
        sluice_report_crashes()
        _ = sluice_take_signal_stack()
    }
}
