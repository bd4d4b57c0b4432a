import SluiceConfiguration
import SluiceCounting
import SluiceCrypto
import SluiceHTTP
import SluicePattern
import Testing

@testable import SluiceGateway

/// One evaluating thread with a clock that tests move, and requests made from text. No socket.
final class AuthenticationBench {
    /// 2027-01-15T08:00:00Z.
    static let now: Int64 = 1_800_000_000

    let problems: Problems
    let snapshot: SnapshotBuilder
    private var resources: [any WorkerResource] = []
    private let handles = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: 256)
    private let context = UnsafeMutablePointer<EvaluationContext>.allocate(capacity: 1)
    private let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: 64)
    private let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 1 << 17)
    private let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: 4096)
    private let storage = UnsafeMutablePointer<UInt8>.allocate(capacity: 8192)
    private let leases = UnsafeMutablePointer<CeilingMeter.Lease>.allocate(capacity: 1)
    private let matches: MatchScratch
    private let counts = CountRegistry()

    init(environment: [String: String] = [:], keySets: KeySetRegistry = KeySetRegistry()) throws {
        problems = Problems(file: "test.yaml", environment: environment)
        snapshot = SnapshotBuilder(problems: problems, keySets: keySets)
        matches = try #require(MatchScratch())
        context.initialize(
            to: EvaluationContext(
                wallSeconds: Self.now, matchScratch: matches.handle, leases: leases,
                attention: counts.makeQueue(), keeper: counts.state, scratch: scratch,
                scratchCapacity: 4096))
    }

    deinit {
        handles.deallocate()
        leases.deallocate()
        context.deallocate()
        slots.deallocate()
        bytes.deallocate()
        scratch.deallocate()
        storage.deallocate()
    }

    var wallSeconds: Int64 {
        get { context.pointee.wallSeconds }
        set { context.pointee.wallSeconds = newValue }
    }

    var monotonicNanoseconds: UInt64 {
        get { context.pointee.monotonicNanoseconds }
        set { context.pointee.monotonicNanoseconds = newValue }
    }

    var worker: Int {
        get { context.pointee.worker }
        set { context.pointee.worker = newValue }
    }

    /// Makes what this worker owns for every policy compiled so far.
    func takeOver() {
        for factory in snapshot.resourceFactories.dropFirst(resources.count) {
            let resource = factory()
            handles[resources.count] = resource.handle
            resources.append(resource)
        }
    }

    /// A request with this request line and these header lines; Host is added.
    func exchange(_ line: String = "GET /orders/v1?a=b", _ headers: [String] = []) throws -> Exchange {
        let text = "\(line) HTTP/1.1\r\nHost: api.example.com\r\n" + headers.map { $0 + "\r\n" }.joined() + "\r\n"
        let utf8 = Array(text.utf8)
        try #require(utf8.count <= 1 << 17)
        bytes.update(from: utf8, count: utf8.count)
        var head = RequestHead(slots: slots, capacity: 64)
        let outcome = RequestHead.parse(
            ByteView(base: bytes, count: utf8.count), slots: slots, capacity: 64, into: &head)
        guard case .complete = outcome else {
            Issue.record("the test's own request is malformed: \(outcome)")
            throw BenchFault()
        }
        let address = IPAddress(v4: 127, 0, 0, 1)
        var exchange = Exchange(
            context: context, bytes: bytes, head: head, peer: address, peerIsTrusted: false, isSecure: false, storage: storage,
            storageCapacity: 8192)
        exchange.begin(with: handles)
        return exchange
    }

    struct BenchFault: Error {}

    /// A node as the configuration's own reader makes it.
    func node(_ yaml: String) throws -> ConfigurationNode {
        try #require(ConfigurationNode.load(text: yaml, problems: problems))
    }
}

/// What tests compare of a verdict.
enum Outcome: Equatable {
    case proceed, suspend, respond
    case refuse(Refusal.Row)

    init(_ verdict: Verdict) {
        switch verdict {
        case .proceed: self = .proceed
        case .suspend: self = .suspend
        case .respond: self = .respond
        case .refuse(let refusal): self = .refuse(refusal.row)
        }
    }
}
