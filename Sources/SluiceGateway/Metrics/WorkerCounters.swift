import SluiceHTTP

/// What one worker has counted since it started: plain memory that only its thread touches. A scrape asks every worker, through
/// its mailbox, for a copy, so that no counter is shared and none is atomic. A handle: copies of it are the same counters.
struct WorkerCounters: BitwiseCopyable {
    private struct State {
        var traffic = TrafficCounts()
        var endpoints: UnsafeMutablePointer<StatusCounts>
        var endpointCount = 1
        var domains: UnsafeMutablePointer<DomainCounts>
        var domainCount = 1
        var callers: UnsafeMutablePointer<StatusCounts>
    }

    private let state: UnsafeMutablePointer<State>

    /// Counts of connections and bytes, by pointer for those who count them.
    var trafficPlace: UnsafeMutablePointer<TrafficCounts> { state.field(MemoryLayout<State>.offset(of: \.traffic)) }

    var traffic: TrafficCounts { state.pointee.traffic }

    /// Exchanges of one endpoint by the class of their status.
    struct StatusCounts: BitwiseCopyable {
        /// By the status's first digit; 0 for those that ended before there was a response.
        var classes: InlineArray<6, UInt64> = .init(repeating: 0)
    }

    /// Refusals and durations of one domain.
    struct DomainCounts: BitwiseCopyable {
        /// By `Refusal.Row`: as many as there are, or more.
        var refusals: InlineArray<40, UInt64> = .init(repeating: 0)
        /// By `TokenFault`: as many as there are.
        var tokenFaults: InlineArray<10, UInt64> = .init(repeating: 0)
        var duration = DurationHistogram()
        var upstreamDuration = DurationHistogram()
    }

    var endpoints: UnsafeMutablePointer<StatusCounts> { state.pointee.endpoints }
    var endpointCount: Int { state.pointee.endpointCount }
    var domains: UnsafeMutablePointer<DomainCounts> { state.pointee.domains }
    var domainCount: Int { state.pointee.domainCount }
    /// By `CallerRows`.
    var callers: UnsafeMutablePointer<StatusCounts> { state.pointee.callers }

    init() {
        let endpoints = UnsafeMutablePointer<StatusCounts>.allocate(capacity: 1)
        endpoints.initialize(to: StatusCounts())
        let domains = UnsafeMutablePointer<DomainCounts>.allocate(capacity: 1)
        domains.initialize(to: DomainCounts())
        state = .allocate(capacity: 1)
        let callers = UnsafeMutablePointer<StatusCounts>.allocate(capacity: CallerRows.count + 1)
        callers.initialize(repeating: StatusCounts(), count: CallerRows.count + 1)
        state.initialize(to: State(endpoints: endpoints, domains: domains, callers: callers))
    }

    func deallocate() {
        state.pointee.endpoints.deallocate()
        state.pointee.domains.deallocate()
        state.pointee.callers.deallocate()
        state.deallocate()
    }

    /// Makes room for the rows of a snapshot, before it is taken.
    func reserve(endpoints wantedEndpoints: Int, domains wantedDomains: Int) {
        if wantedEndpoints > endpointCount {
            state.pointee.endpoints = Self.grow(endpoints, endpointCount, to: wantedEndpoints, StatusCounts())
            state.pointee.endpointCount = wantedEndpoints
        }
        if wantedDomains > domainCount {
            state.pointee.domains = Self.grow(domains, domainCount, to: wantedDomains, DomainCounts())
            state.pointee.domainCount = wantedDomains
        }
    }

    /// Sets rows to zero that are somebody else's from now on.
    func clear(_ rows: MetricRegistry.RowNumbers) {
        for row in rows.endpoints where row < endpointCount { endpoints[row] = StatusCounts() }
        for row in rows.domains where row < domainCount { domains[row] = DomainCounts() }
    }

    private static func grow<Row: BitwiseCopyable>(
        _ rows: UnsafeMutablePointer<Row>, _ count: Int, to wanted: Int, _ empty: Row
    ) -> UnsafeMutablePointer<Row> {
        let larger = UnsafeMutablePointer<Row>.allocate(capacity: wanted)
        larger.update(from: rows, count: count)
        (larger + count).initialize(repeating: empty, count: wanted - count)
        rows.deallocate()
        return larger
    }

    // MARK: Counting

    /// The row of requests that reached no domain.
    static let nowhere = 0

    @inline(__always)
    func refused(_ row: Refusal.Row, domain: Int) {
        guard domain < domainCount else { return }
        domains[domain].refusals[Int(row.rawValue)] &+= 1
    }

    @inline(__always)
    func refused(token fault: TokenFault, domain: Int) {
        guard domain < domainCount else { return }
        domains[domain].tokenFaults[Int(fault.rawValue)] &+= 1
    }

    /// One exchange of a caller that is known.
    func responded(caller row: UInt8, status: UInt16) {
        state.pointee.callers[min(Int(row), CallerRows.others)].classes[min(5, Int(status) / 100)] &+= 1
    }

    /// One exchange, with its duration and, if a service was asked, that service's.
    ///
    /// - Parameter status: 0 if it ended before there was a response.
    @inline(__always)
    func responded(
        domain domainRow: Int, endpoint endpointRow: Int, status: UInt16,
        nanoseconds: UInt64, upstreamNanoseconds: UInt64?
    ) {
        if endpointRow < endpointCount {
            endpoints[endpointRow].classes[min(5, Int(status) / 100)] &+= 1
        }
        guard domainRow < domainCount else { return }
        domains[domainRow].duration.record(nanoseconds)
        if let upstreamNanoseconds { domains[domainRow].upstreamDuration.record(upstreamNanoseconds) }
    }
}
