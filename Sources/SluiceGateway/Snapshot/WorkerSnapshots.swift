import SluiceHTTP

/// One snapshot as one worker uses it.
struct WorkerSnapshot {
    let tables: UnsafePointer<SnapshotTables>
    /// What the worker made for it, by slot.
    let resources: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// Exchanges that began with it and have not ended.
    var exchanges = 0
}

/// The snapshots that a worker's exchanges are on: the current one, and earlier ones that are not left yet.
///
/// Counting exchanges is plain arithmetic on the worker's own memory; a snapshot is let go when its count is zero and
/// it is no longer current.
struct WorkerSnapshots {
    /// What keeps a snapshot and the worker's resources for it alive.
    private struct Holding {
        let place: UnsafeMutablePointer<WorkerSnapshot>
        let snapshot: Snapshot
        let resources: [any WorkerResource]
    }

    private var holdings: [Holding] = []
    private var current: UnsafeMutablePointer<WorkerSnapshot>?

    /// Snapshots that are held, the current one included.
    var count: Int { holdings.count }

    /// Makes the snapshot current: exchanges that begin from here on are on it.
    mutating func take(_ snapshot: Snapshot) {
        let made = snapshot.resourceFactories.map { $0() }
        let handles = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: max(1, made.count))
        for (index, resource) in made.enumerated() { (handles + index).initialize(to: resource.handle) }
        let place = UnsafeMutablePointer<WorkerSnapshot>.allocate(capacity: 1)
        place.initialize(to: WorkerSnapshot(tables: snapshot.tables, resources: handles))
        let previous = current
        holdings.append(Holding(place: place, snapshot: snapshot, resources: made))
        current = place
        if let previous, previous.pointee.exchanges == 0 { retire(previous) }
    }

    /// Counts an exchange in, on the current snapshot. Only after `take`.
    @inline(__always)
    func enter() -> UnsafeMutablePointer<WorkerSnapshot> {
        guard let current else { preconditionFailure("an exchange began before the first snapshot") }
        current.pointee.exchanges += 1
        return current
    }

    /// Counts an exchange out.
    @inline(__always)
    mutating func leave(_ place: UnsafeMutablePointer<WorkerSnapshot>) {
        place.pointee.exchanges -= 1
        if place.pointee.exchanges == 0, place != current { retire(place) }
    }

    /// Lets every snapshot go, whatever the counts say: the worker has ended.
    mutating func releaseAll() {
        for holding in holdings {
            holding.place.pointee.resources.deallocate()
            holding.place.deallocate()
        }
        holdings = []
        current = nil
    }

    private mutating func retire(_ place: UnsafeMutablePointer<WorkerSnapshot>) {
        guard let index = holdings.firstIndex(where: { $0.place == place }) else { return }
        holdings.remove(at: index)
        place.pointee.resources.deallocate()
        place.deallocate()
    }
}
