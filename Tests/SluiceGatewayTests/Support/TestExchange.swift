import SluiceConfiguration
import SluiceCounting
import SluiceHTTP
import SluicePattern
import Testing

@testable import SluiceGateway

/// One exchange in memory, as a worker would hand it to a policy: no socket, and a clock that only the test moves.
///
/// ```swift
/// let test = try TestExchange("GET /a?b=c\nOrigin: https://app.test", client: "10.0.0.1", resources: snapshot)
/// let verdict = acl.evaluate(&test.exchange)
/// ```
final class TestExchange {
    var exchange: Exchange
    private let context: UnsafeMutablePointer<EvaluationContext>
    private let matchScratch: MatchScratch
    /// What the exchange's worker shares with others.
    let counts = CountRegistry()
    /// Kept alive: the exchange reads their handles.
    private let resources: [any WorkerResource]
    private let memory: [UnsafeMutableRawBufferPointer]

    private static let slotCapacity = 100
    private static let scratchCapacity = 64 * 1024

    /// - Parameters:
    ///   - head: a request line and field lines, separated by line feeds. ` HTTP/1.1` and a Host line are added if missing.
    ///   - client: the client's address, and the peer's.
    ///   - storage: bytes that the chain may use.
    ///   - steps: of one match, before it is given up.
    ///   - snapshot: whose per-worker resources the exchange's worker owns.
    ///   - worker: another exchange whose worker, with its resources, serves this one too.
    init(
        _ head: String, client: String = "192.0.2.1", isSecure: Bool = false, wallSeconds: Int64 = 1_700_000_000,
        monotonicNanoseconds: UInt64 = 1_000_000_000, storage: Int = 48 * 1024, steps: Int = MatchScratch.stepsDefault,
        snapshot: SnapshotBuilder? = nil, worker: TestExchange? = nil
    ) throws {
        let bytes = Self.bytes(of: head)
        matchScratch = try #require(MatchScratch(steps: steps))
        resources = worker?.resources ?? snapshot?.resourceFactories.map { $0() } ?? []

        let input = Self.memory(of: UInt8.self, bytes.count)
        let slots = Self.memory(of: FieldSlot.self, Self.slotCapacity)
        let scratch = Self.memory(of: UInt8.self, Self.scratchCapacity)
        let chainStorage = Self.memory(of: UInt8.self, storage)
        let handles = Self.memory(of: UnsafeMutableRawPointer.self, max(1, resources.count))
        let leases = Self.memory(of: CeilingMeter.Lease.self, 1)
        let normalised = Self.memory(of: UInt8.self, bytes.count)
        memory = [input.raw, slots.raw, scratch.raw, chainStorage.raw, handles.raw, leases.raw, normalised.raw]
        input.typed.update(from: bytes, count: bytes.count)
        leases.typed.initialize(to: CeilingMeter.Lease())
        for (index, resource) in resources.enumerated() { (handles.typed + index).initialize(to: resource.handle) }

        context = .allocate(capacity: 1)
        context.initialize(
            to: EvaluationContext(
                wallSeconds: wallSeconds, monotonicNanoseconds: monotonicNanoseconds, matchScratch: matchScratch.handle, leases: leases.typed,
                attention: counts.makeQueue(), keeper: counts.state, scratch: scratch.typed,
                scratchCapacity: Self.scratchCapacity))

        let view = ByteView(base: input.typed, count: bytes.count)
        var parsed = RequestHead(slots: slots.typed, capacity: Self.slotCapacity)
        try #require(
            RequestHead.parse(view, slots: slots.typed, capacity: Self.slotCapacity, into: &parsed) == .complete,
            "the test's request is malformed")
        let path = try #require(Self.normalise(parsed.path(in: view), into: normalised.typed))
        let address = try #require(IPAddress(client), "the test's client is no address")
        exchange = Exchange(
            context: context, bytes: input.typed, head: parsed, peer: address, peerIsTrusted: false, isSecure: isSecure,
            storage: chainStorage.typed, storageCapacity: storage)
        exchange.path = path
        exchange.query = parsed.query(in: view)
        exchange.upstreamPath = path
        exchange.upstreamQuery = exchange.query
        exchange.begin(with: handles.typed)
    }

    deinit {
        context.deallocate()
        for memory in memory { memory.deallocate() }
    }

    /// The worker's clocks.
    var monotonicNanoseconds: UInt64 {
        get { context.pointee.monotonicNanoseconds }
        set { context.pointee.monotonicNanoseconds = newValue }
    }

    var wallSeconds: Int64 {
        get { context.pointee.wallSeconds }
        set { context.pointee.wallSeconds = newValue }
    }

    private static func bytes(of head: String) -> [UInt8] {
        var lines = head.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if !lines[0].contains(" HTTP/") { lines[0] += " HTTP/1.1" }
        if !lines.contains(where: { $0.lowercased().hasPrefix("host:") }) { lines.append("Host: gateway.test") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    private static func normalise(_ path: ByteView, into out: UnsafeMutablePointer<UInt8>) -> ByteView? {
        switch NormalisedPath.normalise(path, into: out) {
        case .unchanged: path
        case .changed(let count, _): ByteView(base: out, count: count)
        case .malformed: nil
        }
    }

    private static func memory<Element: BitwiseCopyable>(
        of type: Element.Type, _ count: Int
    ) -> (raw: UnsafeMutableRawBufferPointer, typed: UnsafeMutablePointer<Element>) {
        let raw = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, count * MemoryLayout<Element>.stride), alignment: max(8, MemoryLayout<Element>.alignment))
        return (raw, raw.baseAddress!.bindMemory(to: Element.self, capacity: count))
    }
}
