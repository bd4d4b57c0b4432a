import Synchronization

/// Callers by the digests of their keys, in memory that workers read without a lock, an allocation or a count of references.
///
/// One thread at a time writes, in place: a change is in force on every worker with the store that makes it visible, however many callers there are. A key's place is
/// found by the first bytes of its digest, which nobody can choose without knowing the key; a step further on for each place that is taken (open addressing). All 32
/// bytes are then compared, in a time that does not depend on them.
///
///     slots --> number of a key --> digest, caller --> times, state, grants, name
///
/// A key that is withdrawn keeps its place and leads to nobody. What is written once is never written again (digests, names, grants), so that no reader can meet
/// half of one and half of another; what changes is one word each. When there is no room left, the writer makes a larger table without what is gone, puts it in this
/// one's stead and keeps this one until no worker can be reading it.
///
/// Sendable, because whoever writes has the lock of the registry, and readers only load what is atomic or was written before the word that led them there.
package final class CallerTable: @unchecked Sendable {
    /// What workers read; stays as long as the table.
    package let place: UnsafeMutablePointer<CallerView>
    private var view: CallerView { place.pointee }
    private let capacity: Capacity
    private let slotCount: Int
    /// How much of it is used.
    private var used = Capacity(keys: 0, callers: 0, grants: 0, nameBytes: 0)
    /// Keys that lead to nobody, and callers without a key.
    private var goneKeys = 0

    struct Capacity {
        var keys: Int
        var callers: Int
        var grants: Int
        var nameBytes: Int
    }

    /// A caller with its domains and plans as numbers.
    package struct Entry {
        package var id: UInt32
        package var name: [UInt8]
        package var isEnabled: Bool
        package var notBefore: Int64?
        package var expires: Int64?
        package var grants: [Grant]
        package var digests: [KeyDigest]

        package struct Grant: Equatable {
            /// `CallerView.everyDomain` for all that have no grant of their own.
            package var domain: UInt32
            /// 0 for none; at most 65,535.
            package var plan: UInt32
            /// How often the caller's use of plans was cleared here.
            package var clearings: UInt32

            package init(domain: UInt32, plan: UInt32, clearings: UInt32 = 0) {
                self.domain = domain
                self.plan = plan
                self.clearings = clearings & CallerRules.clearingsMax
            }
        }

        package init(
            id: UInt32, name: [UInt8], isEnabled: Bool, notBefore: Int64?, expires: Int64?, grants: [Grant], digests: [KeyDigest]
        ) {
            self.id = id
            self.name = name
            self.isEnabled = isEnabled
            self.notBefore = notBefore
            self.expires = expires
            self.grants = grants
            self.digests = digests
        }
    }

    /// Without callers, with room for some.
    package convenience init() { self.init(Capacity(keys: 64, callers: 64, grants: 64, nameBytes: 1024)) }

    private init(_ capacity: Capacity) {
        self.capacity = capacity
        var slots = 128
        // Two thirds are taken at most, so that a search ends after two or three steps.
        while slots * 2 < capacity.keys * 3 { slots *= 2 }
        slotCount = slots
        place = .allocate(capacity: 1)
        place.initialize(to: CallerView(
            slots: Self.make(slots), slotMask: UInt64(slots - 1),
            digests: UnsafeMutableRawPointer.allocate(byteCount: capacity.keys * KeyDigest.byteCount, alignment: 32),
            keyCallers: Self.make(capacity.keys), times: Self.make(capacity.callers), states: Self.make(capacity.callers),
            ids: .allocate(capacity: capacity.callers), nameOffsets: .allocate(capacity: capacity.callers),
            grants: .allocate(capacity: capacity.grants), purses: Self.make(capacity.grants), names: .allocate(capacity: capacity.nameBytes)))
        for slot in 0..<slots { (place.pointee.slots + slot).initialize(to: Atomic(0)) }
    }

    deinit {
        view.slots.deallocate()
        view.digests.deallocate()
        view.keyCallers.deallocate()
        view.times.deallocate()
        view.states.deallocate()
        view.ids.deallocate()
        view.nameOffsets.deallocate()
        view.grants.deallocate()
        view.purses.deallocate()
        view.names.deallocate()
        place.deallocate()
    }

    /// Bytes of memory that it has written to.
    package var byteCount: Int {
        slotCount * 4 + used.keys * (KeyDigest.byteCount + 4) + used.callers * (16 + 8) + used.grants * (MemoryLayout<CallerView.Grant>.stride + 8) + used.nameBytes
    }

    /// Keys that lead to somebody.
    package var keyCount: Int { used.keys - goneKeys }

    /// Not written to: what is not used stays untouched.
    private static func make<Value: AtomicRepresentable>(_ count: Int) -> UnsafeMutablePointer<Atomic<Value>> { .allocate(capacity: max(1, count)) }

    // MARK: Writing

    /// Makes a caller known, or knows it by what is new of it. False, and nothing is changed, if there is no room: see `grown`.
    ///
    /// - Parameter old: the digests by which it was known; empty for one that is new.
    package func put(_ entry: Entry, replacing old: [KeyDigest]) -> Bool {
        let fresh = entry.digests.filter { digest in key(of: digest) == nil }
        guard used.keys + fresh.count <= capacity.keys, used.callers < capacity.callers, used.grants + entry.grants.count <= capacity.grants,
            used.nameBytes + entry.name.count <= capacity.nameBytes
        else { return false }
        let number = caller(knownBy: old, id: entry.id) ?? add(entry)
        setGrantsAndState(entry, of: number)
        view.times[number].store(CallerView.times(notBefore: entry.notBefore, expires: entry.expires), ordering: .releasing)
        for digest in old where !entry.digests.contains(digest) { withdraw(digest) }
        for digest in entry.digests { give(digest, to: number) }
        return true
    }

    /// Forgets a caller that was known by these.
    package func remove(_ old: [KeyDigest]) {
        for digest in old { withdraw(digest) }
    }

    /// Forgets all keys of callers with these names. Looks at every key.
    package func remove(callersNamed names: Set<String>) {
        guard !names.isEmpty else { return }
        for key in 0..<used.keys {
            let caller = view.keyCallers[key].load(ordering: .relaxed)
            if caller != .max, names.contains(name(of: Int(caller))) { view.keyCallers[key].store(.max, ordering: .releasing) }
        }
    }

    private func name(of caller: Int) -> String {
        let count = CallerView.nameCount(of: view.states[caller].load(ordering: .relaxed))
        return String(decoding: UnsafeBufferPointer(start: view.names + Int(view.nameOffsets[caller]), count: count), as: UTF8.self)
    }

    /// A copy with room for half as much again, and for this caller, without keys that lead to nobody. Callers have other numbers in it, and no accounts.
    package func grown(for entry: Entry) -> CallerTable {
        let live = live
        let larger = CallerTable(Capacity(
            keys: live.keys * 3 / 2 + 64 + entry.digests.count, callers: live.callers * 3 / 2 + 64, grants: live.grants * 3 / 2 + 64 + entry.grants.count,
            nameBytes: live.nameBytes * 3 / 2 + 1024 + entry.name.count))
        var numbers = [UInt32](repeating: .max, count: used.callers)
        for key in 0..<used.keys {
            let caller = view.keyCallers[key].load(ordering: .relaxed)
            guard caller != .max else { continue }
            if numbers[Int(caller)] == .max { numbers[Int(caller)] = larger.copy(Int(caller), of: self) }
            larger.append(view.digests + key * KeyDigest.byteCount, caller: numbers[Int(caller)])
        }
        return larger
    }

    /// What keys lead to: of what was changed, only what holds.
    private var live: Capacity {
        var live = Capacity(keys: 0, callers: 0, grants: 0, nameBytes: 0)
        var isLive = [Bool](repeating: false, count: used.callers)
        for key in 0..<used.keys {
            let caller = view.keyCallers[key].load(ordering: .relaxed)
            guard caller != .max else { continue }
            live.keys += 1
            if isLive[Int(caller)] { continue }
            isLive[Int(caller)] = true
            let state = view.states[Int(caller)].load(ordering: .relaxed)
            live.callers += 1
            live.grants += CallerView.grants(of: state).count
            live.nameBytes += CallerView.nameCount(of: state)
        }
        return live
    }

    // MARK: Accounts

    /// Whose use of which plan an account counts; nil for one that is not in this table.
    package func holder(ofAccount number: UInt64) -> Holder? {
        let (caller, place) = (Int(number >> 8), Int(number & 0xFF))
        guard caller < used.callers else { return nil }
        let state = view.states[caller].load(ordering: .relaxed)
        let (first, count) = CallerView.grants(of: state)
        guard place < count else { return nil }
        let grant = view.grants[first + place]
        return Holder(
            name: name(of: caller), id: view.ids[caller], domain: grant.domain, plan: grant.plan, clearings: grant.clearings,
            account: CallerView.Account(word: view.purses + first + place, number: number))
    }

    package struct Holder {
        package let name: String
        package let id: UInt32
        package let domain: UInt32
        package let plan: UInt32
        package let clearings: UInt32
        package let account: CallerView.Account
    }

    /// The number of the caller that is known by these digests: what its accounts' numbers begin with.
    package func number(ofCallerKnownBy digests: [KeyDigest], id: UInt32) -> Int? { caller(knownBy: digests, id: id) }

    private func copy(_ number: Int, of other: CallerTable) -> UInt32 {
        let from = other.view
        let state = from.states[number].load(ordering: .relaxed)
        let (first, count) = CallerView.grants(of: state)
        let nameCount = CallerView.nameCount(of: state)
        let copy = used.callers
        (view.times + copy).initialize(to: Atomic(from.times[number].load(ordering: .relaxed)))
        (view.states + copy).initialize(to: Atomic(CallerView.state(
            isEnabled: CallerView.isEnabled(state), nameCount: nameCount, firstGrant: used.grants, grantCount: count)))
        view.ids[copy] = from.ids[number]
        view.nameOffsets[copy] = UInt32(used.nameBytes)
        (view.names + used.nameBytes).update(from: from.names + Int(from.nameOffsets[number]), count: nameCount)
        (view.grants + used.grants).update(from: from.grants + first, count: count)
        for index in 0..<count { (view.purses + used.grants + index).initialize(to: Atomic(0)) }
        used.callers += 1
        used.nameBytes += nameCount
        used.grants += count
        return UInt32(copy)
    }

    /// A caller that no key leads to yet.
    private func add(_ entry: Entry) -> Int {
        let number = used.callers
        view.ids[number] = entry.id
        view.nameOffsets[number] = UInt32(used.nameBytes)
        for (index, byte) in entry.name.enumerated() { view.names[used.nameBytes + index] = byte }
        used.nameBytes += entry.name.count
        (view.times + number).initialize(to: Atomic(0))
        (view.states + number).initialize(to: Atomic(CallerView.state(isEnabled: false, nameCount: entry.name.count, firstGrant: 0, grantCount: 0)))
        used.callers += 1
        return number
    }

    private func caller(knownBy old: [KeyDigest], id: UInt32) -> Int? {
        for digest in old {
            guard let key = key(of: digest) else { continue }
            let caller = view.keyCallers[key].load(ordering: .relaxed)
            if caller != .max, view.ids[Int(caller)] == id { return Int(caller) }
        }
        return nil
    }

    private func setGrantsAndState(_ entry: Entry, of number: Int) {
        let former = view.states[number].load(ordering: .relaxed)
        var (first, count) = CallerView.grants(of: former)
        let present = (0..<count).map { place in
            let grant = view.grants[first + place]
            return Entry.Grant(domain: grant.domain, plan: grant.plan, clearings: grant.clearings)
        }
        if present != entry.grants {
            for (index, grant) in entry.grants.enumerated() {
                view.grants[used.grants + index] = CallerView.Grant(domain: grant.domain, words: grant.clearings << 16 | grant.plan & 0xFFFF)
                (view.purses + used.grants + index).initialize(to: Atomic(0))
            }
            first = used.grants
            count = entry.grants.count
            used.grants += count
        }
        view.states[number].store(
            CallerView.state(isEnabled: entry.isEnabled, nameCount: entry.name.count, firstGrant: first, grantCount: count), ordering: .releasing)
    }

    private func withdraw(_ digest: KeyDigest) {
        guard let key = key(of: digest), view.keyCallers[key].load(ordering: .relaxed) != .max else { return }
        view.keyCallers[key].store(.max, ordering: .releasing)
        goneKeys += 1
    }

    private func give(_ digest: KeyDigest, to caller: Int) {
        guard let key = key(of: digest) else {
            return digest.bytes.withUnsafeBytes { append($0.baseAddress.unsafelyUnwrapped, caller: UInt32(caller)) }
        }
        if view.keyCallers[key].load(ordering: .relaxed) == .max { goneKeys -= 1 }
        view.keyCallers[key].store(UInt32(caller), ordering: .releasing)
    }

    private func append(_ digest: UnsafeRawPointer, caller: UInt32) {
        let key = used.keys
        (view.digests + key * KeyDigest.byteCount).copyMemory(from: digest, byteCount: KeyDigest.byteCount)
        (view.keyCallers + key).initialize(to: Atomic(caller))
        used.keys += 1
        var place = CallerView.place(of: digest) & view.slotMask
        while view.slots[Int(place)].load(ordering: .relaxed) != 0 { place = (place &+ 1) & view.slotMask }
        view.slots[Int(place)].store(UInt32(key + 1), ordering: .releasing)
    }

    private func key(of digest: KeyDigest) -> Int? { digest.bytes.withUnsafeBytes { view.key(of: $0.baseAddress.unsafelyUnwrapped) } }
}
