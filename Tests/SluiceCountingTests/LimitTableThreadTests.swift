import Foundation
import Synchronization
import Testing

@testable import SluiceCounting

@Suite("Callers' limits: workers at the same time")
struct LimitTableThreadTests {
    private struct Admission {
        let caller: UInt32
        let time: UInt64
    }

    private final class Shared: Sendable {
        let table: LimitTable
        let end: UInt64
        let callers: UInt64
        let rule: LimitRule
        let found = Mutex<[Admission]>([])
        let refused = Atomic<Int>(0)

        init(table: LimitTable, seconds: Double, callers: UInt64, rule: LimitRule) {
            self.table = table
            self.callers = callers
            self.rule = rule
            end = DispatchTime.now().uptimeNanoseconds + UInt64(seconds * 1e9)
        }
    }

    private static func work(_ shared: Shared, _ seed: UInt64) {
        var state = seed
        var own: [Admission] = []
        var now = DispatchTime.now().uptimeNanoseconds
        var refused = 0
        while now < shared.end {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // A few callers send half of what is sent.
            let caller = state >> 63 == 0 ? (state >> 33) % shared.callers : (state >> 33) % 3
            let key = LimitKey(low: (caller &+ 1) &* 0x9E37_79B9_7F4A_7C15, high: (caller &+ 1) &* 0xD6E8_FEB8_6659_FD93)
            now = DispatchTime.now().uptimeNanoseconds
            var charge = LimitCharge.none
            guard shared.table.take(key, shared.rule, now: now, charge: &charge) == .taken else {
                refused += 1
                continue
            }
            if state >> 40 & 15 == 0 {
                shared.table.undo(shared.rule, &charge)
                continue
            }
            // It leaves now; the thread may have stood still for any time.
            var left = DispatchTime.now().uptimeNanoseconds
            while LimitTable.isLate(charge, now: left) {
                guard shared.table.move(key, shared.rule, now: left, charge: &charge) == .taken else { break }
                left = DispatchTime.now().uptimeNanoseconds
            }
            guard charge.isCharged else { continue }
            own.append(Admission(caller: UInt32(caller), time: left))
        }
        let gathered = own
        shared.found.withLock { $0 += gathered }
        shared.refused.add(refused, ordering: .relaxed)
    }

    @Test(
        "an outside log shows no interval above the limit, with room for all callers and without",
        arguments: [(100_000, 100_000, 3), (100_000, 100, 3), (50, 50, 40), (50, 10, 2)] as [(Int, Int, UInt64)])
    func bound(callers: Int, room: Int, limit: UInt64) {
        let table = LimitTable(keys: room)
        defer { table.free() }
        let shared = Shared(table: table, seconds: 2.6, callers: UInt64(callers), rule: LimitRule(limit: limit, perSeconds: 1))
        let group = DispatchGroup()
        for seed in 0..<3 as Range<UInt64> {
            group.enter()
            Thread.detachNewThread {
                Self.work(shared, seed &+ 1)
                group.leave()
            }
        }
        group.wait()
        var times: [UInt32: [UInt64]] = [:]
        for admission in shared.found.withLock({ $0 }) { times[admission.caller, default: []].append(admission.time) }
        #expect(shared.refused.load(ordering: .relaxed) > 0 && times.count > min(callers, room) / 2)
        for (caller, times) in times {
            let sorted = times.sorted()
            guard sorted.count > Int(limit) else { continue }
            for index in Int(limit)..<sorted.count {
                #expect(sorted[index] - sorted[index - Int(limit)] >= 1_000_000_000, "caller \(caller)")
            }
        }
    }
}
