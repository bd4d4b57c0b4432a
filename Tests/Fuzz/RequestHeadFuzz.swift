@testable import SluiceHTTP

/// `RequestHead.parse`: a verdict never changes as bytes arrive, the parts lie where they are said to, and what is written anew from
/// the parsed form has the same one reading.
enum RequestHeadFuzz: FuzzTarget {
    static let name = "request-head"
    private static let capacity = 24

    /// What the gateway acts on, by content and not by place.
    private struct Reading: Equatable {
        var method: [UInt8]
        var knownMethod: Method
        var target: [UInt8]
        var path: [UInt8]
        var query: [UInt8]?
        var authority: [UInt8]
        var hostName: [UInt8]
        var port: UInt16?
        var minorVersion: UInt8
        var framing: BodyFraming
        var flags: [Bool]
        var fields: [[UInt8]]

        init(_ head: RequestHead, _ bytes: ByteView) {
            method = bytes[head.methodRange.range].array
            knownMethod = head.method
            target = bytes[head.target.range].array
            path = head.path(in: bytes).array
            query = head.query(in: bytes)?.array
            authority = bytes[head.authority.range].array
            hostName = bytes[head.hostName.range].array
            port = head.port
            minorVersion = head.minorVersion
            framing = head.framing
            flags = [head.keepAlive, head.upgrade, head.expectsContinue, head.teTrailers, head.hasConnectionOptions]
            fields = FieldReading.lines(head.fields, bytes)
        }

        var text: [UInt8] {
            method + [0x20] + target + Array(" HTTP/1.\(minorVersion)\r\n".utf8) + FieldReading.text(fields)
        }
    }

    static func run(_ input: ByteView) {
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: capacity)
        defer { slots.deallocate() }
        var head = RequestHead(slots: slots, capacity: capacity)
        let whole = RequestHead.parse(input, slots: slots, capacity: capacity, into: &head)
        let reading = whole == .complete ? Reading(head, input) : nil
        let length = head.length
        if reading != nil {
            require(length <= input.count, "a head is longer than its bytes")
            FieldReading.check(head.fields, input[..<length])
            require(!input[head.target.range].buffer.contains { $0 <= 0x20 || $0 >= 0x7F }, "a target holds what no target can")
            checkFraming(head)
        }

        for count in input.prefixCounts {
            withCopy(input[..<count].buffer) { _, part in
                var partHead = RequestHead(slots: slots, capacity: capacity)
                let outcome = RequestHead.parse(part, slots: slots, capacity: capacity, into: &partHead)
                switch (whole, outcome) {
                case (.complete, .complete):
                    require(count >= length && partHead.length == length, "a head ends elsewhere when \(count) bytes have come")
                    require(Reading(partHead, part) == reading, "a head reads differently when \(count) bytes have come")
                case (.complete, .incomplete): require(count < length, "a whole head is called incomplete at \(count) bytes")
                case (.incomplete, .incomplete), (.malformed, .incomplete): break
                case (.malformed(let fault), .malformed(let early)):
                    require(fault == early, "the fault is \(early) at \(count) bytes and \(fault) at the end")
                default: require(false, "\(outcome) at \(count) bytes, \(whole) at the end")
                }
            }
        }

        guard let reading else { return }
        withCopy(reading.text) { _, text in
            var again = RequestHead(slots: slots, capacity: capacity)
            require(
                RequestHead.parse(text, slots: slots, capacity: capacity, into: &again) == .complete && again.length == text.count,
                "what was written anew is no head")
            require(Reading(again, text) == reading, "what was written anew reads differently")
        }
    }

    private static func checkFraming(_ head: RequestHead) {
        let hasLength = head.fields.first(.contentLength) != nil
        let hasCoding = head.fields.first(.transferEncoding) != nil
        switch head.framing {
        case .none: require(!hasLength && !hasCoding, "a declared body is overlooked")
        case .length: require(hasLength && !hasCoding, "a length without its field")
        case .chunked: require(hasCoding && !hasLength && head.minorVersion == 1, "chunked without its field, or beside a length")
        case .untilClose: require(false, "a request that ends with its connection")
        }
        require(head.minorVersion == 0 || head.host != nil, "HTTP/1.1 without Host")
    }
}
