import SluiceCounting
import Testing

@testable import SluiceRedis

@Suite("Answers to a batch")
struct SyncArgumentsTests {
    private static let batch = AllowanceBatch(
        sequence: 1, ceilings: [.init(project: "p", ceiling: 100, held: 0, demand: 0)],
        quotas: [.init(key: QuotaKey(owner: "q", perSeconds: 60), window: 5, limit: 10, granted: 0, wanted: 1)])

    /// What the script answers, one number of it replaced: the place in the list, and in the list within it.
    private static func answer(_ place: Int? = nil, _ inner: Int? = nil, _ number: Int = 0) -> RedisReply {
        var parts: [RedisReply] = (0..<7).map { .integer($0 + 1) }
        parts.append(.array([.integer(1), .integer(1), .integer(1)]))
        parts.append(.array([.bytes(Array("p".utf8)), .integer(1), .integer(1), .integer(1)]))
        parts.append(.array([.integer(1), .integer(1), .integer(-1), .integer(0), .integer(1), .integer(1)]))
        parts.append(.array([.integer(60), .integer(5), .bytes(Array("q".utf8)), .integer(0)]))
        guard let place else { return .array(parts) }
        if let inner, var elements = parts[place].elements {
            elements[inner] = .integer(number)
            parts[place] = .array(elements)
        } else {
            parts[place] = .integer(number)
        }
        return .array(parts)
    }

    /// Every number that cannot be negative.
    private static let places: [(Int, Int?)] =
        (0..<7).map { ($0, nil) } + [(7, 0), (7, 1), (7, 2), (8, 1), (8, 2), (8, 3), (9, 0), (9, 1), (9, 3), (9, 4), (9, 5), (10, 0), (10, 1), (10, 3)]

    @Test("numbers that a script can have counted are taken, the largest of them too")
    func taken() {
        #expect(SyncArguments.replies(in: Self.answer(), to: Self.batch) != nil)
        for (place, inner) in Self.places {
            #expect(SyncArguments.replies(in: Self.answer(place, inner, 1 << 52), to: Self.batch) != nil, "\(place) \(inner ?? -1)")
        }
    }

    @Test("larger and negative ones make the whole answer none", arguments: [1 << 52 + 1, Int.max, -1, Int.min])
    func refused(number: Int) {
        for (place, inner) in Self.places {
            #expect(SyncArguments.replies(in: Self.answer(place, inner, number), to: Self.batch) == nil, "\(place) \(inner ?? -1)")
        }
    }

    @Test("an answer of another shape is none")
    func shape() {
        let whole = Self.answer().elements ?? []
        for count in 0..<whole.count { #expect(SyncArguments.replies(in: .array(Array(whole.prefix(count))), to: Self.batch) == nil) }
        for other in [RedisReply.null, .bytes([]), .integer(1), .array([]), .error("ERR"), .array([.array(whole)])] {
            #expect(SyncArguments.replies(in: other, to: Self.batch) == nil)
            for place in whole.indices {
                var parts = whole
                parts[place] = other
                guard parts != whole, !(other == .integer(1) && place < 7), !(other == .array([]) && [8, 10].contains(place)) else { continue }
                #expect(SyncArguments.replies(in: .array(parts), to: Self.batch) == nil, "\(place)")
            }
        }
    }
}
