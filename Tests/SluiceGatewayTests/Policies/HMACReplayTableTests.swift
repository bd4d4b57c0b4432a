import Glibc
import SluiceConfiguration
import SluiceEvent
import Synchronization
import Testing

@testable import SluiceGateway

@Suite("HMAC replay table")
struct HMACReplayTableTests {
    let now: Int64 = 1_800_000_000

    /// A code of the given number; `bucket` chooses the bucket.
    func mac(_ number: Int, bucket: UInt64 = 0) -> [UInt8] {
        withUnsafeBytes(of: (UInt64(number) << 8, bucket)) { Array($0) }
    }

    func table(_ capacity: Int) throws -> ReplayTable.Handle {
        let table = try #require(ReplayTable())
        Self.tables.withLock { $0.append(table) }
        return table.handle(capacity: capacity)
    }

    /// A handle lives as long as its table.
    private static let tables = Mutex<[ReplayTable]>([])

    @Test("a signature is live for the skew and 60 s more, and its place is free one second later")
    func window() throws {
        let table = try table(64)
        for number in 0..<64 { #expect(table.insert(mac(number), second: now, now: now, skew: 300) == .fresh) }
        #expect(table.insert(mac(64), second: now + 360, now: now + 360, skew: 300) == .full)
        #expect(table.insert(mac(5), second: now, now: now + 360, skew: 300) == .replayed)
        #expect(table.insert(mac(64), second: now + 361, now: now + 361, skew: 300) == .fresh)
        #expect(table.insert(mac(64), second: now + 361, now: now + 361, skew: 300) == .replayed)
    }

    @Test("a signature of the future is remembered until its own window ends")
    func future() throws {
        let table = try table(64)
        #expect(table.insert(mac(1), second: now + 300, now: now, skew: 300) == .fresh)
        #expect(table.insert(mac(1), second: now + 300, now: now + 600, skew: 300) == .replayed)
    }

    @Test("buckets are filled one by one: a full one does not stop the next")
    func buckets() throws {
        let table = try table(128)
        for number in 0..<64 { #expect(table.insert(mac(number), second: now, now: now, skew: 300) == .fresh) }
        #expect(table.insert(mac(64), second: now, now: now, skew: 300) == .full)
        #expect(table.insert(mac(64, bucket: 1), second: now, now: now, skew: 300) == .fresh)
    }

    @Test("one signature on four threads at once is admitted at most once, and others all", arguments: 0..<4)
    func concurrent(round: Int) async throws {
        let table = try table(4096)
        let now = now
        let admitted = await withTaskGroup(of: [Int].self) { group in
            for thread in 0..<4 {
                group.addTask {
                    (0..<500).filter { number in
                        // Threads disagree by a second about now, as workers do.
                        let mac = withUnsafeBytes(of: (UInt64(number) << 8, UInt64(number))) { Array($0) }
                        return table.insert(
                            mac, second: now, now: now + Int64(thread % 2), skew: 300) == .fresh
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(admitted).count == admitted.count)
        #expect(admitted.count == 500)
    }

    @Test("the capacity is rounded up to a power of two from 64 to 16,777,216", arguments: [(1, 64), (64, 64), (65, 128), (128, 128)])
    func capacity(asked: Int, given: Int) throws {
        let table = try table(asked)
        for number in 0..<given { #expect(table.insert(mac(number, bucket: UInt64(number)), second: now, now: now, skew: 300) == .fresh) }
        #expect(table.insert(mac(given), second: now, now: now, skew: 300) == .full)
    }

    @Test("capacities of one table see each other's signatures, whichever comes first", arguments: [(64, 128), (128, 64), (1 << 24, 64), (64, 1 << 24)])
    func capacities(first: Int, second: Int) throws {
        let whole = try #require(ReplayTable())
        let (old, new) = (whole.handle(capacity: first), whole.handle(capacity: second))
        for number in 0..<20 {
            let mac = mac(number, bucket: UInt64(number) << 3 | 7)
            let order = number % 2 == 0 ? [old, new] : [new, old]
            #expect(order.map { $0.insert(mac, second: now, now: now, skew: 300) } == [.fresh, .replayed])
        }
    }

    @Test("one signature on four threads with two capacities is admitted at most once", arguments: 0..<4)
    func concurrentCapacities(round: Int) async throws {
        let whole = try #require(ReplayTable())
        let handles = [whole.handle(capacity: 4096), whole.handle(capacity: 65_536)]
        let now = now
        let admitted = await withTaskGroup(of: [Int].self) { group in
            for thread in 0..<4 {
                group.addTask {
                    (0..<500).filter { number in
                        let mac = withUnsafeBytes(of: (UInt64(number) << 8, UInt64(number) << 4)) { Array($0) }
                        return handles[thread % 2].insert(mac, second: now, now: now, skew: 300) == .fresh
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        // Two that mark at the same moment see each other, and both refuse.
        #expect(Set(admitted).count == admitted.count)
    }

    // MARK: - What is let go

    @Test("a clock that steps forwards and back opens no window: what it let go is refused, what came later is not")
    func clockStep() throws {
        let table = try table(64)
        for number in 0..<64 { #expect(table.insert(mac(number), second: now + Int64(number), now: now, skew: 300) == .fresh) }
        #expect(table.insert(mac(100), second: now + 3600, now: now + 3600, skew: 300) == .fresh)
        // The first place was let go; the rest is known.
        #expect(table.insert(mac(0), second: now, now: now, skew: 300) == .forgotten)
        #expect(table.insert(mac(1), second: now + 1, now: now, skew: 300) == .replayed)
    }

    @Test("a skew that grows opens no window: what the small one let go is refused")
    func growingSkew() throws {
        let table = try table(64)
        for number in 0..<64 { #expect(table.insert(mac(number), second: now, now: now, skew: 10) == .fresh) }
        #expect(table.insert(mac(100), second: now + 71, now: now + 71, skew: 10) == .fresh)
        for number in 0..<64 { #expect(table.insert(mac(number), second: now, now: now + 71, skew: 300) == .forgotten) }
    }

    @Test("a table keeps signatures for the largest skew of its policies")
    func largestSkew() throws {
        let whole = try #require(ReplayTable())
        whole.remember(for: 300)
        let table = whole.handle(capacity: 64)
        for number in 0..<64 { #expect(table.insert(mac(number), second: now, now: now, skew: 10) == .fresh) }
        #expect(table.insert(mac(100), second: now + 71, now: now + 71, skew: 10) == .full)
        #expect(table.insert(mac(100), second: now + 361, now: now + 361, skew: 10) == .fresh)
    }

    @Test("signatures of a clock that was ahead are let go last")
    func farFuture() throws {
        let table = try table(64)
        for number in 0..<63 { #expect(table.insert(mac(number), second: now + 86_400, now: now + 86_400, skew: 300) == .fresh) }
        #expect(table.insert(mac(100), second: now, now: now, skew: 300) == .fresh)
        #expect(table.insert(mac(101), second: now, now: now, skew: 300) == .fresh)
        #expect(table.insert(mac(100), second: now, now: now, skew: 300) == .replayed)
        #expect(table.insert(mac(5), second: now + 86_400, now: now + 86_400, skew: 300) == .replayed)
    }

    // MARK: - Registry and takeover

    @Test("registry: one table per secret, for as long as someone holds it")
    func registry() {
        let registry = ReplayRegistry()
        var first = registry.table(of: [1], skew: 300)
        #expect(first != nil)
        #expect(registry.table(of: [1], skew: 10) === first)
        #expect(registry.table(of: [2], skew: 300) !== first)
        weak let table = first
        first = nil
        #expect(table == nil)
    }

    @Test("a process that takes over knows what the old one has accepted, and the old one what the new one accepts")
    func handOver() throws {
        let old = ReplayRegistry(handsOver: true)
        old.beginCompilation()
        let table = try #require(old.table(of: [1, 2], skew: 300))
        #expect(old.handedOver.isEmpty)
        #expect(old.putInForce(now: now - 1) == 1)
        let before = table.handle(capacity: 64)
        #expect(before.insert(mac(1), second: now, now: now, skew: 300) == .fresh)

        let new = ReplayRegistry(handsOver: true)
        for (digest, table) in old.handedOver { new.inherit(digest, descriptor: dup(table.descriptor)) }
        new.beginCompilation()
        let inherited = try #require(new.table(of: [1, 2], skew: 300))
        let other = try #require(new.table(of: [3], skew: 300))
        #expect(new.putInForce(now: now + 10) == 1)
        let after = inherited.handle(capacity: 128)
        #expect(after.insert(mac(1), second: now, now: now, skew: 300) == .replayed)
        #expect(after.insert(mac(2), second: now, now: now, skew: 300) == .fresh)
        #expect(before.insert(mac(2), second: now, now: now, skew: 300) == .replayed)
        #expect(other.handle(capacity: 64).insert(mac(3), second: now + 10, now: now, skew: 300) == .forgotten)
        #expect(other.handle(capacity: 64).insert(mac(3), second: now + 11, now: now, skew: 300) == .fresh)
    }

    @Test("what is no table is not taken over")
    func noTable() throws {
        let small = try #require(SharedMemory(byteCount: 4096, keepsDescriptor: true))
        #expect(ReplayTable(inherited: dup(small.descriptor)) == nil)
        #expect(ReplayTable(inherited: open("/dev/null", O_RDWR)) == nil)
        let table = try #require(ReplayTable(isHandedOver: true))
        #expect(ReplayTable(inherited: dup(table.descriptor)) != nil)
        #expect(try #require(ReplayTable()).descriptor == -1)
    }
}
