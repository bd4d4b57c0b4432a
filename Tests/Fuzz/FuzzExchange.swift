import SluiceConfiguration
import SluiceCounting
import SluicePattern

@testable import SluiceGateway
@testable import SluiceHTTP

/// One worker's memory and one exchange in it, made from a request head: no socket, and a clock that stands still.
final class FuzzExchange {
    /// 2027-01-15T08:00:00Z.
    static let now: Int64 = 1_800_000_000
    private static let slotCapacity = 64
    private static let storageCapacity = 16 << 10

    let problems = Problems(file: "fuzz.yaml", environment: [:])
    let snapshot: SnapshotBuilder
    private var resources: [any WorkerResource] = []
    private let handles = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: 256)
    private let context = UnsafeMutablePointer<EvaluationContext>.allocate(capacity: 1)
    private let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: slotCapacity)
    private let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: 16 << 10)
    private let storage = UnsafeMutablePointer<UInt8>.allocate(capacity: storageCapacity)
    private let leases = UnsafeMutablePointer<CeilingMeter.Lease>.allocate(capacity: 1)
    private let counts = CountRegistry()
    private let matches: MatchScratch

    init?() {
        guard let matches = MatchScratch() else { return nil }
        self.matches = matches
        snapshot = SnapshotBuilder(problems: problems)
        context.initialize(
            to: EvaluationContext(
                wallSeconds: Self.now, matchScratch: matches.handle, leases: leases,
                attention: counts.makeQueue(), keeper: counts.state, scratch: scratch, scratchCapacity: 16 << 10))
    }

    deinit {
        handles.deallocate()
        leases.deallocate()
        context.deallocate()
        slots.deallocate()
        scratch.deallocate()
        storage.deallocate()
    }

    /// Makes what this worker owns for every policy compiled so far.
    func takeOver() {
        for factory in snapshot.resourceFactories.dropFirst(resources.count) {
            let resource = factory()
            (handles + resources.count).initialize(to: resource.handle)
            resources.append(resource)
        }
    }

    /// Runs `body` on an exchange with this request line and these field lines; nil if that is not a valid head.
    func evaluate<Result>(_ line: String, fields: [(name: String, value: [UInt8])], _ body: (inout Exchange) -> Result) -> Result? {
        var text = Array("\(line) HTTP/1.1\r\nHost: api.example.com\r\n".utf8)
        for field in fields { text += Array("\(field.name): ".utf8) + field.value + Array("\r\n".utf8) }
        text += Array("\r\n".utf8)
        return withCopy(text) { memory, view in
            var head = RequestHead(slots: slots, capacity: Self.slotCapacity)
            guard RequestHead.parse(view, slots: slots, capacity: Self.slotCapacity, into: &head) == .complete, head.length == view.count
            else { return nil }
            var exchange = Exchange(
                context: context, bytes: memory, head: head, peer: IPAddress(v4: 127, 0, 0, 1), peerIsTrusted: false, isSecure: false,
                storage: storage, storageCapacity: Self.storageCapacity)
            exchange.path = head.path(in: view)
            exchange.query = head.query(in: view)
            exchange.upstreamPath = exchange.path
            exchange.upstreamQuery = exchange.query
            exchange.begin(with: handles)
            return body(&exchange)
        }
    }
}
