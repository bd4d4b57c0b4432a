@testable import SluiceHTTP
@testable import SluiceHTTP2

/// `HPACKDecoder` and `HeadAssembly`: blocks in pieces of any size give what they give whole; what comes out as a request is one head for the parser of
/// HTTP/1.1, which ends where the text does; what is written anew of a head reads the same.
///
/// The input: a byte of options, then blocks, each with two bytes of length before it.
enum HPACKFuzz: FuzzTarget {
    static let name = "hpack"
    private static let areaBytes = 4096

    private struct Outcome: Equatable {
        var text: [UInt8] = []
        var fault: HTTP2Reason?
        var failure: HTTP2Reason?
        var tableSize = 0
    }

    static func run(_ input: ByteView) {
        guard input.count > 1 else { return }
        let options = input[0]
        let limits = UnsafeMutablePointer<HTTP2Limits>.allocate(capacity: 1)
        defer { limits.deallocate() }
        limits.initialize(to: HTTP2Limits())
        limits.pointee.fields = 24
        limits.pointee.crumbs = 12
        limits.pointee.decodedBytes = 20_000
        limits.pointee.extendedConnect = options & 8 != 0
        let purpose: HeadAssembly.Purpose = [.request, .response, .trailers, .dropped][Int(options & 3)]
        let table = options & 4 == 0 ? 4096 : 128
        let whole = read(input[1...], purpose, table, limits) { _ in Int.max }
        var seed = UInt32(options) &+ 1
        for round in 0..<2 {
            let other = read(input[1...], purpose, table, limits) { _ in
                seed = seed &* 1_664_525 &+ 1_013_904_223
                return round == 0 ? 1 : 1 + Int(seed >> 24) % 23
            }
            require(other == whole, "in pieces: \(other), whole: \(whole)")
        }
        for outcome in whole where outcome.failure == nil && outcome.fault == nil && purpose != .dropped { check(outcome.text, purpose, limits) }
    }

    private static func read(
        _ input: ByteView, _ purpose: HeadAssembly.Purpose, _ table: Int, _ limits: UnsafePointer<HTTP2Limits>, size: (Int) -> Int
    ) -> [Outcome] {
        var decoder = HPACKDecoder(maximum: table, tables: HPACKTables.shared)
        defer { decoder.deallocate() }
        let area = HTTP2HeadArea(base: .allocate(capacity: areaBytes), capacity: areaBytes)
        defer { area.base.deallocate() }
        var assembly = HeadAssembly(limits: limits)
        var outcomes: [Outcome] = []
        var start = 0
        while start + 2 <= input.count {
            let length = min(Int(input[start]) << 8 | Int(input[start + 1]), input.count - start - 2)
            let block = input[(start + 2)..<(start + 2 + length)]
            start += 2 + length
            assembly.begin(purpose, area)
            var outcome = Outcome()
            var at = 0
            while at < block.count, outcome.failure == nil {
                let end = min(block.count, at + min(block.count, size(at)))
                outcome.failure = withCopy(block[at..<end].buffer) { memory, piece in decoder.decode(memory, count: piece.count, into: &assembly) }
                at = end
            }
            if outcome.failure == nil { outcome.failure = decoder.endBlock() }
            require(decoder.table.size <= decoder.table.maximum && decoder.table.maximum <= table, "the table is larger than allowed")
            if outcome.failure == nil {
                assembly.finish()
                outcome.fault = assembly.fault
                outcome.tableSize = decoder.table.size
                if outcome.fault == nil { outcome.text = Array(UnsafeBufferPointer(start: area.base, count: assembly.count)) }
            }
            outcomes.append(outcome)
            if outcome.failure != nil { break }
        }
        return outcomes
    }

    private static func check(_ text: [UInt8], _ purpose: HeadAssembly.Purpose, _ limits: UnsafePointer<HTTP2Limits>) {
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: 64)
        defer { slots.deallocate() }
        withCopy(text) { _, bytes in
            switch purpose {
            case .request:
                var head = RequestHead(slots: slots, capacity: 64)
                switch RequestHead.parse(bytes, slots: slots, capacity: 64, into: &head) {
                case .complete: require(head.length == bytes.count, "a request ends at \(head.length) of \(bytes.count)")
                case .incomplete: require(false, "a request that has not come whole")
                case .malformed: return
                }
            case .response:
                var head = ResponseHead(slots: slots, capacity: 64)
                switch ResponseHead.parse(bytes, slots: slots, capacity: 64, requestWasHead: false, into: &head) {
                case .complete: require(head.length == bytes.count, "a response ends at \(head.length) of \(bytes.count)")
                case .incomplete: require(false, "a response that has not come whole")
                case .malformed: return
                }
            default:
                var fields = FieldTable(slots: slots, capacity: 64)
                switch TrailerSection.parse(bytes, slots: slots, capacity: 64, into: &fields) {
                case .complete(let length): require(length == bytes.count, "trailers end at \(length) of \(bytes.count)")
                case .incomplete: require(false, "trailers that have not come whole")
                case .malformed: return
                }
            }
            encode(bytes, purpose, limits)
        }
    }

    /// What a valid head is written as reads as that head. Cookies, joined, stay so; TE and Host have their own rules.
    private static func encode(_ text: ByteView, _ purpose: HeadAssembly.Purpose, _ limits: UnsafePointer<HTTP2Limits>) {
        let kind: HPACKEncoder.Kind = switch purpose {
        case .request: .request(isHTTPS: true, connect: .empty)
        case .response: .response
        default: .trailers
        }
        let room = HPACKEncoder.bytesMax(text: text.count)
        let block = UnsafeMutablePointer<UInt8>.allocate(capacity: room)
        defer { block.deallocate() }
        guard let count = HPACKEncoder.encode(text, kind: kind, tables: HPACKTables.shared, into: block) else {
            return require(false, "a head that is not written")
        }
        require(count <= room, "a block of \(count) bytes, where \(room) are said to be enough")
        let length = [UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
        let again = withCopy(length + Array(UnsafeBufferPointer(start: block, count: count))) { _, bytes in
            read(bytes, purpose, 4096, limits) { _ in Int.max }
        }
        require(again.count == 1 && again[0].failure == nil, "what was written is not read: \(again)")
        let hostIsFirst = purpose != .request || text.array.split(separator: 0x0A).dropFirst().first?.starts(with: Array("Host:".utf8)) == true
        // The lines of an upgrade belong to the connection: of those that are asked for over a stream, the session writes the request anew.
        let asksForUpgrade = text.string.contains("\r\nConnection: Upgrade\r\n")
        if hostIsFirst, !asksForUpgrade, again[0].fault == nil { require(again[0].text == text.array, "\(text.string.debugDescription) reads as \(String(decoding: again[0].text, as: UTF8.self).debugDescription)") }
    }
}
