import SluiceConfiguration
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

    @Test("a signature is live for the skew and 60 s more, and its place is free one second later")
    func window() {
        let table = ReplayTable(capacity: 64)
        for number in 0..<64 { #expect(table.handle.insert(mac(number), second: now, now: now, skew: 300) == .fresh) }
        #expect(table.handle.insert(mac(64), second: now + 360, now: now + 360, skew: 300) == .full)
        #expect(table.handle.insert(mac(5), second: now, now: now + 360, skew: 300) == .replayed)
        #expect(table.handle.insert(mac(64), second: now + 361, now: now + 361, skew: 300) == .fresh)
        #expect(table.handle.insert(mac(64), second: now + 361, now: now + 361, skew: 300) == .replayed)
    }

    @Test("a signature of the future is remembered until its own window ends")
    func future() {
        let table = ReplayTable(capacity: 64)
        #expect(table.handle.insert(mac(1), second: now + 300, now: now, skew: 300) == .fresh)
        #expect(table.handle.insert(mac(1), second: now + 300, now: now + 600, skew: 300) == .replayed)
    }

    @Test("buckets are filled one by one: a full one does not stop the next")
    func buckets() {
        let table = ReplayTable(capacity: 128)
        for number in 0..<64 { #expect(table.handle.insert(mac(number), second: now, now: now, skew: 300) == .fresh) }
        #expect(table.handle.insert(mac(64), second: now, now: now, skew: 300) == .full)
        #expect(table.handle.insert(mac(64, bucket: 1), second: now, now: now, skew: 300) == .fresh)
    }

    @Test("one signature on four threads at once is admitted at most once, and others all", arguments: 0..<4)
    func concurrent(round: Int) async {
        let table = ReplayTable(capacity: 4096)
        let now = now
        let admitted = await withTaskGroup(of: [Int].self) { group in
            for thread in 0..<4 {
                group.addTask {
                    (0..<500).filter { number in
                        // Threads disagree by a second about now, as workers do.
                        let mac = withUnsafeBytes(of: (UInt64(number) << 8, UInt64(number))) { Array($0) }
                        return table.handle.insert(
                            mac, second: now, now: now + Int64(thread % 2), skew: 300) == .fresh
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(admitted).count == admitted.count)
        #expect(admitted.count == 500)
    }

    @Test("the capacity is rounded up to a power of two from 64 to 16,777,216", arguments: [(1, 64), (64, 64), (65, 128)])
    func capacity(asked: Int, given: Int) {
        #expect(ReplayTable(capacity: asked).capacity == given)
    }

    @Test("registry: one table per secret and capacity, for as long as someone holds it")
    func registry() {
        let registry = ReplayRegistry()
        let key = ReplayRegistry.Key(secretDigest: [1], capacity: 64)
        var first: ReplayTable? = registry.table(for: key)
        #expect(registry.table(for: key) === first)
        #expect(registry.table(for: .init(secretDigest: [2], capacity: 64)) !== first)
        #expect(registry.table(for: .init(secretDigest: [1], capacity: 128)) !== first)
        weak let table = first
        first = nil
        #expect(table == nil)
    }
}
