import Foundation
import Glibc
import Synchronization
import Testing

@testable import SluiceCounting

/// Counts of callers in a file. Two descriptions of one file in a process stand for two processes: locks belong to the description.
@Suite("Callers' limits in a file")
struct LimitFileTests {
    private static let second: UInt64 = 1_000_000_000
    private static let now: UInt64 = 5_000 * second
    private static let rule = LimitRule(limit: 3, perSeconds: 600)

    /// A path, and what is open of it: a table is good for as long as its file is.
    private final class Place {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-limits-\(UUID().uuidString)").path
        private var files: [LimitFile] = []

        deinit {
            unlink(path)
            unlink(path + ".lock")
        }

        func open(keys: Int = 100, secret: UInt64 = 7, now: UInt64 = LimitFileTests.now) throws -> LimitFile {
            files.append(try LimitFile.open(path, keys: keys, secret: .init(low: secret, high: 8), now: { now }, waitMilliseconds: 5000, needsTmpfs: false))
            return files[files.count - 1]
        }

        /// As when all processes end.
        func close() { files = [] }

        /// As when the process ends that was the first to open the file.
        func closeFirst() { files.removeFirst() }
    }

    private func key(_ number: UInt64) -> LimitKey { LimitKey(low: number << 8, high: number &* 0x9E37_79B9_7F4A_7C15) }

    @Test("what one process has charged, the next one knows, and who serves at the same time")
    func goesOn() throws {
        let place = Place()
        let first = try place.open()
        #expect(!first.isContinued)
        for _ in 0..<2 { #expect(first.table.take(key(1), Self.rule, now: Self.now) == .taken) }
        let second = try place.open(secret: 99)
        #expect(second.isContinued && second.secret == .init(low: 7, high: 8))
        #expect(second.table.take(key(1), Self.rule, now: Self.now) == .taken)
        #expect(first.table.take(key(1), Self.rule, now: Self.now) == .exhausted)
        place.close()
        let third = try place.open()
        #expect(third.table.take(key(1), Self.rule, now: Self.now) == .exhausted && third.table.usedPlaces == 1)
    }

    @Test("callers with plans have room of their own, which no stranger takes, and their counts outlive the process too")
    func plans() throws {
        let place = Place()
        let file = try place.open()
        var stranger: UInt64 = 1
        while file.table.take(key(stranger), Self.rule, now: Self.now) == .taken { stranger += 1 }
        #expect(file.table.take(key(stranger), Self.rule, now: Self.now) == .full && file.plans.usedPlaces == 0)
        for number in 0..<1000 as Range<UInt64> { #expect(file.plans.take(key(1 << 40 + number), Self.rule, now: Self.now) == .taken) }
        // The one is not in the other's place.
        #expect(file.table.rest(of: key(1), Self.rule, now: Self.now).remaining == 2)
        for _ in 0..<2 { #expect(file.plans.take(key(1 << 40), Self.rule, now: Self.now) == .taken) }
        let second = try place.open()
        #expect(second.plans.take(key(1 << 40), Self.rule, now: Self.now) == .exhausted)
        place.close()
        #expect(try place.open().plans.take(key(1 << 40), Self.rule, now: Self.now) == .exhausted)
    }

    @Test("a file that does not fit makes room for another, unless somebody serves with it")
    func replaced() throws {
        let place = Place()
        func takes(keys: Int) throws -> Bool { try place.open(keys: keys).table.take(key(1), Self.rule, now: Self.now) == .taken }
        #expect(try takes(keys: 100))
        let error = #expect(throws: LimitFileError.self) { try place.open(keys: 200) }
        #expect(error?.description.contains("a process serves with it that has another SLUICE_RATE_LIMIT_KEYS") == true)
        #expect(try takes(keys: 100) && place.open().table.usedPlaces == 1)
        place.close()
        #expect(try !place.open(keys: 200).isContinued && place.open(keys: 200).table.usedPlaces == 0)
        place.close()
        for text in ["", "short", String(repeating: "x", count: 100_000)] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: place.path))
            chmod(place.path, 0o600)
            #expect(try !place.open().isContinued)
            place.close()
        }
        #expect(try place.open().isContinued)
    }

    @Test("locks and marks of a process that was killed are taken away, and what it was giving a place to loses nothing")
    func recovered() throws {
        let place = Place()
        let table = try place.open().table
        for number in 1...50 as ClosedRange<UInt64> { #expect(table.take(key(number), Self.rule, now: Self.now) == .taken) }
        for number in 0..<Int(table.bucketCount) {
            let bucket = table.words + (LimitTable.bucketsBegin + number * LimitTable.bucketWords)
            bucket.pointee.store(1, ordering: .relaxed)
            for place in 1...LimitTable.placesOfBucket where bucket[place].load(ordering: .relaxed) != 0 {
                bucket[place].add(LimitTable.closing, ordering: .relaxed)
            }
        }
        table.words[LimitTable.used].store(9, ordering: .relaxed)
        #expect(table.take(key(51), Self.rule, now: Self.now) == .full)
        // Their owner lives: whatever looks stale may be in use.
        #expect(try place.open().table.take(key(51), Self.rule, now: Self.now) == .full)
        place.close()
        let next = try place.open()
        for number in 1...50 as ClosedRange<UInt64> { #expect(next.table.rest(of: key(number), Self.rule, now: Self.now).remaining == 2) }
        #expect(next.table.take(key(51), Self.rule, now: Self.now) == .taken && next.table.usedPlaces == 51)
    }

    @Test("a lock of a process that was killed is taken away by those that serve meanwhile, and by the next one that gets its number")
    func lockOfTheDead() throws {
        let place = Place()
        let first = try place.open().table
        let second = try place.open().table
        #expect(first.process.number == 1 && second.process.number == 2)
        func lockAll() {
            for number in 0..<Int(second.bucketCount) {
                (second.words + (LimitTable.bucketsBegin + number * LimitTable.bucketWords)).pointee.store(1, ordering: .relaxed)
            }
        }
        lockAll()
        #expect(second.take(key(1), Self.rule, now: Self.now) == .full)
        place.closeFirst()
        #expect(second.take(key(1), Self.rule, now: Self.now) == .taken)
        lockAll()
        let third = try place.open().table
        #expect(third.process.number == 1)
        #expect(third.take(key(2), Self.rule, now: Self.now) == .taken && second.take(key(2), Self.rule, now: Self.now) == .taken)
    }

    @Test("what was in use when a process ended is still the least that the next one divides by, until the interval has passed")
    func parts() throws {
        let place = Place()
        func start(nodes: Int, at seconds: UInt64) throws -> KeeperState.Words {
            let words = KeeperState.make()
            KeeperState.mirrorParts(words, in: try place.open().spare, now: Self.now + seconds * Self.second)
            KeeperState.setNodes(words, to: nodes, isSettling: false, now: Self.now + seconds * Self.second)
            return words
        }
        func parts(_ words: KeeperState.Words, at seconds: UInt64) -> UInt64 {
            10_000 / LimitRule(limit: 10_000, perSeconds: 600).part(words, now: Self.now + seconds * Self.second).limit
        }
        let first = try start(nodes: 4, at: 0)
        KeeperState.setNodes(first, to: 2, isSettling: false, now: Self.now + 100 * Self.second)
        #expect(parts(first, at: 100) == 4)
        KeeperState.free(first)
        place.close()
        let second = try start(nodes: 1, at: 200)
        #expect(parts(second, at: 699) == 4 && parts(second, at: 702) == 2 && parts(second, at: 802) == 1)
        KeeperState.free(second)
    }

    @Test("what was used at a time that is yet to come counts as used now, not until then")
    func future() throws {
        let place = Place()
        let rule = LimitRule(limit: 3, perSeconds: 10)
        #expect(try place.open().table.take(key(1), rule, now: Self.now) == .taken)
        place.close()
        let earlier = Self.now - 1_000 * Self.second
        let table = try place.open(now: earlier)
        #expect(table.table.rest(of: key(1), rule, now: earlier).remaining == 2)
        #expect(table.table.rest(of: key(1), rule, now: earlier + 11 * Self.second).remaining == 3)
    }

    @Test("links, folders and files of others are refused, and a folder that is not there; nothing is left behind")
    func refused() throws {
        let place = Place()
        let target = Place()
        _ = try target.open()
        #expect(symlink(target.path, place.path) == 0)
        #expect(throws: LimitFileError.self) { try place.open() }
        unlink(place.path)
        #expect(mkdir(place.path, 0o700) == 0)
        #expect(throws: LimitFileError.self) { try place.open() }
        rmdir(place.path)
        #expect(mkfifo(place.path, 0o600) == 0)
        #expect(throws: LimitFileError.self) { try place.open() }
        unlink(place.path)
        _ = try place.open()
        place.close()
        #expect(chmod(place.path, 0o640) == 0)
        #expect(throws: LimitFileError.self) { try place.open() }
        #expect(throws: LimitFileError.self) {
            try LimitFile.open("/dev/shm/sluice-none/x", keys: 10, secret: .init(low: 1, high: 1), now: { 0 })
        }
        let folder = (place.path as NSString).deletingLastPathComponent
        let name = (place.path as NSString).lastPathComponent
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix(name) }.sorted() == [name, name + ".lock"])
    }

    @Test("processes that start at the same moment agree on one file")
    func race() async throws {
        for _ in 0..<5 {
            let place = Place()
            let path = place.path
            let files = try await withThrowingTaskGroup(of: LimitFile.self) { group in
                for number in 0..<4 as Range<UInt64> {
                    group.addTask {
                        // Large enough that making it takes a while.
                        try LimitFile.open(path, keys: 50_000, secret: .init(low: number, high: 0), now: { Self.now }, needsTmpfs: false)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(files.allSatisfy { $0.secret == files[0].secret })
            for (index, file) in files.enumerated() {
                #expect(file.table.take(key(1), Self.rule, now: Self.now) == (index < 3 ? .taken : .exhausted))
            }
        }
    }
}
