import CVirtualKernel
import Glibc

// gateway-simulation [--seeds N] [--from K] [--until W] [--processes P] [--transcript]: plays seeds K to K+N-1, each in a process of its own, P of them at a time, and
// prints what went against the contract; no further ones once W have. Ends with 1 if anything did. --transcript prints all that happened besides.

// Hashing by the same numbers every time, and freed memory that does not look like what it was: both are decided when a process starts.
if getenv("SWIFT_DETERMINISTIC_HASHING") == nil || getenv("MALLOC_PERTURB_") == nil {
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    setenv("MALLOC_PERTURB_", "165", 0)
    setenv("SWIFT_BACKTRACE", "enable=no", 1)
    var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) } + [nil]
    execv("/proc/self/exe", &arguments)
}

func option(_ name: String, default value: UInt64) -> UInt64 {
    guard let place = CommandLine.arguments.firstIndex(of: name), place + 1 < CommandLine.arguments.count else { return value }
    return UInt64(CommandLine.arguments[place + 1]) ?? value
}

/// Writes past any buffer, so that nothing is said twice by a copy of this process.
func say(_ text: String) {
    let line = text + "\n"
    _ = line.withCString { write(1, $0, strlen($0)) }
}

/// Plays one seed. True if all was as it should be.
func play(_ seed: UInt64, showsTranscript: Bool) -> Bool {
    do {
        let simulation = try Simulation(seed: seed, keepsTranscript: showsTranscript)
        simulation.play()
        let faults = simulation.faults + Judge(simulation).judge()
        if showsTranscript { for line in simulation.transcript { say(line) } }
        for fault in faults { say("seed \(seed): \(fault)") }
        return faults.isEmpty
    } catch {
        say("seed \(seed): \(error)")
        return false
    }
}

let from = option("--from", default: 1)
let seeds = option("--seeds", default: 100)
let until = option("--until", default: .max)
let processes = option("--processes", default: UInt64(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
let showsTranscript = CommandLine.arguments.contains("--transcript")
KeyRing.prepare()
var playing: [Int32: UInt64] = [:]
var failed: [UInt64] = []
var played: UInt64 = 0
/// Waits for one of those that play.
@MainActor func awaitOne() {
    var status: Int32 = 0
    let child = vk_await(&status)
    guard let seed = playing.removeValue(forKey: child) else { return }
    if status != 0 { failed.append(seed) }
    if status < 0 { say("seed \(seed): the process ended with signal \(-status)") }
}
for seed in from..<(from + seeds) where failed.count < until {
    while playing.count >= Int(processes) { awaitOne() }
    let child = vk_fork()
    if child == 0 { _exit(play(seed, showsTranscript: showsTranscript) ? 0 : 1) }
    playing[child] = seed
    played += 1
}
while !playing.isEmpty { awaitOne() }
say("\(played) seeds from \(from): \(failed.count) went wrong\(failed.isEmpty ? "" : ": \(failed.sorted().prefix(20).map { "\($0)" }.joined(separator: " "))")")
exit(failed.isEmpty ? 0 : 1)
