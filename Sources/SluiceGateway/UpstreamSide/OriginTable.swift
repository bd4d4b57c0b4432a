import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// One worker's view of all origins, by their number in the registry: resolved addresses and their pools. Outlives reloads, so
/// that a reload closes no connection.
struct OriginTable {
    private struct Owned {
        let origin: Origin
        let peer: TLSPeer?

        /// Whether TLS is wanted and could not be set up: nothing may be sent there, least of all in clear.
        var isUnusable: Bool { origin.tls != nil && peer == nil }
    }

    private var places: UnsafeMutablePointer<UnsafeMutablePointer<WorkerOrigin>?>
    private var owned: [Owned?] = []
    private var capacity = 16
    /// Where the next choice among several URLs begins, so that equals take turns.
    var rotation = 0
    /// Numbers that the table has places for.
    private(set) var count = 0

    init() { places = .allocate(capacity: capacity) }

    /// Whether there is an origin of this number.
    func has(_ number: Int) -> Bool { owned.indices.contains(number) && owned[number] != nil }

    /// The origin of this number. Checked: the number comes from a snapshot, which is published after its origins.
    @inline(__always)
    subscript(number: Int) -> UnsafeMutablePointer<WorkerOrigin> {
        precondition(UInt(bitPattern: number) < UInt(bitPattern: count))
        guard let place = places[number] else { preconditionFailure("an origin that no snapshot names") }
        return place
    }

    /// Frees everything, connections having been closed.
    func deallocate() {
        for number in 0..<count {
            guard let place = places[number] else { continue }
            for index in 0..<place.pointee.count { place.pointee.addresses[index].deallocate() }
            place.pointee.addresses.deallocate()
            place.deallocate()
        }
        places.deallocate()
    }

    /// Adds the origins that the registry has gained.
    mutating func extend(to origins: [Origin]) {
        for origin in origins where origin.number >= owned.count {
            // Numbers in between have been given up before this worker heard of them.
            while owned.count < origin.number { append(nil, nil) }
            let peer = origin.tls.flatMap { try? TLSPeer($0, name: origin.url.host) }
            let place = UnsafeMutablePointer<WorkerOrigin>.allocate(capacity: 1)
            place.initialize(to: WorkerOrigin(
                addresses: .allocate(capacity: Limits.addressesPerName), tls: peer?.handle))
            append(place, Owned(origin: origin, peer: peer))
        }
    }

    private mutating func append(_ place: UnsafeMutablePointer<WorkerOrigin>?, _ origin: Owned?) {
        if owned.count == capacity { grow() }
        (places + owned.count).initialize(to: place)
        owned.append(origin)
        count = owned.count
    }

    /// Lets go of an origin that no snapshot names any more.
    /// Returns its idle connections, for the caller to close.
    mutating func remove(_ number: Int) -> [UpstreamRef] {
        guard has(number) else { return [] }
        let idle = update(number, addresses: [])
        places[number]?.pointee.addresses.deallocate()
        places[number]?.deallocate()
        places[number] = nil
        owned[number] = nil
        return idle
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<UnsafeMutablePointer<WorkerOrigin>?>.allocate(capacity: capacity * 2)
        larger.update(from: places, count: owned.count)
        places.deallocate()
        places = larger
        capacity *= 2
    }

    /// Takes over what a name resolves to: known addresses keep their pools, those that are gone end with their exchanges.
    /// Returns idle connections of addresses that are gone, for the caller to close.
    mutating func update(_ number: Int, addresses: [IPAddress]) -> [UpstreamRef] {
        guard has(number), let owned = owned[number] else { return [] }
        let place = self[number]
        let port = owned.origin.url.port
        var known: [IPAddress: UpstreamAddressRef] = [:]
        for index in 0..<place.pointee.count { known[place.pointee.addresses[index].pointee.ip] = place.pointee.addresses[index] }
        var orphans: [UpstreamRef] = []
        place.pointee.count = 0
        for ip in addresses.prefix(owned.isUnusable ? 0 : Limits.addressesPerName) {
            let address: UpstreamAddressRef
            if let kept = known.removeValue(forKey: ip) {
                address = kept
            } else {
                address = .allocate(capacity: 1)
                address.initialize(to: UpstreamAddress(
                    address: SocketAddress(ip, port: port), ip: ip, origin: number, versions: owned.origin.url.versions))
            }
            place.pointee.addresses[place.pointee.count] = address
            place.pointee.count += 1
        }
        for address in known.values {
            address.pointee.isRetired = true
            var idle = address.pointee.firstIdle
            while let connection = idle {
                idle = connection.pointee.nextIdle
                orphans.append(connection)
            }
            var shared = address.pointee.firstShared
            while let connection = shared {
                shared = connection.pointee.nextIdle
                if connection.pointee.http2?.pointee.isIdle == true { orphans.append(connection) }
            }
            releaseIfUnused(address)
        }
        return orphans
    }

    /// An address of this origin has failed. If every one has since it last answered, the name is looked up again.
    func noteFailure(_ number: Int) {
        guard has(number), let origin = owned[number]?.origin else { return }
        let place = self[number]
        for index in 0..<place.pointee.count where place.pointee.addresses[index].pointee.failures == 0 { return }
        origin.suspect()
    }

    /// Frees an address that resolution no longer gives, once nothing is connected to it.
    func releaseIfUnused(_ address: UpstreamAddressRef) {
        guard address.pointee.isRetired, address.pointee.connections == 0 else { return }
        address.deallocate()
    }

    /// Calls `body` for every address in use.
    func forEachAddress(_ body: (UpstreamAddressRef) -> Void) {
        for number in 0..<owned.count {
            guard let place = places[number] else { continue }
            for index in 0..<place.pointee.count { body(place.pointee.addresses[index]) }
        }
    }
}
