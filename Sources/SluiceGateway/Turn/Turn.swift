import SluiceCounting
import SluiceEvent

/// The time of one worker, and what waits for the end of its turn: the clock, the deadlines and the queue.
///
/// A turn of the loop begins with one reading of the clock, and most of what is done in it goes by that. What must not go by the time at which
/// something else was done reads the clock anew. A handle: copies of it are the same turn. On the worker's thread only.
///
/// Large because clock, deadlines and queue go by one reading of the time and end together, and each kind of connection has its shorthand.
struct Turn: BitwiseCopyable {
    fileprivate struct State {
        var clock: WorkerClock
        var deadlines: DeadlineWheel
        var queue = TurnQueue()
        var sending = TurnQueue()
        /// Milliseconds of the monotonic clock at the latest reading.
        var now: UInt64 = 0
        var isClockFresh = false
        /// What was done since the clock was last read, in callbacks. A decision, and whatever else may take as long, counts as
        /// `Limits.callbacksPerReading`.
        var doneSinceReading = 0
        /// What makes the monotonic clock the wall clock; follows steps of the latter every `Limits.tickMilliseconds`.
        var wallOffset: UInt64 = 0
        /// When the wall clock is looked at again, in nanoseconds of the monotonic clock.
        var wallDue: UInt64 = 0
        /// No tick is planned for what comes before this moment, in milliseconds.
        var planned = Deadline.never
        /// When the next tick comes, in milliseconds of the monotonic clock.
        var tick = Deadline.never
    }

    private let state: UnsafeMutablePointer<State>
    /// Where policies find the time: `context` has the same reading.
    private let context: UnsafeMutablePointer<EvaluationContext>

    init(context: UnsafeMutablePointer<EvaluationContext>, clock: WorkerClock) {
        self.context = context
        state = .allocate(capacity: 1)
        state.initialize(to: State(clock: clock, deadlines: DeadlineWheel(now: clock.monotonicNanoseconds() / 1_000_000)))
        readClock()
    }

    func deallocate() {
        state.pointee.deadlines.deallocate()
        state.deinitialize(count: 1).deallocate()
    }

    // MARK: Time

    /// Milliseconds of the monotonic clock, as of its latest reading.
    @inline(__always)
    var now: UInt64 { state.pointee.now }

    /// Nanoseconds since the Unix epoch, as of the latest reading.
    var wallNanoseconds: UInt64 { context.pointee.monotonicNanoseconds &+ state.pointee.wallOffset }

    /// Nanoseconds of the monotonic clock at this very moment. Changes nothing.
    @inline(__always)
    func monotonicNanoseconds() -> UInt64 { state.pointee.clock.monotonicNanoseconds() }

    /// Reads the clock, unless it was read in this turn. Every callback begins with it.
    @inline(__always)
    func freshenClock() {
        if state.pointee.isClockFresh {
            state.pointee.doneSinceReading &+= 1
        } else {
            readClock()
        }
    }

    /// Reads the clock before a decision, unless next to nothing was done since it was last read. A turn may be long: what a request is
    /// judged by must not be the time at which others were read before it. A decision that is not bound to its moment makes do with a
    /// reading that is some more callbacks old.
    @inline(__always)
    func freshenClock(forDecisionByClock goesByClock: Bool) {
        if state.pointee.doneSinceReading >= (goesByClock ? Limits.callbacksPerReading : 2 * Limits.callbacksPerReading) { readClock() }
        noteLongWork()
    }

    /// Something was done that may have taken its time: whatever is decided next goes by the clock as it is then.
    @inline(__always)
    func noteLongWork() { state.pointee.doneSinceReading = max(state.pointee.doneSinceReading, Limits.callbacksPerReading) }

    func readClock() {
        let now = state.pointee.clock.monotonicNanoseconds()
        if now >= state.pointee.wallDue { followWallClock(now) }
        context.pointee.monotonicNanoseconds = now
        context.pointee.wallSeconds = Int64((now &+ state.pointee.wallOffset) / 1_000_000_000)
        context.pointee.countSeconds = KeeperState.seconds(context.pointee.keeper, at: now)
        state.pointee.now = now / 1_000_000
        state.pointee.isClockFresh = true
        state.pointee.doneSinceReading = 0
    }

    /// Notices a step of the wall clock.
    private func followWallClock(_ now: UInt64) {
        state.pointee.wallOffset = state.pointee.clock.wallNanoseconds() &- now
        state.pointee.wallDue = now &+ Limits.tickMilliseconds &* 1_000_000
    }

    /// The turn is over: the next callback reads the clock.
    @inline(__always)
    func end() { state.pointee.isClockFresh = false }

    /// Lets time pass, for whoever turns the loop by hand.
    func pass(nanoseconds: UInt64) { state.pointee.clock.pass(nanoseconds: nanoseconds) }

    // MARK: Deadlines

    /// Sets when `deadline` expires, in milliseconds of the monotonic clock; `Deadline.never` for no limit.
    @inline(__always)
    func set(_ deadline: UnsafeMutablePointer<Deadline>, at moment: UInt64) { state.pointee.deadlines.set(deadline, at: moment) }

    /// Forgets a deadline whose connection is about to go.
    func remove(_ deadline: UnsafeMutablePointer<Deadline>) { state.pointee.deadlines.remove(deadline) }

    /// The next deadline that has come; nil when all up to now have been looked at. See `DeadlineWheel.nextExpired`.
    func nextExpired() -> UnsafeMutablePointer<Deadline>? { state.pointee.deadlines.nextExpired(at: now) }

    // MARK: The next tick

    /// Whether something has to be looked at before the tick that is planned.
    @inline(__always)
    var isTickLate: Bool { state.pointee.deadlines.earliest < state.pointee.planned }

    /// Something has to be looked at by then, in milliseconds of the monotonic clock: not a deadline of the wheel.
    @inline(__always)
    func noteDue(_ moment: UInt64) { state.pointee.deadlines.note(moment) }

    /// Plans the next tick. One that is to come already is never put off: what is due again and again would otherwise never be looked at.
    ///
    /// - Parameter milliseconds: after which it comes at the latest.
    /// - Returns: after how many milliseconds it has to come, at least 1; nil if one comes by then already.
    func planTick(within milliseconds: UInt64) -> Int? {
        let moment = state.pointee.deadlines.plan(until: now + milliseconds)
        state.pointee.planned = state.pointee.deadlines.earliest
        guard moment < state.pointee.tick else { return nil }
        state.pointee.tick = moment
        return Int(max(moment, now + 1) - now)
    }

    /// The tick that was planned has come: the next is to be planned.
    func beginTick() { state.pointee.tick = Deadline.never }

    // MARK: The queue

    /// Whether nothing waits for the end of the turn.
    @inline(__always)
    var isEmpty: Bool { state.pointee.queue.isEmpty }

    /// Entries that wait for the end of the turn.
    var waiting: Int { state.pointee.queue.count }

    func enqueue(_ entry: TurnQueue.Entry) { state.pointee.queue.append(entry) }

    func next() -> TurnQueue.Entry? { state.pointee.queue.next() }

    // MARK: What is sent at the end of the turn

    /// Whether nothing was gathered to be sent.
    @inline(__always)
    var hasSentAll: Bool { state.pointee.sending.isEmpty }

    func enqueueSending(_ entry: TurnQueue.Entry) { state.pointee.sending.append(entry) }

    func nextSending() -> TurnQueue.Entry? { state.pointee.sending.next() }
}
