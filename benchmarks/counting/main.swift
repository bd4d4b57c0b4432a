import Glibc
import SluiceCounting
import Synchronization

// What one admission costs, beside the two things that come to mind first: an atomic counter that all threads share, and a
// counter behind a mutex. Real time, real threads; the threads are paced, so that nothing is refused, and only the time inside of
// admissions is counted.
//
//     make bench-counting

/// A way of counting admissions that several threads use at once.
protocol Counter: Sendable {
    /// Whether a request of `project` may pass at `now` (nanoseconds).
    func admit(_ project: Int, thread: Int, now: UInt64) -> Bool
}

/// The gateway's own.
struct Meters: Counter, @unchecked Sendable {
    let words: [CeilingMeter.Words]
    let pocket: UInt32
    let leases: [UnsafeMutablePointer<CeilingMeter.Lease>]
    let threads: UInt64

    init(projects: Int, ceiling: UInt64, threads: Int) {
        let now = monotonic()
        let room = CeilingMeter.pocketsOfAll(ceiling: ceiling, workers: UInt64(threads))
        words = (0..<projects).map { _ in
            let words = CeilingMeter.make(ceiling: ceiling, now: now)
            CeilingMeter.setLimit(words, to: ceiling - room)
            return words
        }
        pocket = CeilingMeter.pocket(ceiling: ceiling, workers: UInt64(threads))
        leases = (0..<threads).map { _ in
            let leases = UnsafeMutablePointer<CeilingMeter.Lease>.allocate(capacity: projects)
            leases.initialize(repeating: CeilingMeter.Lease(), count: projects)
            return leases
        }
        self.threads = UInt64(threads)
    }

    @inline(__always)
    func admit(_ project: Int, thread: Int, now: UInt64) -> Bool {
        CeilingMeter.admit(words[project], leases[thread] + project, now: now, workers: threads, pocket: pocket)
    }
}

/// One word for each project, second and count, that every thread changes: a fixed window, which may admit twice the ceiling.
struct SharedAtomic: Counter, @unchecked Sendable {
    let words: UnsafeMutablePointer<Atomic<UInt64>>
    let ceiling: UInt64

    init(projects: Int, ceiling: UInt64) {
        // A cache line for each.
        words = .allocate(capacity: projects * 8)
        for index in 0..<projects * 8 { (words + index).initialize(to: Atomic(0)) }
        self.ceiling = ceiling
    }

    @inline(__always)
    func admit(_ project: Int, thread: Int, now: UInt64) -> Bool {
        let second = now / 1_000_000_000
        let word = words + project * 8
        var current = word.pointee.load(ordering: .relaxed)
        while true {
            let count = current >> 32 == second & 0xFFFF_FFFF ? current & 0xFFFF_FFFF : 0
            guard count < ceiling else { return false }
            let result = word.pointee.weakCompareExchange(
                expected: current, desired: (second & 0xFFFF_FFFF) << 32 | count + 1, ordering: .acquiringAndReleasing)
            if result.exchanged { return true }
            current = result.original
        }
    }
}

/// The same behind a mutex.
final class Locked: Counter {
    private final class Entry: Sendable {
        let state = Mutex<(second: UInt64, count: UInt64)>((0, 0))
    }

    private let entries: [Entry]
    private let ceiling: UInt64

    init(projects: Int, ceiling: UInt64) {
        entries = (0..<projects).map { _ in Entry() }
        self.ceiling = ceiling
    }

    func admit(_ project: Int, thread: Int, now: UInt64) -> Bool {
        let second = now / 1_000_000_000
        return entries[project].state.withLock { state in
            if state.second != second { state = (second, 0) }
            guard state.count < ceiling else { return false }
            state.count += 1
            return true
        }
    }
}

func monotonic() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// One thread's part of a measurement.
final class Runner<C: Counter>: @unchecked Sendable {
    let counter: C
    let thread: Int
    let projects: [Int32]
    let pauseNanoseconds: UInt64
    let end: UInt64
    var spent: UInt64 = 0
    var admitted = 0
    var refused = 0

    /// Admissions between two readings of the clock: what a turn of a loaded worker's loop holds.
    static var batch: Int { 64 }

    init(_ counter: C, thread: Int, projects: [Int32], perSecond: UInt64, end: UInt64) {
        self.counter = counter
        self.thread = thread
        self.projects = projects
        pauseNanoseconds = UInt64(Self.batch) * 1_000_000_000 / perSecond
        self.end = end
    }

    func run() {
        var place = thread * projects.count / 2
        var due = monotonic()
        while due < end {
            var now = monotonic()
            while now < due { now = monotonic() }
            var admittedHere = 0
            for _ in 0..<Self.batch {
                if counter.admit(Int(projects[place]), thread: thread, now: now) { admittedHere &+= 1 }
                place &+= 1
                if place == projects.count { place = 0 }
            }
            spent += monotonic() - now
            admitted += admittedHere
            refused += Self.batch - admittedHere
            due += pauseNanoseconds
            // A thread that was kept from running does not catch up in a burst.
            if due + 10_000_000 < now { due = now }
        }
    }
}

struct Measurement {
    let nanoseconds: Double
    let refusedShare: Double
}

func measure<C: Counter>(_ counter: C, threads: Int, projects: Int, perSecond: UInt64, seconds: Double) -> Measurement {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    let order = (0..<max(projects, 65_536)).map { _ -> Int32 in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int32(state % UInt64(projects))
    }
    let end = monotonic() + UInt64(seconds * 1e9)
    let runners = (0..<threads).map { Runner(counter, thread: $0, projects: order, perSecond: perSecond, end: end) }
    let jobs = runners.map { runner in Job { runner.run() } }
    for job in jobs { job.start() }
    for job in jobs { job.join() }
    let count = runners.reduce(0) { $0 + $1.admitted + $1.refused }
    let clockCost = 20.0 / Double(Runner<C>.batch)
    return Measurement(
        nanoseconds: Double(runners.reduce(0) { $0 + $1.spent }) / Double(max(1, count)) - clockCost,
        refusedShare: Double(runners.reduce(0) { $0 + $1.refused }) / Double(max(1, count)))
}

/// A thread that runs a closure.
final class Job {
    private let body: () -> Void
    private var handle = pthread_t()

    init(_ body: @escaping () -> Void) { self.body = body }

    func start() {
        pthread_create(&handle, nil, { argument in
            if let argument { Unmanaged<Job>.fromOpaque(argument).takeUnretainedValue().body() }
            return nil
        }, Unmanaged.passUnretained(self).toOpaque())
    }

    func join() { pthread_join(handle, nil) }
}

// MARK: The table

struct Case {
    let title: String
    let projects: Int
    let ceiling: UInt64
    /// Of each thread.
    let perSecond: UInt64
}

let cases = [
    Case(title: "1 project, ceiling 10,000,000, 4,000,000/s", projects: 1, ceiling: 10_000_000, perSecond: 4_000_000),
    Case(title: "100 projects, ceiling 100,000, 40,000/s each", projects: 100, ceiling: 100_000, perSecond: 4_000_000),
    Case(title: "1,000 projects, ceiling 10,000, 200/s each", projects: 1000, ceiling: 10_000, perSecond: 200_000),
    Case(title: "100,000 projects, ceiling 10,000, 2/s each", projects: 100_000, ceiling: 10_000, perSecond: 200_000),
    Case(title: "100,000 projects, ceiling 10,000, 40/s each", projects: 100_000, ceiling: 10_000, perSecond: 4_000_000),
]
if CommandLine.arguments.dropFirst().first == "callers" {
    measureCallers(CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 1_000_000)
    exit(0)
}
let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 5
let seconds = 0.5

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }

func rounded(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(abs(tenths % 10))"
}

print("ns per admission, medians of \(rounds) rounds of \(seconds) s in turn; rates are those of one thread; projects in random order")
print(pad("", 56) + pad("threads", 9) + pad("meter", 16) + pad("shared atomic", 16) + "mutex")
for entry in cases {
    for threads in [1, 2] {
        var figures: [[Measurement]] = [[], [], []]
        let meters = Meters(projects: entry.projects, ceiling: entry.ceiling, threads: threads)
        let atomics = SharedAtomic(projects: entry.projects, ceiling: entry.ceiling)
        let mutexes = Locked(projects: entry.projects, ceiling: entry.ceiling)
        // So that no memory is touched for the first time while it is measured: longer than a window.
        _ = measure(meters, threads: threads, projects: entry.projects, perSecond: entry.perSecond, seconds: 3 * seconds)
        for _ in 0..<rounds {
            figures[0].append(measure(meters, threads: threads, projects: entry.projects, perSecond: entry.perSecond, seconds: seconds))
            figures[1].append(measure(atomics, threads: threads, projects: entry.projects, perSecond: entry.perSecond, seconds: seconds))
            figures[2].append(measure(mutexes, threads: threads, projects: entry.projects, perSecond: entry.perSecond, seconds: seconds))
        }
        let cells = figures.map { list in
            let refused = median(list.map(\.refusedShare))
            return rounded(median(list.map(\.nanoseconds))) + (refused > 0 ? " (\(rounded(refused * 100)) %)" : "")
        }
        print(pad(entry.title, 56) + pad("\(threads)", 9) + pad(cells[0], 16) + pad(cells[1], 16) + cells[2])
    }
}
