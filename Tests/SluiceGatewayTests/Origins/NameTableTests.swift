import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Names of origins")
struct NameTableTests {
    private let here = [IPAddress(v4: 0x7F00_0001)]

    private func origin(_ number: Int, _ host: String) throws -> Origin {
        Origin(number: number, url: try UpstreamURL("http://\(host):80"), tls: nil)
    }

    private func table(places: Int = 2, threads: Int = 100) -> NameTable {
        NameTable(places: places, threads: threads, patienceMilliseconds: 1000, refreshMilliseconds: 30_000, retryMilliseconds: 1000)
    }

    @Test("one look-up serves all origins of a name; addresses need none")
    func oncePerName() throws {
        var table = table()
        let origins = [try origin(0, "a.test"), try origin(1, "a.test"), try origin(2, "10.0.0.1")]
        table.add(origins)
        #expect(table.hasUntried(origins))
        #expect(table.takeDue(now: 0) == ["a.test"])
        #expect(table.takeDue(now: 5000) == [], "it is under way")
        let news = table.end("a.test", found: here, now: 5)
        #expect(news?.origins == [0, 1] && news?.addresses == here)
        #expect(!table.hasUntried(origins))
        #expect(table.addresses == [0: here, 1: here, 2: [IPAddress(v4: 0x0A00_0001)]])
        // The same again is not a news.
        #expect(table.takeDue(now: 30_004) == [])
        #expect(table.takeDue(now: 30_005) == ["a.test"])
        #expect(table.end("a.test", found: here, now: 30_010) == nil)
    }

    @Test("a look-up that takes long gives its place away after the patience, and not before; its late answer counts")
    func patience() throws {
        var table = table(places: 2)
        table.add(try ["dead0.test", "dead1.test", "good.test"].enumerated().map { try origin($0.offset, $0.element) })
        #expect(table.takeDue(now: 100) == ["dead0.test", "dead1.test"])
        #expect(table.takeDue(now: 1099) == [])
        #expect(table.takeDue(now: 1100) == ["good.test"])
        #expect(table.end("good.test", found: here, now: 1101)?.addresses == here)
        #expect(table.end("dead0.test", found: here, now: 40_000)?.addresses == here)
    }

    @Test("threads whose answers do not come are bounded")
    func threads() throws {
        var table = table(places: 2, threads: 3)
        table.add(try (0..<5).map { try origin($0, "dead\($0).test") })
        #expect(table.takeDue(now: 0).count == 2)
        #expect(table.takeDue(now: 1000).count == 1)
        #expect(table.takeDue(now: 9000) == [])
        _ = table.end("dead0.test", found: [], now: 9001)
        #expect(table.takeDue(now: 9001) == ["dead3.test"])
    }

    @Test("new names come before all others, and those that were found before those that were not")
    func order() throws {
        var table = table(places: 1)
        let (bad, good, new) = (try origin(0, "bad.test"), try origin(1, "good.test"), try origin(2, "new.test"))
        table.add([bad, good])
        #expect(table.takeDue(now: 0) == ["bad.test"])
        _ = table.end("bad.test", found: [], now: 1)
        #expect(table.takeDue(now: 1) == ["good.test"])
        _ = table.end("good.test", found: here, now: 2)
        table.add([new])
        // All are due.
        var taken: [String] = []
        for now in UInt64(40_000)..<40_003 {
            let host = try #require(table.takeDue(now: now).first)
            taken.append(host)
            _ = table.end(host, found: host == "bad.test" ? [] : here, now: now)
        }
        #expect(taken == ["new.test", "good.test", "bad.test"])
    }

    @Test("a name that nobody uses is forgotten, with what its look-up brings; named again, it waits for that")
    func forgotten() throws {
        var table = table(places: 1)
        let (dead, good) = (try origin(0, "dead.test"), try origin(1, "good.test"))
        table.add([dead])
        #expect(table.takeDue(now: 0) == ["dead.test"])
        table.add([good])
        table.keep([good])
        #expect(table.takeDue(now: 1) == ["good.test"], "the other keeps no place")
        table.add([dead])
        #expect(table.takeDue(now: 2000) == [], "one look-up of a name at a time")
        #expect(table.end("dead.test", found: here, now: 3000)?.origins == [0])
        table.keep([good])
        #expect(table.addresses == [1: []])
        #expect(table.end("dead.test", found: here, now: 3001) == nil)
    }

    @Test("a name whose addresses all fail is looked up again at once, at most once a second; one that is not found keeps its addresses")
    func suspected() throws {
        var table = table()
        table.add([try origin(0, "a.test")])
        #expect(table.takeDue(now: 0) == ["a.test"])
        _ = table.end("a.test", found: here, now: 10)
        table.suspect("a.test")
        table.suspect("unknown.test")
        #expect(table.takeDue(now: 1009) == [])
        #expect(table.takeDue(now: 1010) == ["a.test"])
        #expect(table.end("a.test", found: [], now: 1020) == nil)
        #expect(table.addresses == [0: here])
        // Nobody complains: the usual interval.
        #expect(table.takeDue(now: 31_019) == [])
        #expect(table.takeDue(now: 31_020) == ["a.test"])
    }
}
