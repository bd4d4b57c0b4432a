import Testing

@testable import SluiceGateway

/// The budget on a clock that the tests move, in seconds.
@Suite("Retry budget")
struct RetryBudgetTests {
    private final class Bench {
        var budget = RetryBudget()

        func noteRequests(_ count: Int, at second: UInt64) { for _ in 0..<count { budget.noteRequest(at: second) } }

        /// Retries that are granted until one is refused, at most a thousand.
        func granted(at second: UInt64, percent: UInt64 = 20, minimum: UInt64 = 0) -> Int {
            var count = 0
            while count < 1000, budget.takeRetry(at: second, percent: percent, minimum: minimum) { count += 1 }
            return count
        }
    }

    @Test("the share: one in five of the requests, and not one more", arguments: [(0, 0), (4, 0), (5, 1), (9, 1), (10, 2), (100, 20)])
    func share(requests: Int, expected: Int) {
        let budget = Bench()
        budget.noteRequests(requests, at: 1000)
        #expect(budget.granted(at: 1000) == expected)
    }

    @Test("the minimum is granted in every second without any request, and not saved up")
    func minimum() {
        let budget = Bench()
        #expect(budget.granted(at: 50, minimum: 3) == 3)
        #expect(budget.granted(at: 51, minimum: 3) == 3)
        #expect(budget.granted(at: 59, minimum: 3) == 3)
    }

    @Test("share and minimum do not add up: the retries of the minimum use the share")
    func both() {
        let budget = Bench()
        budget.noteRequests(50, at: 1)
        #expect(budget.granted(at: 1, minimum: 3) == 10)
    }

    @Test("a request counts for ten seconds: in the ninth after it yes, in the tenth no")
    func window() {
        for (later, expected) in [(9, 2), (10, 0)] as [(UInt64, Int)] {
            let budget = Bench()
            budget.noteRequests(10, at: 100)
            #expect(budget.granted(at: 100 + later) == expected, "\(later) s later")
        }
    }

    @Test("retries of earlier seconds use the share for as long as their requests give it")
    func spent() {
        let budget = Bench()
        budget.noteRequests(10, at: 7)
        #expect(budget.granted(at: 7) == 2)
        #expect(budget.granted(at: 16) == 0)
        budget.noteRequests(1, at: 17)
        #expect(budget.granted(at: 17) == 0)
        budget.noteRequests(4, at: 17)
        #expect(budget.granted(at: 17) == 1)
    }

    @Test("both 0: none; a long silence forgets everything")
    func extremes() {
        let budget = Bench()
        budget.noteRequests(100, at: 5)
        #expect(budget.granted(at: 5, percent: 0) == 0)
        #expect(budget.granted(at: 5_000_000) == 0)
        budget.noteRequests(1, at: 5_000_000)
        #expect(budget.granted(at: 5_000_000, percent: 100) == 1)
    }
}
