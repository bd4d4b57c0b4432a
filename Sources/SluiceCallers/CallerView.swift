import Synchronization

/// A `CallerTable` as workers read it. Valid for as long as the table.
package struct CallerView: BitwiseCopyable {
    /// Where a caller may call.
    package struct Grant: BitwiseCopyable {
        package let domain: UInt32
        /// The plan's number in the lower half, 0 for none, and above it how often the caller's use of plans was cleared here.
        let words: UInt32

        package var plan: UInt32 { words & 0xFFFF }
        package var clearings: UInt32 { words >> 16 }
    }

    /// Where a caller's use of its plan is counted. The number says whose it is.
    package struct Account: BitwiseCopyable {
        private static let isAsked: UInt = 1

        /// The purse's address, or one of two other values. 0: there is no purse. `isAsked`: there is none, and a worker has asked for one.
        let word: UnsafeMutablePointer<Atomic<UInt>>
        package let number: UInt64

        /// The purse's address; 0 if there is no purse.
        package var purse: UInt {
            let address = word.pointee.load(ordering: .acquiring)
            return address == Self.isAsked ? 0 : address
        }

        /// Asks for a purse. False if there is one, or somebody has asked: once is enough, however many requests come until it is there.
        package func ask() -> Bool { word.pointee.compareExchange(expected: 0, desired: Self.isAsked, ordering: .relaxed).exchanged }

        /// Takes the question back if no purse was made: the next request asks again.
        package func forgetWish() { _ = word.pointee.compareExchange(expected: Self.isAsked, desired: 0, ordering: .relaxed) }

        /// From here on workers take from this purse. By who has the registry's lock.
        package func open(_ purse: UInt) { word.pointee.store(purse, ordering: .releasing) }

        /// From here on they do not.
        package func close() { word.pointee.store(0, ordering: .releasing) }
    }

    /// What a caller is held to in a domain.
    package struct Held: BitwiseCopyable {
        /// The plan's number; 0 for none.
        package let plan: UInt32
        /// For which domain; `everyDomain` for all that have no grant of their own.
        package let domain: UInt32
        package let account: Account
    }

    /// What is known of a caller, as of one moment.
    package struct Found: BitwiseCopyable {
        package let id: UInt32
        package let isEnabled: Bool
        /// Seconds since the Unix epoch. The first at which it may call, and the first at which it may no more.
        package let notBefore: Int64
        package let expires: Int64
        /// Stays as long as the table.
        package let name: UnsafePointer<UInt8>
        package let nameCount: Int
        fileprivate let number: Int
        fileprivate let firstGrant: Int
        fileprivate let grantCount: Int
    }

    /// In place of a domain's number: all that have no grant of their own.
    package static let everyDomain = UInt32.max

    let slots: UnsafeMutablePointer<Atomic<UInt32>>
    let slotMask: UInt64
    let digests: UnsafeMutableRawPointer
    /// The caller of each key; all ones for a key that leads to nobody.
    let keyCallers: UnsafeMutablePointer<Atomic<UInt32>>
    let times: UnsafeMutablePointer<Atomic<UInt64>>
    let states: UnsafeMutablePointer<Atomic<UInt64>>
    let ids: UnsafeMutablePointer<UInt32>
    let nameOffsets: UnsafeMutablePointer<UInt32>
    let grants: UnsafeMutablePointer<Grant>
    let purses: UnsafeMutablePointer<Atomic<UInt>>
    let names: UnsafeMutablePointer<UInt8>

    /// The caller that the key of this digest is of, of 32 bytes.
    package func find(_ digest: UnsafeRawPointer) -> Found? {
        guard let key = key(of: digest) else { return nil }
        let caller = keyCallers[key].load(ordering: .acquiring)
        guard caller != .max else { return nil }
        let number = Int(caller)
        let state = states[number].load(ordering: .acquiring)
        let times = times[number].load(ordering: .acquiring)
        let (first, count) = Self.grants(of: state)
        return Found(
            id: ids[number], isEnabled: Self.isEnabled(state), notBefore: Int64(times >> 32),
            expires: times & 0xFFFF_FFFF == 0xFFFF_FFFF ? .max : Int64(times & 0xFFFF_FFFF), name: names + Int(nameOffsets[number]),
            nameCount: Self.nameCount(of: state), number: number, firstGrant: first, grantCount: count)
    }

    /// The grant that holds for a caller in a domain: its own, or that for all others.
    package func grant(of found: Found, domain: UInt32) -> Held? {
        var general: Int?
        for place in 0..<found.grantCount {
            let own = grants[found.firstGrant + place].domain
            if own == domain { return grant(place, of: found) }
            if own == Self.everyDomain { general = place }
        }
        return general.map { grant($0, of: found) }
    }

    private func grant(_ place: Int, of found: Found) -> Held {
        let index = found.firstGrant + place
        return Held(plan: grants[index].plan, domain: grants[index].domain, account: Account(word: purses + index, number: UInt64(found.number) << 8 | UInt64(place)))
    }

    /// The number of a key, withdrawn or not.
    func key(of digest: UnsafeRawPointer) -> Int? {
        var place = Self.place(of: digest) & slotMask
        // There are always places that nothing has.
        while true {
            let number = Int(slots[Int(place)].load(ordering: .acquiring))
            if number == 0 { return nil }
            if Self.areEqual(UnsafeRawPointer(digests + (number - 1) * KeyDigest.byteCount), digest) { return number - 1 }
            place = (place &+ 1) & slotMask
        }
    }

    static func place(of digest: UnsafeRawPointer) -> UInt64 { digest.loadUnaligned(as: UInt64.self) }

    /// All bytes, in the same time whatever they are.
    private static func areEqual(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer) -> Bool {
        var difference: UInt64 = 0
        for word in 0..<KeyDigest.byteCount / 8 {
            difference |= left.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self) ^ right.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)
        }
        return difference == 0
    }

    // MARK: Words

    // A state: the first grant in the upper half, then how many (16 bits), the bytes of the name (8), and whether it is enabled.

    static func state(isEnabled: Bool, nameCount: Int, firstGrant: Int, grantCount: Int) -> UInt64 {
        UInt64(firstGrant) << 32 | UInt64(grantCount & 0xFFFF) << 16 | UInt64(nameCount & 0xFF) << 8 | (isEnabled ? 1 : 0)
    }

    static func isEnabled(_ state: UInt64) -> Bool { state & 1 != 0 }
    static func nameCount(of state: UInt64) -> Int { Int(state >> 8 & 0xFF) }
    static func grants(of state: UInt64) -> (first: Int, count: Int) { (Int(state >> 32), Int(state >> 16 & 0xFFFF)) }

    /// Both times, which end with the year 2106: what lies behind is never.
    static func times(notBefore: Int64?, expires: Int64?) -> UInt64 {
        let first = UInt64(min(max(notBefore ?? 0, 0), 0xFFFF_FFFE))
        let end = UInt64(min(max(expires ?? .max, 0), 0xFFFF_FFFF))
        return first << 32 | end
    }
}
