@testable import SluiceHTTP

/// `ResponseHead.parse`: as for requests. The first byte of the input says whether the request was HEAD.
enum ResponseHeadFuzz: FuzzTarget {
    static let name = "response-head"
    private static let capacity = 24

    private struct Reading: Equatable {
        var status: UInt16
        var reason: [UInt8]
        var minorVersion: UInt8
        var framing: BodyFraming
        var flags: [Bool]
        var fields: [[UInt8]]

        init(_ head: ResponseHead, _ bytes: ByteView) {
            status = head.status
            reason = bytes[head.reason.range].array
            minorVersion = head.minorVersion
            framing = head.framing
            flags = [head.keepAlive, head.upgrade, head.hasConnectionOptions]
            fields = FieldReading.lines(head.fields, bytes)
        }

        var text: [UInt8] {
            Array("HTTP/1.\(minorVersion) \(status) ".utf8) + reason + Array("\r\n".utf8) + FieldReading.text(fields)
        }
    }

    static func run(_ whole: ByteView) {
        guard whole.count > 1 else { return }
        let isHead = whole[0] == UInt8(ascii: "H")
        let input = whole[1...]
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: capacity)
        defer { slots.deallocate() }

        func parse(_ bytes: ByteView) -> (HeadOutcome, ResponseHead) {
            var head = ResponseHead(slots: slots, capacity: capacity)
            let outcome = ResponseHead.parse(bytes, slots: slots, capacity: capacity, requestWasHead: isHead, into: &head)
            return (outcome, head)
        }

        let (outcome, head) = parse(input)
        let reading = outcome == .complete ? Reading(head, input) : nil
        if reading != nil {
            require(head.length <= input.count, "a head is longer than its bytes")
            require((100..<600).contains(head.status), "a status out of range")
            FieldReading.check(head.fields, input[..<head.length])
            if isHead || head.status < 200 || head.status == 204 || head.status == 304 {
                require(head.framing == .none, "a body where there can be none")
            }
            require(head.framing != .untilClose || !head.keepAlive, "a connection is kept whose end ends the body")
        }
        for count in input.prefixCounts {
            withCopy(input[..<count].buffer) { _, part in
                let (early, partHead) = parse(part)
                switch (outcome, early) {
                case (.complete, .complete):
                    require(count >= head.length && partHead.length == head.length, "a head ends elsewhere at \(count) bytes")
                    require(Reading(partHead, part) == reading, "a head reads differently at \(count) bytes")
                case (.complete, .incomplete): require(count < head.length, "a whole head is called incomplete")
                case (.incomplete, .incomplete), (.malformed, .incomplete): break
                case (.malformed(let fault), .malformed(let earlyFault)):
                    require(fault == earlyFault, "the fault is \(earlyFault) at \(count) bytes and \(fault) at the end")
                default: require(false, "\(early) at \(count) bytes, \(outcome) at the end")
                }
            }
        }
        guard let reading else { return }
        withCopy(reading.text) { _, text in
            let (again, anew) = parse(text)
            require(again == .complete && anew.length == text.count, "what was written anew is no head")
            require(Reading(anew, text) == reading, "what was written anew reads differently")
        }
    }
}
