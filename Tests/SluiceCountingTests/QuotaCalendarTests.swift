import Testing

@testable import SluiceCounting

/// Windows by the calendar, against a calendar that counts day after day.
@Suite("Quota calendar")
struct QuotaCalendarTests {
    /// A date, and nothing but the rule of leap years.
    private struct PlainDate {
        var (year, month, day) = (1970, 1, 1)

        private var daysOfMonth: Int {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
        }

        /// Months since January 1970.
        var number: UInt64 { UInt64((year - 1970) * 12 + month - 1) }

        mutating func pass() {
            day += 1
            guard day > daysOfMonth else { return }
            (day, month) = (1, month + 1)
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    @Test("for 500 years every day begins and ends in the right month, and every month ends with its last second")
    func months() {
        var date = PlainDate()
        for day in 0..<(500 * 366) as Range<UInt64> {
            let number = date.number
            let (first, last) = (day * 86_400, day * 86_400 + 86_399)
            let isRight = [first, last].allSatisfy {
                QuotaKey.window(at: $0, perSeconds: QuotaKey.month) == number && QuotaKey.window(at: $0, perSeconds: QuotaKey.day) == day
            }
            if !isRight { Issue.record("\(date)") }
            date.pass()
            if date.day == 1, QuotaKey.end(of: number, perSeconds: QuotaKey.month) != last + 1 { Issue.record("\(date)") }
        }
        #expect(date.year > 2460)
        #expect(QuotaKey.end(of: 3, perSeconds: 60) == 240 && QuotaKey.window(at: 239, perSeconds: 60) == 3)
    }

    @Test("over 400 years of requests, restarts and steps of the clock no month and no day admits more than its quota, and nearly all of it")
    func centuries() throws {
        var random = SeededRandom(seed: 400)
        let store = MemoryStore()
        // 2000-01-01, a century's leap year; and the first day is a month's.
        let start: UInt64 = 946_684_800
        var bench = LedgerBench(store: store, atSeconds: start)
        func open() -> (day: Int, month: Int) {
            (bench.add(limit: 3, per: QuotaKey.day, owner: "/callers/a/*"), bench.add(limit: 40, per: QuotaKey.month, owner: "/callers/b/*"))
        }
        var quotas = open()
        var admitted: (day: [UInt64: Int], month: [UInt64: Int]) = ([:], [:])
        var date = PlainDate()
        for _ in 0..<(30 * 365 + 7) { date.pass() }
        #expect(date.year == 2000 && date.month == 1 && date.day == 1)
        for day in 0..<146_097 as Range<UInt64> {
            // A few moments of the day, the first and the last second among them.
            for second in [0, random.next() % 86_398 + 1, 86_399] {
                let now = start + day * 86_400 + second
                bench.pass(milliseconds: Double(now * 1000 - bench.counting / 1_000_000))
                for _ in 0..<2 {
                    if bench.take(quotas.day) == .taken { admitted.day[day, default: 0] += 1 }
                    if bench.take(quotas.month) == .taken { admitted.month[date.number, default: 0] += 1 }
                    bench.round()
                }
            }
            // A new process: what the old one held is lost, and nothing of it is granted twice.
            if random.next() % 500 == 0 {
                let counting = bench.counting
                bench = LedgerBench(store: store, atSeconds: counting / 1_000_000_000)
                quotas = open()
            }
            date.pass()
        }
        #expect(date.year == 2400 && date.month == 1 && date.day == 1)
        #expect(admitted.day.values.max() == 3 && admitted.month.values.max() == 40)
        #expect(admitted.day.count > 146_000 && admitted.month.count == 4800)
        #expect(admitted.day.values.reduce(0, +) > 146_097 * 2 && admitted.month.values.reduce(0, +) > 4800 * 36, "\(admitted.month.values.reduce(0, +))")
    }
}
