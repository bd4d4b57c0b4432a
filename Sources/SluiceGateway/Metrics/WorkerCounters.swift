import SluiceHTTP

/// What one worker has counted since it started: plain memory that only its thread touches. A scrape asks every worker, through
/// its mailbox, for a copy, so that no counter is shared and none is atomic.
final class WorkerCounters {
    /// Counts of connections and bytes, by pointer for those who count them.
    let trafficPlace: UnsafeMutablePointer<TrafficCounts>

    var traffic: TrafficCounts { trafficPlace.pointee }

    /// Exchanges of one endpoint by the class of their status.
    struct StatusCounts: BitwiseCopyable {
        /// By the status's first digit; 0 for those that ended before there was a response.
        var classes: InlineArray<6, UInt64> = .init(repeating: 0)
    }

    /// Refusals and durations of one domain.
    struct DomainCounts: BitwiseCopyable {
        /// By `Refusal.Row`: as many as there are, or more.
        var refusals: InlineArray<24, UInt64> = .init(repeating: 0)
        var duration = DurationHistogram()
        var upstreamDuration = DurationHistogram()
    }

    private(set) var endpoints: UnsafeMutablePointer<StatusCounts>
    private(set) var endpointCount: Int
    private(set) var domains: UnsafeMutablePointer<DomainCounts>
    private(set) var domainCount: Int

    init() {
        trafficPlace = .allocate(capacity: 1)
        trafficPlace.initialize(to: TrafficCounts())
        endpoints = .allocate(capacity: 1)
        endpoints.initialize(to: StatusCounts())
        endpointCount = 1
        domains = .allocate(capacity: 1)
        domains.initialize(to: DomainCounts())
        domainCount = 1
    }

    deinit {
        trafficPlace.deallocate()
        endpoints.deallocate()
        domains.deallocate()
    }

    /// Makes room for the rows of a snapshot, before it is taken.
    func reserve(endpoints wantedEndpoints: Int, domains wantedDomains: Int) {
        if wantedEndpoints > endpointCount {
            endpoints = Self.grow(endpoints, endpointCount, to: wantedEndpoints, StatusCounts())
            endpointCount = wantedEndpoints
        }
        if wantedDomains > domainCount {
            domains = Self.grow(domains, domainCount, to: wantedDomains, DomainCounts())
            domainCount = wantedDomains
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
