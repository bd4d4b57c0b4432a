import Foundation
import Synchronization
import Testing

@testable import SluiceCallers

/// Callers in memory, as workers find them.
@Suite("Table of callers")
struct CallerTableTests {
    /// A digest that begins with this number, so that a test decides about places.
    static func digest(_ number: UInt64, _ last: UInt8 = 0) -> KeyDigest {
        var bytes = [UInt8](repeating: 0, count: 32)
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * index)) }
        bytes[31] = last
        return KeyDigest(bytes)!
    }

    static func entry(
        _ id: UInt32, _ digests: [KeyDigest], name: String? = nil, isEnabled: Bool = true, grants: [CallerTable.Entry.Grant] = [.init(domain: .max, plan: 0)],
        notBefore: Int64? = nil, expires: Int64? = nil
    ) -> CallerTable.Entry {
        .init(
            id: id, name: Array((name ?? "caller-\(id)").utf8), isEnabled: isEnabled, notBefore: notBefore, expires: expires, grants: grants, digests: digests)
    }

    private func find(_ digest: KeyDigest, in table: CallerTable) -> CallerView.Found? {
        digest.bytes.withUnsafeBytes { table.place.pointee.find($0.baseAddress!) }
    }

    private func name(_ found: CallerView.Found?) -> String? {
        found.map { String(decoding: UnsafeBufferPointer(start: $0.name, count: $0.nameCount), as: UTF8.self) }
    }

    @Test("a caller is found by either of its keys, with all that is known of it, and by nothing else")
    func finds() throws {
        let table = CallerTable()
        #expect(find(Self.digest(1), in: table) == nil)
        #expect(table.put(Self.entry(7, [Self.digest(1), Self.digest(2)], name: "alice", notBefore: 5, expires: 9), replacing: []))
        for number in [1, 2] as [UInt64] {
            let found = try #require(find(Self.digest(number), in: table))
            #expect(name(found) == "alice" && found.id == 7 && found.isEnabled && found.notBefore == 5 && found.expires == 9)
        }
        #expect(find(Self.digest(3), in: table) == nil)
        // The same place, and all bytes but the last.
        #expect(find(Self.digest(1, 1), in: table) == nil)
    }

    @Test("keys that want the same place are all found, and a key that is withdrawn hides none behind it")
    func collisions() {
        let table = CallerTable()
        for number in 0..<40 as Range<UInt8> { #expect(table.put(Self.entry(UInt32(number), [Self.digest(128, number)]), replacing: [])) }
        for number in 0..<40 as Range<UInt8> { #expect(find(Self.digest(128, number), in: table)?.id == UInt32(number)) }
        table.remove([Self.digest(128, 3)])
        for number in 0..<40 as Range<UInt8> { #expect(find(Self.digest(128, number), in: table)?.id == (number == 3 ? nil : UInt32(number))) }
    }

    @Test("a key is changed: the new one is the caller's at once, the old one nobody's; the same digest may be somebody else's later")
    func rotates() {
        let table = CallerTable()
        #expect(table.put(Self.entry(1, [Self.digest(1), Self.digest(2)]), replacing: []))
        #expect(table.put(Self.entry(1, [Self.digest(3), Self.digest(2)]), replacing: [Self.digest(1), Self.digest(2)]))
        #expect(find(Self.digest(1), in: table) == nil)
        #expect(find(Self.digest(2), in: table)?.id == 1 && find(Self.digest(3), in: table)?.id == 1)
        #expect(table.keyCount == 2)
        #expect(table.put(Self.entry(2, [Self.digest(1)]), replacing: []))
        #expect(find(Self.digest(1), in: table)?.id == 2)
        // A caller that is deleted and made again under its name is another one.
        table.remove([Self.digest(1)])
        #expect(table.put(Self.entry(3, [Self.digest(1)]), replacing: []))
        #expect(find(Self.digest(1), in: table)?.id == 3)
    }

    @Test("times and state change in place, and the ends of time are kept")
    func changes() throws {
        let table = CallerTable()
        #expect(table.put(Self.entry(1, [Self.digest(1)]), replacing: []))
        var found = try #require(find(Self.digest(1), in: table))
        #expect(found.notBefore == 0 && found.expires == .max)
        #expect(table.put(Self.entry(1, [Self.digest(1)], isEnabled: false, notBefore: -5, expires: 1 << 40), replacing: [Self.digest(1)]))
        found = try #require(find(Self.digest(1), in: table))
        #expect(!found.isEnabled && found.notBefore == 0 && found.expires == .max)
        #expect(table.put(Self.entry(1, [Self.digest(1)], notBefore: 1 << 40, expires: 0), replacing: [Self.digest(1)]))
        found = try #require(find(Self.digest(1), in: table))
        #expect(found.notBefore == 0xFFFF_FFFE && found.expires == 0)
    }

    @Test("the grant of a domain comes before the one for all; without either there is none")
    func grants() throws {
        let table = CallerTable()
        let own = CallerTable.Entry.Grant(domain: 4, plan: 1)
        #expect(table.put(Self.entry(1, [Self.digest(1)], grants: [.init(domain: CallerView.everyDomain, plan: 2), own]), replacing: []))
        #expect(table.put(Self.entry(2, [Self.digest(2)], grants: [own]), replacing: []))
        let (one, two) = (try #require(find(Self.digest(1), in: table)), try #require(find(Self.digest(2), in: table)))
        let view = table.place.pointee
        #expect(view.grant(of: one, domain: 4)?.plan == 1 && view.grant(of: one, domain: 5)?.plan == 2)
        #expect(view.grant(of: two, domain: 4)?.plan == 1 && view.grant(of: two, domain: 5) == nil)
        // A reader that has found the caller before a change sees all of what was, not a mixture.
        #expect(table.put(Self.entry(1, [Self.digest(1)], grants: [.init(domain: 4, plan: 3)]), replacing: [Self.digest(1)]))
        #expect(view.grant(of: one, domain: 4)?.plan == 1 && view.grant(of: one, domain: 5)?.plan == 2)
        let after = try #require(find(Self.digest(1), in: table))
        #expect(view.grant(of: after, domain: 4)?.plan == 3 && view.grant(of: after, domain: 5) == nil)
    }

    @Test("a full table says so and changes nothing; a larger one knows the same, without what is gone")
    func grows() throws {
        var table = CallerTable()
        var sizes: [Int] = []
        for number in 0..<2000 as Range<UInt64> {
            let entry = Self.entry(UInt32(number), [Self.digest(number * 7919)])
            while !table.put(entry, replacing: []) {
                #expect(find(Self.digest(number * 7919), in: table) == nil)
                table = table.grown(for: entry)
                sizes.append(table.keyCount)
            }
            if number % 2 == 1 { table.remove([Self.digest(number * 7919)]) }
        }
        #expect(sizes.count > 3)
        for number in 0..<2000 as Range<UInt64> {
            let found = find(Self.digest(number * 7919), in: table)
            #expect(found?.id == (number % 2 == 1 ? nil : UInt32(number)))
            if let found { #expect(name(found) == "caller-\(number)") }
        }
        #expect(table.keyCount == 1000)
        // What is gone takes no room: as many changes as one likes.
        for round in 0..<20_000 as Range<UInt64> {
            let entry = Self.entry(0, [Self.digest(1 << 40 + round + 1)])
            let old = [Self.digest(round == 0 ? 0 : 1 << 40 + round)]
            while !table.put(entry, replacing: old) { table = table.grown(for: entry) }
        }
        #expect(table.keyCount == 1000 && table.byteCount < 400_000, "\(table.byteCount)")
    }

    /// `SLUICE_KEY_COUNT=1000000 scripts/test --filter "many keys"` has as many as the documents speak of. `counting-benchmark callers` measures the time.
    private static let manyKeys = ProcessInfo.processInfo.environment["SLUICE_KEY_COUNT"].flatMap(UInt32.init) ?? 20_000

    @Test("many keys take about 100 bytes each, and all are found")
    func many() {
        var table = CallerTable()
        var state: UInt64 = 1
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
        for number in 0..<Self.manyKeys {
            let entry = Self.entry(number, [Self.digest(next())], name: "caller-\(number)")
            while !table.put(entry, replacing: []) { table = table.grown(for: entry) }
        }
        #expect(table.keyCount == Int(Self.manyKeys))
        // Of a few, more places may be free.
        #expect(table.byteCount < (Self.manyKeys < 1_000_000 ? 105 : 100) * Int(Self.manyKeys), "\(table.byteCount)")
        #expect(find(Self.digest(5), in: table) == nil)
        // All digests beforehand, in an order of their own: what is measured is the look-up.
        state = 1
        var digests = (0..<Self.manyKeys).flatMap { _ in Self.digest(next()).bytes }
        digests.withUnsafeMutableBytes { bytes in
            let clock = ContinuousClock()
            var found = 0
            var number = 0
            let duration = clock.measure {
                for _ in 0..<Int(Self.manyKeys) {
                    number = (number &+ 7919) % Int(Self.manyKeys)
                    if table.place.pointee.find(bytes.baseAddress! + number * KeyDigest.byteCount) != nil { found += 1 }
                }
            }
            #expect(found == Int(Self.manyKeys))
            let nanoseconds = Double(duration.components.attoseconds) / 1e9 + Double(duration.components.seconds) * 1e9
            print("\(Self.manyKeys) keys: \(Double(table.byteCount) / Double(Self.manyKeys)) bytes each, \(nanoseconds / Double(Self.manyKeys)) ns for a look-up")
        }
    }

    private final class Shared: Sendable {
        let table = CallerTable()
        let isOver = Atomic<Bool>(false)
        let wrong = Atomic<Int>(0)
        let reading = Atomic<Int>(0)

        /// Whoever finds one of the two callers must find its own plan.
        func read() {
            reading.add(1, ordering: .acquiringAndReleasing)
            defer { reading.subtract(1, ordering: .acquiringAndReleasing) }
            while !isOver.load(ordering: .relaxed) {
                for number in [1, 2] as [UInt64] {
                    let isWrong = CallerTableTests.digest(number).bytes.withUnsafeBytes { digest in
                        guard let found = table.place.pointee.find(digest.baseAddress!) else { return false }
                        return table.place.pointee.grant(of: found, domain: 9)?.plan != found.id
                    }
                    if isWrong { wrong.add(1, ordering: .relaxed) }
                }
            }
        }

        func put(_ id: UInt32, _ digests: [KeyDigest], replacing old: [KeyDigest] = []) -> Bool {
            table.put(CallerTableTests.entry(id, digests, grants: [.init(domain: .max, plan: id)]), replacing: old)
        }
    }

    @Test("readers on another thread never see a caller that is half one and half another")
    func races() {
        let shared = Shared()
        #expect(shared.put(1, [Self.digest(1)]) && shared.put(2, [Self.digest(2)]))
        // Threads of their own: tasks have as many as the machine has cores.
        for _ in 0..<2 { Thread.detachNewThread { shared.read() } }
        while shared.reading.load(ordering: .acquiring) < 2 { Thread.sleep(forTimeInterval: 0.001) }
        // The keys change hands.
        let digests = [Self.digest(1), Self.digest(2)]
        for round in 0..<15 {
            _ = shared.put(1, [digests[round % 2]], replacing: digests)
            _ = shared.put(2, [digests[1 - round % 2]], replacing: digests)
        }
        shared.isOver.store(true, ordering: .relaxed)
        while shared.reading.load(ordering: .acquiring) > 0 { Thread.sleep(forTimeInterval: 0.001) }
        #expect(shared.wrong.load(ordering: .relaxed) == 0)
    }
}
