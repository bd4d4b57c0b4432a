import Testing

@testable import SluiceHTTP

/// Field sections beside a reader that looks at one byte after the other.
@Suite struct FieldSectionTests {
    /// What a section says, in a form to compare.
    private struct Reading: Equatable {
        var fault: HeadFault?
        var isComplete = false
        var lines: [String] = []
        var length = 0
    }

    private func parsed(_ bytes: [UInt8], capacity: Int) -> Reading {
        withSlots(capacity) { slots in
            withBytes(bytes) { view in
                var fields = FieldTable(slots: slots, capacity: capacity)
                switch TrailerSection.parse(view, slots: slots, capacity: capacity, into: &fields) {
                case .incomplete: return Reading()
                case .malformed(let fault): return Reading(fault: fault)
                case .complete(let length):
                    let lines = (0..<fields.count).map { index in
                        let slot = fields[index]
                        return "\(view[slot.name].string)|\(Array(view[slot.value].buffer))|\(slot.isPlain)"
                    }
                    return Reading(isComplete: true, lines: lines, length: length)
                }
            }
        }
    }

    /// The rule, line by line (RFC 9112, 5).
    private func expected(_ bytes: [UInt8], capacity: Int) -> Reading {
        var reading = Reading()
        var index = 0
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        func isText(_ byte: UInt8) -> Bool { byte == 0x09 || byte >= 0x20 && byte != 0x7F }
        while true {
            let start = index
            while index < bytes.count, ByteClass.isMember(bytes[index], of: ByteClass.token) { index += 1 }
            guard index < bytes.count else { return Reading() }
            if index == start, bytes[index] == 0x0D {
                guard index + 1 < bytes.count else { return Reading() }
                guard bytes[index + 1] == 0x0A else { return Reading(fault: .bareCarriageReturn) }
                reading.isComplete = true
                reading.length = index + 2
                return reading
            }
            guard bytes[index] == 0x3A, index > start else {
                if isBlank(bytes[index]) { return Reading(fault: index == start ? .obsoleteFolding : .spaceBeforeColon) }
                return Reading(fault: bytes[index] == 0x3A ? .emptyFieldName : bytes[index] == 0x0A ? .bareLineFeed : .fieldName)
            }
            let name = bytes[start..<index]
            index += 1
            var text: [UInt8] = []
            while index < bytes.count, isText(bytes[index]) {
                text.append(bytes[index])
                index += 1
            }
            guard index < bytes.count else { return Reading() }
            guard bytes[index] == 0x0D else { return Reading(fault: bytes[index] == 0x0A ? .bareLineFeed : .fieldValueControl) }
            guard index + 1 < bytes.count else { return Reading() }
            guard bytes[index + 1] == 0x0A else { return Reading(fault: .bareCarriageReturn) }
            index += 2
            guard reading.lines.count < capacity else { return Reading(fault: .tooManyFields) }
            let head = text.prefix { isBlank($0) }
            let value = text.drop { isBlank($0) }.reversed().drop { isBlank($0) }.reversed()
            let isPlain = head == [0x20] && text.count == value.count + 1
            reading.lines.append("\(String(decoding: name, as: UTF8.self))|\(Array(value))|\(isPlain)")
        }
    }

    @Test("names of 0 to 40 bytes, values of 0 to 40, with every kind of blank around: the same as byte by byte")
    func lengths() {
        for before in ["", " ", "  ", "\t", " \t"] {
            for behind in ["", " ", "\t"] {
                for name in 0...40 {
                    for value in 0...40 {
                        let text = String(repeating: "n", count: name) + ":" + before + String(repeating: "v", count: value) + behind + "\r\n"
                        for end in ["\r\n", "a: b\r\n\r\n", "\r\nand what follows the section"] {
                            let bytes = Array((text + end).utf8)
                            #expect(parsed(bytes, capacity: 4) == expected(bytes, capacity: 4), "\(name), \(value)")
                        }
                    }
                }
            }
        }
    }

    @Test("random sections, some of them cut off or tampered with: the same as byte by byte")
    func random() {
        var random = FixedRandom(state: 0xF1E1D)
        let names = ["", "Host", "Content-Length", "Accept-Encoding", "X-Sixteen-Bytes-", "X-Request-Id", "a", "X_1.2", "Upgrade-Insecure-Requests"]
        var verdicts = (complete: 0, malformed: 0, incomplete: 0)
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let value = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0x21...0xFF, using: &random) }
                bytes += Array(names.randomElement(using: &random)!.utf8) + Array(": ".utf8) + value.filter { $0 != 0x7F } + Array("\r\n".utf8)
            }
            bytes += Array("\r\n".utf8)
            if Bool.random(using: &random) {
                for _ in 0..<Int.random(in: 1...2, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = [0, 9, 10, 13, 0x20, 0x3A, 0x7F, 0x80].randomElement(using: &random)!
                }
            }
            if Int.random(in: 0..<4, using: &random) == 0 { bytes.removeLast(Int.random(in: 1...bytes.count, using: &random)) }
            let reading = parsed(bytes, capacity: 5)
            #expect(reading == expected(bytes, capacity: 5), "\(String(decoding: bytes, as: UTF8.self))")
            if reading.isComplete { verdicts.complete += 1 } else if reading.fault != nil { verdicts.malformed += 1 } else { verdicts.incomplete += 1 }
        }
        #expect(min(verdicts.complete, verdicts.malformed, verdicts.incomplete) > 1000)
    }
}
