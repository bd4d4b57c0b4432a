import Testing
@testable import SluiceHTTP2

@Suite struct LimitsTests {
    private static var ranges: [(WritableKeyPath<HTTP2Limits, Int>, ClosedRange<Int>)] { [
        (\.concurrentStreams, 1...65_535), (\.streamWindow, 1...0x7FFF_FFFF), (\.connectionWindow, 65_535...0x7FFF_FFFF), (\.headerTableBytes, 0...65_535),
        (\.headBytes, 256...0x0FFF_FFFF), (\.fields, 1...65_535), (\.crumbs, 1...65_535), (\.continuationFrames, 0...65_535), (\.blockBytes, 1...0x0FFF_FFFF),
        (\.decodedBytes, 1...0x0FFF_FFFF), (\.resetBurst, 1...0x0FFF_FFFF), (\.resetsPerSecond, 0...0x0FFF_FFFF), (\.glitchBurst, 1...0x0FFF_FFFF),
        (\.glitchesPerSecond, 0...0x0FFF_FFFF), (\.settingsPerFrame, 1...2_730), (\.queuedAnswers, 1...65_535),
    ] }

    @Test("every limit is brought within its range, and none that is within it is changed")
    func clamped() {
        for (path, range) in Self.ranges {
            for (value, expected) in [
                (Int.min, range.lowerBound), (range.lowerBound - 1, range.lowerBound), (range.lowerBound, range.lowerBound), (range.upperBound, range.upperBound),
                (range.upperBound + 1, range.upperBound), (Int.max, range.upperBound),
            ] {
                var limits = HTTP2Limits()
                limits[keyPath: path] = value
                #expect(limits.clamped[keyPath: path] == expected, "\(path) of \(value)")
            }
            #expect(HTTP2Limits().clamped[keyPath: path] == HTTP2Limits()[keyPath: path])
        }
        // A limit that is added has to be added above.
        #expect(Mirror(reflecting: HTTP2Limits()).children.count == Self.ranges.count + 1)
    }

    @Test("sessions with the smallest and the largest limits read what there is to read", arguments: [Int.min, Int.max])
    func extremes(value: Int) {
        var limits = HTTP2Limits()
        for (path, _) in Self.ranges { limits[keyPath: path] = value }
        for role in [HTTP2Role.server, .client] {
            let peer = Peer(role, limits: limits)
            if role == .client { _ = peer.request(ends: false) }
            for bytes in [headers(1, role == .server ? plainRequest + [("a", "b")] : [(":status", "200")], ends: false), data(1, "abc"), frame(8, 0, number(1)), frame(6, 0, [1, 2, 3, 4, 5, 6, 7, 8])] {
                peer.feed(bytes, piece: 3)
            }
            #expect(!peer.seen.isEmpty)
        }
    }

    @Test("reasons have names of their own")
    func names() {
        #expect(Set(HTTP2Reason.allCases.map(\.name)).count == HTTP2Reason.allCases.count && HTTP2Reason.resetFlood.name == "resetFlood")
    }
}
