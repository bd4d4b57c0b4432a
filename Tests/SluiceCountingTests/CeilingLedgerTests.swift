import Testing

@testable import SluiceCounting

@Suite("Ceiling ledger")
struct CeilingLedgerTests {
    private static let second: UInt64 = 1_000_000_000
    private static let start = 10 * second

    /// A ledger of one project with a ceiling of 100, and its meter.
    private final class Node {
        let ledger: CeilingLedger
        let words: CeilingMeter.Words
        var sequence: UInt64 = 0

        init(isLocal: Bool = false) throws {
            ledger = CeilingLedger(isLocal: isLocal)
            words = CeilingMeter.make(ceiling: 100, now: start)
            _ = ledger.add(project: "p", words: words)
        }

        deinit { CeilingMeter.free(words) }

        /// One exchange that takes no time.
        func exchange(
            now: UInt64, share: UInt64, target: UInt64? = nil, registration: UInt64 = 1, settles: UInt64 = 0, parts: UInt64 = AllowanceReplies.fairUnit / 4,
            squeeze: UInt64 = 0
        ) -> [AllowanceBatch.CeilingRequest] {
            _ = ledger.tick(now: now)
            let requests = ledger.plan(now: now)
            var replies = AllowanceReplies(nodes: 2)
            replies.registration = registration
            replies.settlesInMilliseconds = settles
            replies.squeeze = squeeze
            (replies.fairParts, replies.fairTarget) = (parts, parts)
            replies.ceilings = requests.map { .init(project: $0.project, share: share, target: target ?? share, fair: 0) }
            sequence += 1
            ledger.apply(replies, to: sequence, sentAt: now, now: now)
            return requests
        }

        func limit(_ now: UInt64) -> UInt64 { CeilingMeter.limit(of: words, now: now) }
    }

    @Test("a project admits nothing before the store has granted a share, and nothing beyond its lease")
    func lease() throws {
        let node = try Node()
        #expect(node.limit(Self.start) == 0)
        #expect(!node.ledger.isReady)
        #expect(node.exchange(now: Self.start, share: 60) == [.init(project: "p", ceiling: 100, held: 0, demand: 0)])
        #expect(node.limit(Self.start) == 60)
        // The first reply says who the store takes the node for; what it was told before that is gone through once more.
        #expect(!node.ledger.isReady)
        #expect(node.exchange(now: Self.start, share: 60).isEmpty)
        #expect(node.ledger.isReady)
        #expect(node.limit(Self.start + CeilingLedger.lease - 4_000_000) == 60)
        #expect(node.limit(Self.start + CeilingLedger.lease) == 0)
    }

    @Test("a batch says what is asked of a project at that moment, however short a time ago meters were looked at")
    func demandOfTheMoment() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 60)
        var lease = CeilingMeter.Lease()
        for _ in 0..<50 { #expect(CeilingMeter.admit(node.words, &lease, now: Self.start, workers: 1)) }
        node.ledger.setCeiling(0, to: 90, now: Self.start)
        #expect(node.exchange(now: Self.start, share: 60) == [.init(project: "p", ceiling: 90, held: 60, demand: 50)])
    }

    @Test("while a store that answers does not know every project, the next batch is due as soon as may be; else with the next look")
    func nextTick() throws {
        let node = try Node()
        #expect(node.ledger.nextTick(now: Self.start) == Self.start)
        _ = node.exchange(now: Self.start, share: 60)
        #expect(node.ledger.nextTick(now: Self.start) == Self.start + CeilingLedger.spacing)
        _ = node.exchange(now: Self.start + Self.second, share: 60)
        let now = Self.start + Self.second
        #expect(node.ledger.isReady)
        #expect(node.ledger.nextTick(now: now) > now + CeilingLedger.spacing)
    }

    @Test("a project without traffic is looked at in turn only")
    func idle() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 60)
        var lease = CeilingMeter.Lease()
        #expect(CeilingMeter.admit(node.words, &lease, now: Self.start, workers: 1))
        for step in 1...100 as ClosedRange<UInt64> {
            _ = node.exchange(now: Self.start + step * Self.second / 20, share: 60)
            if step == 1 { #expect(node.ledger.active.count == 1) }
        }
        #expect(node.ledger.active.isEmpty)
    }

    @Test("batches that are answered prolong the share, though they do not name the project")
    func prolonged() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 60)
        for tenth in 1...40 as ClosedRange<UInt64> { _ = node.exchange(now: Self.start + tenth * Self.second / 10, share: 60) }
        #expect(node.limit(Self.start + 59 * Self.second / 10) == 60)
    }

    @Test("local: beyond the lease a node has the lesser of share and fair part, and after eight seconds the fair part")
    func local() throws {
        let node = try Node(isLocal: true)
        _ = node.exchange(now: Self.start, share: 10)
        #expect(node.limit(Self.start + CeilingLedger.lease) == 10)
        _ = node.ledger.tick(now: Self.start + CeilingLedger.raise - 1)
        #expect(node.limit(Self.start + CeilingLedger.raise - 1) == 10)
        _ = node.ledger.tick(now: Self.start + CeilingLedger.raise + Self.second)
        #expect(node.limit(Self.start + CeilingLedger.raise + Self.second) == 25)
        // Back: what it uses is told, and no reply is acknowledged before the store knows of it.
        _ = node.exchange(now: Self.start + 10 * Self.second, share: 25)
        #expect(node.ledger.standing.acknowledged == 1)
        #expect(node.exchange(now: Self.start + 11 * Self.second, share: 25).first?.held == 25)
        #expect(node.ledger.standing.acknowledged == node.sequence)
    }

    @Test("a target below the share holds at once, and the store hears that less is held")
    func lowered() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 100, target: 50)
        #expect(node.limit(Self.start) == 50)
        #expect(node.ledger.active.count == 1, "it is looked at soon")
        #expect(node.exchange(now: Self.start + Self.second / 10, share: 50).first?.held == 50)
    }

    @Test("local: a lower ceiling also lowers what a node may use without its store")
    func lowerFairPart() throws {
        let node = try Node(isLocal: true)
        _ = node.exchange(now: Self.start, share: 30)
        node.ledger.setCeiling(0, to: 40, now: Self.start)
        #expect(node.limit(Self.start) == 30)
        #expect(node.limit(Self.start + CeilingLedger.lease) == 10)
    }

    @Test("what is still in use is held, though the limit is lower")
    func inUse() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 100)
        var lease = CeilingMeter.Lease()
        for _ in 0..<80 { #expect(CeilingMeter.admit(node.words, &lease, now: Self.start, workers: 1)) }
        node.ledger.setCeiling(0, to: 40, now: Self.start)
        #expect(node.limit(Self.start) == 40)
        #expect(node.exchange(now: Self.start + Self.second / 10, share: 80, target: 40) == [.init(project: "p", ceiling: 40, held: 80, demand: 80)])
    }

    @Test("when another node is about to use its fair part, a project comes down to its own, unless the store has said since how much it may be")
    func squeezed() throws {
        let (told, untold) = (try Node(), try Node())
        for node in [told, untold] {
            _ = node.exchange(now: Self.start, share: 60)
            #expect(node.exchange(now: Self.start + Self.second / 10, share: 60, squeeze: 7).isEmpty)
        }
        #expect(told.exchange(now: Self.start + Self.second / 5, share: 60, squeeze: 7).count == 1)
        #expect(untold.ledger.plan(now: Self.start + Self.second / 5).count == 1)
        untold.ledger.failed(now: Self.start + Self.second / 5)
        let deadline = Self.start + Self.second / 10 + CeilingLedger.squeezeTime
        for node in [told, untold] { _ = node.ledger.tick(now: deadline) }
        #expect(told.ledger.items[0].limit == 60)
        #expect(untold.ledger.items[0].limit == 25)
    }

    @Test("local: a fair part of more than the whole is not believed")
    func exaggerated() throws {
        let node = try Node(isLocal: true)
        _ = node.exchange(now: Self.start, share: 10, parts: 1 << 45)
        _ = node.ledger.tick(now: Self.start + CeilingLedger.raise + Self.second)
        #expect(node.limit(Self.start + CeilingLedger.raise + Self.second) == 100)
    }

    @Test("a store that is left alone: what waits to be told makes nobody look more often than meters are looked at")
    func leftAlone() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 60)
        node.ledger.setCeiling(0, to: 90, now: Self.start)
        _ = node.ledger.plan(now: Self.start + Self.second)
        node.ledger.failed(now: Self.start + Self.second)
        let later = Self.start + 2 * Self.second
        _ = node.ledger.tick(now: later)
        #expect(node.ledger.nextTick(now: later) == later)
        #expect(node.ledger.nextLook(now: later) == later + CeilingLedger.lookTime)
    }

    @Test("a batch without an answer is said again, and its share is not prolonged before it is confirmed")
    func failed() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 60)
        node.ledger.attend([0], now: Self.start)
        node.ledger.setCeiling(0, to: 90, now: Self.start)
        let told = node.ledger.plan(now: Self.start + Self.second)
        #expect(told.count == 1)
        node.ledger.failed(now: Self.start + 2 * Self.second)
        #expect(node.limit(Self.start + 3 * Self.second) == 0)
        #expect(node.exchange(now: Self.start + 3 * Self.second, share: 50).first?.held == 0)
        #expect(node.limit(Self.start + 3 * Self.second) == 50)
    }

    @Test("a store that knows nothing any more is told of everything, and a share that it has not confirmed ends with its lease")
    func registration() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 60)
        let later = Self.start + Self.second
        #expect(node.exchange(now: later, share: 0, registration: 2, settles: 4000).isEmpty)
        #expect(!node.ledger.isReady)
        #expect(node.limit(later + Self.second) == 60)
        #expect(node.limit(Self.start + CeilingLedger.lease) == 0)
        #expect(node.exchange(now: later + Self.second / 10, share: 60, registration: 2, settles: 3900).first?.held == 60)
        #expect(node.limit(later + 2 * Self.second) == 60)
        #expect(!node.ledger.isReady)
        _ = node.exchange(now: later + Self.second / 5, share: 60, registration: 2)
        #expect(node.exchange(now: later + Self.second / 4, share: 70, registration: 2).first?.held == 60)
        #expect(node.ledger.isReady)
    }

    @Test("100,000 projects are registered in batches of 512, and idle ones are told of once")
    func many() throws {
        let ledger = CeilingLedger(isLocal: false)
        let words = (0..<8).map { _ in CeilingMeter.make(ceiling: 100, now: Self.start) }
        defer { for words in words { CeilingMeter.free(words) } }
        for index in 0..<100_000 { _ = ledger.add(project: "p\(index)", words: words[index % 8]) }
        var told = 0
        var batches = 0
        var now = Self.start
        while !ledger.isReady, batches < 300 {
            let requests = ledger.plan(now: now)
            #expect(requests.count <= CeilingLedger.batchMax)
            told += requests.count
            batches += 1
            var replies = AllowanceReplies()
            replies.registration = 1
            replies.ceilings = requests.map { .init(project: $0.project, share: 50, target: 50, fair: 0) }
            ledger.apply(replies, to: UInt64(batches), sentAt: now, now: now)
            now += CeilingLedger.spacing
        }
        #expect(told == 100_000)
        // 196 full ones, and some in which it looks for projects that something is held of.
        #expect(batches <= 205)
        for _ in 0..<100 {
            now += Self.second / 100
            _ = ledger.tick(now: now)
        }
        #expect(ledger.plan(now: now).isEmpty)
    }

    // MARK: Projects that are given up

    @Test("a project that is given up is told to the store, until that has heard it, and its place and name are free again")
    func farewell() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 60)
        _ = node.exchange(now: Self.start, share: 60)
        node.ledger.remove(0)
        #expect(!node.ledger.holds(0) && node.limit(Self.start) == 0)
        let later = Self.start + CeilingLedger.spacing
        #expect(node.ledger.nextTick(now: later) == later && node.ledger.tick(now: later))
        #expect(node.ledger.plan(now: later) == [.init(project: "p", ceiling: 0, held: 0, demand: 0)])
        node.ledger.failed(now: later)
        #expect(node.exchange(now: later + CeilingLedger.spacing, share: 0) == [.init(project: "p", ceiling: 0, held: 0, demand: 0)])
        #expect(node.exchange(now: later + CeilingLedger.heartbeat, share: 0).isEmpty)
        let words = CeilingMeter.make(ceiling: 30, now: later)
        defer { CeilingMeter.free(words) }
        #expect(node.ledger.add(project: "r", words: words, at: 0) == 0)
        #expect(node.exchange(now: later + 2 * CeilingLedger.heartbeat, share: 20) == [.init(project: "r", ceiling: 30, held: 0, demand: 0)])
        #expect(node.ledger.share(of: 0) == 20)
    }

    @Test("a project that comes back before its farewell was heard stays")
    func back() throws {
        let node = try Node()
        _ = node.exchange(now: Self.start, share: 60)
        _ = node.exchange(now: Self.start, share: 60)
        let words = CeilingMeter.make(ceiling: 30, now: Self.start)
        defer { CeilingMeter.free(words) }
        node.ledger.remove(0)
        let later = Self.start + CeilingLedger.spacing
        #expect(node.ledger.plan(now: later).count == 1)
        node.ledger.add(project: "p", words: words, at: 1)
        node.ledger.failed(now: later)
        #expect(node.exchange(now: later + CeilingLedger.spacing, share: 20) == [.init(project: "p", ceiling: 30, held: 0, demand: 0)])
        #expect(node.ledger.share(of: 1) == 20)
        #expect(node.ledger.isReady)
    }

    @Test("places that no project has are in no batch, and keep no node from going on with its fair part and back")
    func absent() throws {
        let node = try Node(isLocal: true)
        _ = node.exchange(now: Self.start, share: 60)
        let words = CeilingMeter.make(ceiling: 100, now: Self.start)
        defer { CeilingMeter.free(words) }
        node.ledger.add(project: "r", words: words, at: 3)
        node.ledger.remove(0)
        _ = node.exchange(now: Self.start + CeilingLedger.spacing, share: 60)
        let away = Self.start + CeilingLedger.raise + Self.second
        _ = node.ledger.tick(now: away)
        #expect(CeilingMeter.limit(of: words, now: away) == 25)
        let told = (0..<3).flatMap { _ in node.exchange(now: away, share: 60, registration: 2) }
        #expect(Set(told.map(\.project)) == ["r"])
        #expect(node.ledger.isReady && node.ledger.standing.acknowledged == node.sequence)
    }
}
